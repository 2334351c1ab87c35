//! A made-up shop whose customers buy the same few items again, and follow what is in fashion.

use dayvec_core::{Actions, IdInterner, SECONDS_PER_DAY, Sequences};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// First second of the shop: 2024-01-01.
pub(crate) const OPENED_S: i64 = 1_704_067_200;

/// (item, seconds, positive), newest first.
pub(crate) type UserActions = Vec<(u32, i64, bool)>;

/// Sequences of users given by their actions.
pub(crate) fn sequences(users: &[UserActions], n_items: usize) -> Sequences {
    let mut items = IdInterner::default();
    for item in 0..n_items {
        items.intern(&format!("item {item}"));
    }
    let mut all = Sequences { offsets: vec![0], items, actions: Actions::default(), ..Sequences::default() };
    for (user, actions) in users.iter().enumerate() {
        all.users.push(&format!("user {user}"));
        for &(item, timestamp, positive) in actions {
            all.actions.item.push(item);
            all.actions.action_type.push(u8::from(!positive));
            all.actions.timestamp.push(timestamp);
            all.actions.positive.push(positive);
            all.actions.event_key.push(0);
        }
        all.offsets.push(all.actions.item.len());
    }
    all
}

/// A year of `n_users`, each with five favourites of `n_items`, bought every few days, and looks at others.
pub(crate) fn shop(n_users: usize, n_items: usize, seed: u64) -> Vec<UserActions> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let day = |rng: &mut Pcg64Mcg| rng.random_range(0..365_i64);
    (0..n_users)
        .map(|_| {
            let favourites: Vec<u32> = (0..5).map(|_| rng.random_range(0..n_items as u32)).collect();
            let mut actions: UserActions = (0..rng.random_range(3..60))
                .map(|_| {
                    let own = rng.random_bool(0.7);
                    let any = rng.random_range(0..n_items as u32);
                    let item = if own { favourites[rng.random_range(0..5)] } else { any };
                    let second = rng.random_range(0..SECONDS_PER_DAY);
                    (item, OPENED_S + day(&mut rng) * SECONDS_PER_DAY + second, rng.random_bool(0.8))
                })
                .collect();
            actions.sort_by_key(|&(_, timestamp, _)| std::cmp::Reverse(timestamp));
            actions
        })
        .collect()
}
