//! Users and items themselves: the map, and examples.

use std::collections::BTreeMap;

use super::chart::{Chart, Dot, Dots, GREY};
use super::finding;
use super::text::shown;
use super::view::{ActionView, NearView, UserView};
use crate::figure::{count, percent};
use crate::{EmbeddingMap, ExampleUser, MapPoint, NearItem, ShownAction};

/// Interests that have a colour of their own.
const N_INTERESTS: usize = 4;
/// An interest of fewer items than this on the map needs no colour.
const MIN_ITEMS: usize = 5;
/// The colour of users: the first of the series.
const USERS: usize = 0;

/// Users as rings over items as discs, of which the most frequent interests have a colour.
pub(super) fn map(map: &EmbeddingMap) -> Chart {
    let interests = frequent_interests(&map.items);
    let item = |item: &MapPoint| {
        let place = interests.iter().position(|interest| *interest == item.interest);
        let name = match item.interest.as_str() {
            "" => shown(&item.name),
            interest => format!("{} ({})", shown(&item.name), shown(interest)),
        };
        Dot { x: item.x, y: item.y, colour: place.map_or(GREY, |at| at + 1), is_ring: false, name }
    };
    let user = |user: &MapPoint| {
        let name = format!("user {}", shown(&user.name));
        Dot { x: user.x, y: user.y, colour: USERS, is_ring: true, name }
    };
    let mut legend = vec![(USERS, "users (rings)".to_owned())];
    legend.extend(
        interests.iter().zip(1..).map(|(interest, colour)| (colour, format!("items: {}", shown(interest)))),
    );
    legend.push((GREY, if interests.is_empty() { "items" } else { "other items" }.to_owned()));
    let label = |direction: &str, variance: f64| {
        format!("{direction} direction (unit length 1), {} of the spread", percent(variance))
    };
    Dots {
        id: "map",
        title: finding::of_map(map),
        labels: [label("first", map.variance[0]), label("second", map.variance[1])],
        dots: map.items.iter().map(item).chain(map.users.iter().map(user)).collect(),
        legend,
    }
    .chart()
}

/// The most frequent interests, most items first; equally frequent ones by name.
fn frequent_interests(items: &[MapPoint]) -> Vec<String> {
    let mut n_items: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items.iter().filter(|item| !item.interest.is_empty()) {
        *n_items.entry(&item.interest).or_default() += 1;
    }
    let mut interests: Vec<(&str, usize)> = n_items.into_iter().filter(|&(_, n)| n >= MIN_ITEMS).collect();
    interests.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    interests.into_iter().take(N_INTERESTS).map(|(interest, _)| interest.to_owned()).collect()
}

/// An example user.
pub(super) fn user(user: &ExampleUser) -> UserView {
    let found = user.neighbours.iter().filter(|near| near.is_relevant).count();
    let finding = format!(
        "{found} of the {} nearest items are among the {} that the user turned to in the test",
        user.neighbours.len(),
        count(user.n_relevant as u64)
    );
    let trained = if user.is_held_out { "never trained on" } else { "trained on" };
    let action = |one: &ShownAction| ActionView {
        time: shown(&one.time),
        action: shown(&one.action),
        item: shown(&one.item),
    };
    let near = |one: &NearItem| NearView {
        item: shown(&one.item),
        score: format!("{:.3}", one.score),
        is_seen: one.is_seen,
        is_relevant: one.is_relevant,
    };
    UserView {
        id: shown(&user.user_id),
        finding,
        facts: format!("{}; {} actions before the test; {trained}.", user.why, count(user.n_actions as u64)),
        actions: user.actions.iter().map(action).collect(),
        neighbours: user.neighbours.iter().map(near).collect(),
    }
}
