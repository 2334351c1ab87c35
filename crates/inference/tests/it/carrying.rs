//! Who is encoded, who is carried, and what of.

use dayvec_inference::config::ModelChoice;
use dayvec_inference::{DailyRequest, Outcome, Start};

use crate::shop::{N_ITEMS, N_USERS, Shop, day, is_active};

fn active_users(days: &[i32]) -> Vec<String> {
    (0..N_USERS)
        .filter(|&user| days.iter().any(|&n| is_active(user, n)))
        .map(|user| format!("u{user}"))
        .collect()
}

/// Rows computed on day `n`, by id.
fn computed_on(rows: &crate::shop::Rows, n: i32) -> Vec<String> {
    let mut ids: Vec<String> =
        rows.iter().filter(|(_, row)| row.computed_at == day(n).end_s()).map(|(id, _)| id.clone()).collect();
    ids.sort_by_key(|id| id[1..].parse::<usize>().unwrap());
    ids
}

#[test]
fn the_first_day_encodes_everyone_as_the_model_does() {
    let shop = Shop::new();
    let report = shop.run(0).unwrap();
    assert_eq!((report.outcome, report.start), (Outcome::Announced, Start::Log));
    assert_eq!((report.users, report.encoded, report.carried), (N_USERS as u64, N_USERS as u64, 0));
    assert_eq!(report.items, N_ITEMS as u64);
    let rows = shop.rows();
    for (id, expected) in shop.encode_directly(0) {
        let row = &rows[&id];
        assert_eq!(row.last_action_at, expected.last_action_at);
        assert!(largest_difference(&row.values, &expected.values) < 1e-5, "{id}");
    }
    assert_eq!(rows.len(), N_USERS);
}

#[test]
fn a_later_day_encodes_the_active_and_carries_the_idle_bit_for_bit() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    let before = shop.rows();
    let report = shop.run(1).unwrap();
    let active = active_users(&[1]);
    assert_eq!((report.start, report.start_day), (Start::Snapshot, Some(day(0))));
    assert_eq!(report.encoded, active.len() as u64);
    assert_eq!(report.users, report.encoded + report.carried);
    let after = shop.rows();
    assert_eq!(computed_on(&after, 1), active);
    for (id, row) in &after {
        if active.contains(id) {
            assert_ne!(row.values, before[id].values, "{id} acted");
        } else {
            assert_eq!(row, &before[id], "{id} was idle");
        }
    }
}

#[test]
fn a_missed_day_is_caught_up() {
    let daily = Shop::new();
    for n in 0..3 {
        daily.run(n).unwrap();
    }
    let late = Shop::new();
    late.run(0).unwrap();
    let report = late.run(2).unwrap();
    assert_eq!((report.start, report.start_day), (Start::Snapshot, Some(day(0))));
    assert_eq!(computed_on(&late.rows(), 2), active_users(&[1, 2]));
    check_same_values(&daily, &late);
}

#[test]
fn a_full_run_is_no_different() {
    let shop = Shop::new();
    for n in 0..3 {
        shop.run(n).unwrap();
    }
    let full = Shop::new();
    let report = full.run_with(DailyRequest { full: true, ..DailyRequest::new(day(2)) }).unwrap();
    assert_eq!((report.start, report.encoded), (Start::Log, N_USERS as u64));
    check_same_values(&shop, &full);
}

#[test]
fn a_log_in_one_file_is_no_different() {
    let by_day = Shop::new();
    let mut in_one = Shop::new();
    let mut text = "user_id,item_id,action,timestamp\n".to_owned();
    for n in 0..4 {
        let rows = std::fs::read_to_string(in_one.path(&format!("events/day={}/shop.csv", day(n)))).unwrap();
        text.push_str(rows.split_once('\n').unwrap().1);
    }
    let file = in_one.path("log.csv");
    std::fs::write(&file, text).unwrap();
    in_one.config.events = format!("file://{}", file.display()).parse().unwrap();
    for n in 0..2 {
        let (one, other) = (by_day.run(n).unwrap(), in_one.run(n).unwrap());
        assert_eq!(
            one.snapshot_id, other.snapshot_id,
            "the same events are the same run, whichever files hold them"
        );
    }
    assert_eq!(by_day.rows(), in_one.rows());
}

#[test]
fn another_model_encodes_everyone_from_the_same_state() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    shop.add_model("m2", 2);
    let report = shop
        .run_with(DailyRequest { model: Some(ModelChoice::Id("m2".into())), ..DailyRequest::new(day(1)) })
        .unwrap();
    assert_eq!((report.start, report.start_day), (Start::State, Some(day(0))));
    assert_eq!((report.encoded, report.carried), (N_USERS as u64, 0));
    // The first model goes on from its own last snapshot, whatever was announced between.
    let report = shop
        .run_with(DailyRequest { model: Some(ModelChoice::Id("m1".into())), ..DailyRequest::new(day(2)) })
        .unwrap();
    assert_eq!((report.start, report.start_day), (Start::Snapshot, Some(day(0))));
    assert_eq!(computed_on(&shop.rows(), 2), active_users(&[1, 2]));
}

#[test]
fn late_events_count_and_repeated_ones_do_not() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    shop.run(1).unwrap();
    let idle = (0..N_USERS).find(|&user| !is_active(user, 1) && !is_active(user, 2)).unwrap();
    shop.append(1, "late.csv", &[(format!("u{idle}"), "i1".into(), 50_000)]);
    shop.run(2).unwrap();
    let mut expected = active_users(&[2]);
    expected.push(format!("u{idle}"));
    expected.sort_by_key(|id| id[1..].parse::<usize>().unwrap());
    assert_eq!(computed_on(&shop.rows(), 2), expected);
}

#[test]
fn unknown_items_are_counted_and_take_no_embedding_away() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    let before = shop.rows();
    let idle = (0..N_USERS).find(|&user| !is_active(user, 1)).unwrap();
    // More actions on unknown items than a sequence holds: nothing that the model knows is left of this user.
    let mut rows: Vec<(String, String, i64)> =
        (0..20).map(|k| (format!("u{idle}"), format!("new{k}"), 60_000 + k)).collect();
    rows.push(("stranger".into(), "new1".into(), 60_000));
    shop.append(1, "unknown.csv", &rows);
    let report = shop.run(1).unwrap();
    assert_eq!(report.statistics.without_embedding, 1);
    assert_eq!(report.statistics.unknown_item_actions, 17);
    let after = shop.rows();
    assert!(!after.contains_key("stranger"));
    let id = format!("u{idle}");
    assert_eq!(after[&id], before[&id]);
}

#[test]
fn a_day_without_events_carries_everyone() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    shop.run(3).unwrap();
    let before = shop.rows();
    shop.append(12, "later.csv", &[("u1".into(), "i1".into(), 60)]);
    let report = shop.run(9).unwrap();
    assert_eq!((report.encoded, report.carried), (0, N_USERS as u64));
    assert_eq!(shop.rows(), before);
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

/// Two shops serve the same embeddings, up to the order of additions in batches of other lengths.
fn check_same_values(one: &Shop, other: &Shop) {
    let (one, other) = (one.rows(), other.rows());
    assert_eq!(one.len(), other.len());
    for (id, row) in &one {
        assert_eq!(row.last_action_at, other[id].last_action_at);
        assert!(largest_difference(&row.values, &other[id].values) < 1e-5, "{id}");
    }
}
