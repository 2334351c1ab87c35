//! Small models and random sequences.

use dayvec_core::{
    Actions, ColumnNames, EventSchema, ItemTable, MODEL_FORMAT_VERSION, ModelSpec, Objective, PositiveRule,
    Sequences, TimeUnit,
};
use dayvec_model::{Correction, NegativeCorrection, PositiveCorrection};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// The shipped correction.
pub(crate) const CORRECTION: Correction =
    Correction { negatives: NegativeCorrection::Linear, positives: PositiveCorrection::Conditional };
pub(crate) const N_ITEMS: usize = 50;
pub(crate) const ITEM_DIM: usize = 6;

pub(crate) fn spec() -> ModelSpec {
    let mut spec = ModelSpec {
        format_version: MODEL_FORMAT_VERSION,
        model_id: "test".into(),
        tower_pair_id: "test".into(),
        events: EventSchema {
            columns: ColumnNames::default(),
            time_unit: TimeUnit::Seconds,
            actions: vec!["view".into(), "purchase".into()],
            positives: vec![PositiveRule { action: "purchase".into(), longer_than_s: None, surfaces: None }],
        },
        surfaces: vec!["home".into(), "search".into()],
        duration: true,
        max_len: 0,
        look_back_days: 365,
        items_version: "test".into(),
        item_dim: ITEM_DIM,
        n_items: N_ITEMS,
        n_layers: 0,
        hidden_dim: 0,
        n_heads: 0,
        dim: 0,
        item_hidden_dim: 0,
        action_dim: 0,
        surface_dim: 0,
        item_id_dim: 0,
        history_bag: None,
        left_out: Vec::new(),
        objective: Objective::named("dense_all_action").with("window_days", 28),
        parts: None,
    };
    dayvec_model::preset("tiny").unwrap().apply(&mut spec);
    spec.n_layers = 2;
    spec
}

pub(crate) fn items(seed: u64) -> ItemTable {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut table = ItemTable { dim: ITEM_DIM, ..ItemTable::default() };
    for item in 0..N_ITEMS {
        table.ids.intern(&format!("item-{item}"));
    }
    table.features = (0..N_ITEMS * ITEM_DIM).map(|_| rng.random_range(-0.5..0.5)).collect();
    table
}

/// Users with 1 to 40 actions, some at equal times; the first has exactly one.
pub(crate) fn sequences(n_users: usize, seed: u64) -> Sequences {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut actions = Actions::default();
    let mut offsets = vec![0];
    for user in 0..n_users {
        let len = if user == 0 { 1 } else { rng.random_range(1..=40) };
        let mut time = 1_600_000_000_i64 + rng.random_range(0..1_000_000);
        for _ in 0..len {
            actions.item.push(rng.random_range(0..N_ITEMS as u32));
            actions.action_type.push(rng.random_range(0..2));
            actions.surface.push(rng.random_range(0..3));
            actions.duration_s.push(if rng.random_bool(0.2) {
                f32::NAN
            } else {
                rng.random_range(0.0..90.0)
            });
            actions.timestamp.push(time);
            actions.positive.push(*actions.action_type.last().unwrap() == 1);
            actions.event_key.push(rng.random());
            if rng.random_bool(0.7) {
                time -= rng.random_range(1..400_000);
            }
        }
        offsets.push(actions.item.len());
    }
    Sequences {
        users: (0..n_users).map(|user| format!("user-{user}")).collect(),
        offsets,
        actions,
        items: items(1).ids,
        surfaces: vec!["home".into(), "search".into()],
    }
}
