//! Which positions of a sequence are trained, and on which future action each (the paper, section 4).
//!
//! All objectives produce (position, label) pairs for the same loss. A new one is a file beside `dense_all_action.rs`,
//! declared here, and a line in [`OBJECTIVES`]; its settings are the fields of its struct.

mod all_action;
mod dense_all_action;
mod next_action;
mod pairs;
mod sasrec;
mod sum;
mod tasks;
#[cfg(test)]
mod test_timeline;

use dayvec_core::{EventSchema, Objective};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ModelError;
pub(crate) use pairs::{Pair, PairSampler, PositiveActions, Timeline};
use sum::{Sum, SumSettings, Term};
pub(crate) use tasks::Tasks;

/// The objectives, by their names in a configuration.
const OBJECTIVES: [(&str, FromSettings); 5] = [
    ("dense_all_action", from_settings::<dense_all_action::DenseAllAction>),
    ("all_action", from_settings::<all_action::AllAction>),
    ("sasrec", from_settings::<sasrec::Sasrec>),
    ("next_action", from_settings::<next_action::NextAction>),
    ("sum", sum_of_terms),
];

type FromSettings = fn(&Objective) -> Result<Box<dyn PairSampler>, ModelError>;

fn from_settings<T: PairSampler + DeserializeOwned + 'static>(
    objective: &Objective,
) -> Result<Box<dyn PairSampler>, ModelError> {
    Ok(Box::new(settings_of::<T>(objective)?))
}

/// The settings of an objective; `tasks`, which every one has, is read by [`Tasks::of`].
fn settings_of<T: DeserializeOwned>(objective: &Objective) -> Result<T, ModelError> {
    let mut settings = objective.settings.clone();
    settings.remove(tasks::SETTING);
    serde_path_to_error::deserialize(Value::Object(settings)).map_err(|error| ModelError::BadObjective {
        setting: error.path().to_string(),
        reason: error.into_inner().to_string().replace("there are no fields", "it has no settings"),
    })
}

fn sum_of_terms(objective: &Objective) -> Result<Box<dyn PairSampler>, ModelError> {
    let bad = |setting: String, reason: &str| ModelError::BadObjective { setting, reason: reason.to_owned() };
    let settings: SumSettings = settings_of(objective)?;
    let mut terms = Vec::new();
    for (at, term) in settings.terms.iter().enumerate() {
        let place = format!("terms[{at}]");
        if !(term.weight.is_finite() && term.weight > 0.0) {
            return Err(bad(format!("{place}.weight"), "must be positive"));
        }
        if term.objective.settings.contains_key(tasks::SETTING) {
            return Err(bad(
                format!("{place}.objective.tasks"),
                "set `tasks` beside `terms`: all terms share them",
            ));
        }
        let sampler = pair_sampler(&term.objective).map_err(|error| match error {
            ModelError::BadObjective { setting, reason } => {
                let inside = if setting == "." { String::new() } else { format!(".{setting}") };
                ModelError::BadObjective { setting: format!("{place}.objective{inside}"), reason }
            }
            other => other,
        })?;
        terms.push(Term { weight: term.weight, objective: sampler });
    }
    let Some(loss) = terms.first().map(|term| term.objective.loss()) else {
        return Err(bad("terms".to_owned(), "must not be empty"));
    };
    if terms.iter().any(|term| term.objective.loss() != loss) {
        return Err(bad("terms".to_owned(), "must all have the same loss"));
    }
    Ok(Box::new(Sum { terms, loss }))
}

/// The pair sampler of an objective.
pub(crate) fn pair_sampler(objective: &Objective) -> Result<Box<dyn PairSampler>, ModelError> {
    match OBJECTIVES.iter().find(|(name, _)| *name == objective.name) {
        Some((_, from_settings)) => from_settings(objective),
        None => Err(ModelError::BadObjective {
            setting: "name".to_owned(),
            reason: format!(
                "`{}` is not an objective; use one of {}",
                objective.name,
                OBJECTIVES.map(|(name, _)| name).join(", ")
            ),
        }),
    }
}

/// Check the name and the settings of an objective, for a log of this schema.
///
/// # Errors
/// [`ModelError::BadObjective`], which names the setting.
pub fn check_objective(objective: &Objective, schema: &EventSchema) -> Result<(), ModelError> {
    pair_sampler(objective)?;
    Tasks::of(objective, schema).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    fn fault(objective: Objective) -> String {
        check_objective(&objective, &fixture::spec().events).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_checked_by_name() {
        let dense = || Objective::named("dense_all_action");
        let sum = |terms: Value| Objective::named("sum").with("terms", terms);
        let sasrec = || Objective::named("sasrec").with("newest_weight", "half");
        for good in [
            dense().with("window_days", 28),
            dense().with("window_days", 28).with("tasks", Value::Null),
            Objective::named("next_action"),
            Objective::named("all_action").with("window_days", 28),
            sasrec().with("loss", "binary_cross_entropy"),
            sum(json!([{"weight": 1, "objective": {"name": "next_action"}}])),
        ] {
            check_objective(&good, &fixture::spec().events).unwrap();
        }
        for (objective, expected) in [
            (dense().with("window_days", 0), "objective.window_days: invalid value: integer `0`"),
            (dense().with("window_days", "long"), "objective.window_days: invalid type: string \"long\""),
            (dense(), "objective: missing field `window_days`"),
            (
                sasrec().with("loss", "hinge"),
                "objective.loss: unknown variant `hinge`, expected `sampled_softmax` or `binary_cross_entropy`",
            ),
            (sum(json!([])), "objective.terms: must not be empty"),
            (
                sum(json!([{"weight": 0, "objective": {"name": "next_action"}}])),
                "objective.terms[0].weight: must be positive",
            ),
            (
                sum(json!([{"weight": 1, "objective": {"name": "all_action"}}])),
                "objective.terms[0].objective: missing field `window_days`",
            ),
            (
                sum(json!([
                    {"weight": 1, "objective": {"name": "next_action"}},
                    {"weight": 1, "objective": sasrec().with("loss", "binary_cross_entropy")},
                ])),
                "objective.terms: must all have the same loss",
            ),
            (
                Objective::named("next_action").with("window_days", 28),
                "objective.window_days: unknown field `window_days`, it has no settings",
            ),
            (
                Objective::named("gru4rec"),
                "objective.name: `gru4rec` is not an objective; use one of dense_all_action, all_action, sasrec, \
                 next_action, sum",
            ),
        ] {
            let message = fault(objective);
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
