//! Events → train → day 1 → lookup → day 2 → lookup: the same floats arrive at the client as were encoded.

use std::collections::BTreeSet;

use dayvec_core::Day;
use dayvec_inference::{Outcome, Start};
use dayvec_proto::lookup::v1::Status;

use crate::client::{Lookup, floats};
use crate::direct::Direct;
use crate::world::{Rows, Store, World, day};

const N_BUCKETS: u32 = 4;

#[test]
fn the_road_on_local_disk() {
    the_road(Store::Disk);
}

#[test]
fn the_road_on_s3() {
    the_road(Store::S3);
}

fn the_road(store: Store) {
    let world = World::new(store, N_BUCKETS);
    world.train();
    let direct = Direct::open(&world);
    let (first, second) = (day(0), day(1));

    let report = world.run_day(first);
    assert_eq!((report.outcome, report.start, report.carried), (Outcome::Announced, Start::Log, 0));
    let lookup = Lookup::start(&world);
    lookup.wait_for(&report.snapshot_id);
    let encoded = direct.encode(first, N_BUCKETS, |_| true);
    let day_1 = rows(&world, first);
    assert_eq!(day_1.len(), encoded.len());
    check_served(&lookup, &day_1);
    for (id, values) in &encoded {
        assert_eq!(&day_1[id].values, values, "{id} on day 1");
    }

    let report = world.run_day(second);
    assert_eq!((report.outcome, report.start), (Outcome::Announced, Start::Snapshot));
    let status = lookup.wait_for(&report.snapshot_id);
    assert_eq!((status.n_users, status.announcement), (report.users, 2));
    let day_2 = rows(&world, second);
    check_served(&lookup, &day_2);
    check_second_day(&direct, second, &day_1, &day_2);
    assert_eq!(
        report.encoded as usize,
        day_2.values().filter(|row| row.computed_at == second.end_s()).count()
    );
    check_items(&lookup, &direct);
    check_strangers(&lookup);
    lookup.stop();
}

/// The rows of the announced snapshot, which is of this day.
fn rows(world: &World, day: Day) -> Rows {
    let manifest = world.announced().unwrap();
    assert_eq!(manifest.day, day);
    world.rows(&manifest)
}

/// What the client gets is what is in the snapshot, to the bit.
fn check_served(lookup: &Lookup<'_>, rows: &Rows) {
    let ids: Vec<String> = rows.keys().cloned().collect();
    for (id, answer) in ids.iter().zip(lookup.users(&ids)) {
        let row = &rows[id];
        assert_eq!(answer.status(), Status::Found, "{id}");
        assert_eq!(floats(&answer.embedding.unwrap()), row.values, "{id}");
        assert_eq!(answer.computed_at.unwrap().seconds, row.computed_at, "{id}");
        assert_eq!(answer.last_action_at.unwrap().seconds, row.last_action_at, "{id}");
    }
}

/// Encoded are exactly the users with events of the second day; all others are the first day's, bit for bit.
fn check_second_day(direct: &Direct, second: Day, day_1: &Rows, day_2: &Rows) {
    let active: BTreeSet<String> =
        direct.sequences(second.start_s(), second).users.iter().map(str::to_owned).collect();
    let encoded = direct.encode(second, N_BUCKETS, |id| active.contains(id));
    assert!(!encoded.is_empty() && encoded.len() < day_1.len() / 2, "{} of {}", encoded.len(), day_1.len());
    for (id, row) in day_2 {
        match encoded.get(id) {
            Some(values) => {
                assert_eq!((&row.values, row.computed_at), (values, second.end_s()), "{id} acted");
            }
            None => assert_eq!(row, &day_1[id], "{id} was idle"),
        }
    }
    assert!(encoded.keys().all(|id| day_2.contains_key(id)));
    assert!(day_1.keys().all(|id| day_2.contains_key(id)));
}

fn check_items(lookup: &Lookup<'_>, direct: &Direct) {
    let ids: Vec<String> = direct.items.ids.ids().iter().map(str::to_owned).collect();
    let values = direct.model.encode_items().unwrap();
    assert_eq!(lookup.items(&ids).concat(), values);
}

fn check_strangers(lookup: &Lookup<'_>) {
    let answers = lookup.users(&["nobody".to_owned()]);
    assert_eq!(answers[0].status(), Status::NotFound);
    assert!(answers[0].embedding.is_none());
}
