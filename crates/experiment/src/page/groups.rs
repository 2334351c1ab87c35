//! Recall of users by how much they did, and of items by how popular they were, beside popularity.

use anyhow::Context;
use dayvec_evaluation::baselines::popularity;
use dayvec_evaluation::{EvalOptions, GroupRecall, Outcomes, Scorer, Truth, equal_parts, ranges, retrieve};
use dayvec_report::{Group, RecallByGroup};
use dayvec_runtime::fault::OrFault as _;

use super::catalogue::Catalogue;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::evaluate::baseline_input;

/// Groups of users: their names fit below a chart.
const N_USER_GROUPS: usize = 6;
/// Groups of items.
const N_ITEM_GROUPS: usize = 10;

/// Measure the model and popularity on the truth, group by group.
pub(super) fn recall(
    config: &Config,
    loaded: &Checkpoint,
    truth: &Truth,
    model: &dyn Scorer,
) -> anyhow::Result<RecallByGroup> {
    let history = &loaded.data.history;
    let options = EvalOptions {
        interests: None,
        n_resamples: config.raw.evaluation.bootstrap,
        seed: config.raw.run.seed,
    };
    let measure = |scorer: &dyn Scorer| {
        let outcomes = retrieve(scorer, history, truth, &options).or_fault();
        outcomes.with_context(|| format!("evaluate {}", scorer.name()))
    };
    let popularity = popularity(&baseline_input(config, &loaded.items, &loaded.data));
    let popularity = popularity.or_fault().context("build popularity")?;
    let (model, baseline) = (measure(model)?, measure(&popularity)?);

    let n_actions = |user: usize| history.range(user).len() as u64;
    let of_users = |range: (u64, u64)| {
        let keep = |user: usize| (range.0..=range.1).contains(&n_actions(user));
        group(range, [&model, &baseline].map(|outcomes| outcomes.recall_of_users(&keep)))
    };
    let numbers = truth.users.iter().map(|&user| n_actions(user)).collect();

    let catalogue = Catalogue::new(history, truth);
    let of_items = |items: Vec<u32>| {
        let range = items.first().zip(items.last());
        let range =
            range.map_or((0, 0), |(&first, &last)| (catalogue.n_actions(first), catalogue.n_actions(last)));
        let mut is_of = vec![false; truth.eligible.len()];
        items.iter().for_each(|&item| is_of[item as usize] = true);
        let of = |outcomes: &Outcomes| outcomes.recall_of_items(truth, &|item| is_of[item as usize]);
        group(range, [of(&model), of(&baseline)])
    };
    let parts = equal_parts(&catalogue.items, &|item| catalogue.n_actions(item), N_ITEM_GROUPS);
    Ok(RecallByGroup {
        k: model.list_length(),
        baseline: popularity.name().to_owned(),
        by_activity: ranges(numbers, N_USER_GROUPS).into_iter().map(of_users).collect(),
        by_popularity: parts.into_iter().map(of_items).collect(),
    })
}

fn group(range: (u64, u64), [model, baseline]: [GroupRecall; 2]) -> Group {
    Group {
        range,
        n_users: model.n_users,
        n_pairs: model.n_pairs,
        model: model.recall,
        baseline: baseline.recall,
    }
}
