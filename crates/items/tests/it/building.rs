use dayvec_core::{ItemTable, Sequences};
use dayvec_items::{Basket, BuildOptions, ItemText, ItemsError, build_items, items_version};

use crate::planted::{GROUP_SIZE, N_GROUPS, draws, group_of, item_id, planted, sequences};

pub(crate) fn options() -> BuildOptions {
    BuildOptions { dim: 16, text_dim: 6, n_interests: N_GROUPS, ..BuildOptions::default() }
}

/// Every group has its own words, and every item a number.
pub(crate) fn words() -> ItemText {
    const WORDS: [&str; N_GROUPS] =
        ["red woolly hat", "glass flower vase", "garden hand tool", "paper party plate"];
    let mut text = ItemText { titles: Some(Default::default()), ..ItemText::default() };
    for (group, words) in WORDS.iter().enumerate() {
        for member in 0..GROUP_SIZE {
            push(&mut text, &item_id(group, member), &format!("{words} no {member}"));
        }
    }
    text
}

pub(crate) fn push(text: &mut ItemText, id: &str, words: &str) {
    text.ids.intern(id);
    text.text.push(words);
    if let Some(titles) = &mut text.titles {
        titles.push(words);
    }
}

fn nearest(table: &ItemTable, item: &str) -> Vec<String> {
    let item = table.ids.find(item).unwrap();
    let cosine = |other: u32| -> f32 {
        table.feature(item).iter().zip(table.feature(other)).map(|(x, y)| x * y).sum()
    };
    let mut others: Vec<u32> = (0..table.len() as u32).filter(|&other| other != item).collect();
    others.sort_by(|&a, &b| cosine(b).total_cmp(&cosine(a)));
    others.iter().map(|&other| table.ids.ids().get(other as usize).to_owned()).collect()
}

pub(crate) fn assert_groups_are_neighbours(table: &ItemTable, least_share: f64) {
    let mut same = 0;
    for id in table.ids.ids().iter() {
        same += nearest(table, id)[..GROUP_SIZE - 1]
            .iter()
            .filter(|other| group_of(other) == group_of(id))
            .count();
    }
    let share = same as f64 / (table.len() * (GROUP_SIZE - 1)) as f64;
    assert!(share >= least_share, "{share} of the nearest neighbours are of the same group");
}

pub(crate) fn assert_unit(table: &ItemTable, item: u32) {
    let norm: f32 = table.feature(item).iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((norm - 1.0).abs() < 1e-5, "norm {norm} of {}", table.ids.ids().get(item as usize));
}

#[test]
fn items_of_one_planted_group_are_neighbours() {
    let table = build_items(&planted(), None, &options()).unwrap();
    assert_eq!((table.len(), table.dim), (N_GROUPS * GROUP_SIZE, 16));
    assert_groups_are_neighbours(&table, 0.99);
    (0..table.len() as u32).for_each(|item| assert_unit(&table, item));
    assert!(table.ids.ids().iter().is_sorted(), "rows are in the order of ids");
}

#[test]
fn sampled_partners_and_sessions_find_the_groups_too() {
    for options in [
        BuildOptions { max_partners: 2, ..options() },
        BuildOptions { max_pairs: 1000, neighbour_weight: 0.0, ..options() },
        BuildOptions { basket: Basket::Session { gap_s: 90 }, ..options() },
    ] {
        assert_groups_are_neighbours(&build_items(&planted(), None, &options).unwrap(), 0.95);
    }
}

#[test]
fn clusters_stand_in_for_interests() {
    let table = build_items(&planted(), None, &options()).unwrap();
    let labels = table.interests.as_ref().unwrap();
    for (row, id) in table.ids.ids().iter().enumerate() {
        let first = table.ids.find(&item_id(group_of(id), 0)).unwrap();
        assert_eq!(labels.get(row), labels.get(first as usize), "{id}");
        assert!(labels.get(row).starts_with("cluster-"), "{}", labels.get(row));
    }
}

#[test]
fn a_cold_item_lands_near_the_items_with_its_words() {
    let mut text = words();
    push(&mut text, "cold", "glass vase");
    push(&mut text, "nothing known", "zyzzyva");
    let table = build_items(&planted(), Some(&text), &options()).unwrap();
    assert_eq!(table.len(), N_GROUPS * GROUP_SIZE + 2);
    let neighbours = nearest(&table, "cold");
    assert!(neighbours[..GROUP_SIZE].iter().all(|other| other.starts_with("g1-")), "{neighbours:?}");
    let cold = table.ids.find("cold").unwrap();
    assert_unit(&table, cold);
    let graph_part: f32 = table.feature(cold)[..10].iter().map(|x| x * x).sum();
    assert!(
        (graph_part - (1.0 - options().text_weight)).abs() < 1e-4,
        "the graph part is predicted: {graph_part}"
    );
    assert_eq!(table.title(cold), "glass vase");
    let unknown = table.ids.find("nothing known").unwrap();
    assert!(table.feature(unknown).iter().all(|&x| x == 0.0));
    assert_eq!(table.interests.as_ref().unwrap().get(unknown as usize), "");
}

#[test]
fn text_alone_is_enough_and_interests_are_carried() {
    let mut text = words();
    text.interests = Some(text.ids.ids().iter().map(|id| format!("interest {}", group_of(id))).collect());
    let table = build_items(&Sequences { offsets: vec![0], ..Sequences::default() }, Some(&text), &options())
        .unwrap();
    assert_groups_are_neighbours(&table, 0.99);
    assert_eq!(
        table.interests.as_ref().unwrap().get(table.ids.find("g2-03").unwrap() as usize),
        "interest 2"
    );
}

#[test]
fn single_item_days_are_joined_by_the_user() {
    let mut below = draws();
    let users = (0..200).map(|user| {
        (0..8).rev().map(|day| (item_id(user % N_GROUPS, below(GROUP_SIZE)), day * 86_400)).collect()
    });
    let table = build_items(&sequences(users), None, &options()).unwrap();
    assert_groups_are_neighbours(&table, 0.99);
}

#[test]
fn an_item_that_was_always_alone_has_zeros_and_only_acted_items_have_rows() {
    let minute = |item: &str, minute: i64| (item.to_owned(), minute * 60);
    let mut log = sequences([vec![minute("a", 2), minute("b", 1)], vec![minute("alone", 1)]]);
    log.items.intern("after the window");
    let table = build_items(&log, None, &options()).unwrap();
    assert_eq!(table.ids.ids().iter().collect::<Vec<_>>(), ["a", "alone", "b"]);
    assert!(table.feature(1).iter().all(|&x| x == 0.0));
    assert_unit(&table, 0);
}

#[test]
fn a_giant_basket_does_not_outweigh_many_small_ones() {
    // One user buys everything at once; the planted groups must still show.
    let everything = (0..N_GROUPS * GROUP_SIZE)
        .map(|at| (item_id(at / GROUP_SIZE, at % GROUP_SIZE), 0))
        .collect::<Vec<_>>();
    let log = planted();
    let users = (0..log.n_users()).map(|user| {
        let id = |at| log.items.ids().get(log.actions.item[at] as usize).to_owned();
        log.range(user).map(|at| (id(at), log.actions.timestamp[at])).collect::<Vec<_>>()
    });
    let table = build_items(&sequences(users.chain([everything])), None, &options()).unwrap();
    assert_groups_are_neighbours(&table, 0.97);
}

#[test]
fn the_same_input_and_seed_give_the_same_bits() {
    let version = |seed| {
        let table = build_items(&planted(), Some(&words()), &BuildOptions { seed, ..options() }).unwrap();
        items_version(&table)
    };
    assert_eq!(version(1), version(1));
    assert_ne!(version(1), version(2));
}

#[test]
fn nothing_to_build_from_and_senseless_options_are_refused() {
    let empty = Sequences { offsets: vec![0], ..Sequences::default() };
    assert!(matches!(build_items(&empty, None, &options()), Err(ItemsError::NothingToBuildFrom)));
    let options = BuildOptions { dim: 0, power: -1.0, ..options() };
    let message = build_items(&planted(), None, &options).unwrap_err().to_string();
    assert!(message.contains("dim: must") && message.contains("power: -1"), "{message}");
}
