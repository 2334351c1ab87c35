//! Which positions of a sequence are trained, and on which future action each (the paper, section 4).
//!
//! All objectives produce (position, label) pairs for the same loss. A new one is a file beside `dense_all_action.rs`,
//! declared here, and a line in [`OBJECTIVES`]; its settings are the fields of its struct.

mod dense_all_action;
mod next_action;
mod pairs;
#[cfg(test)]
mod test_timeline;

use dayvec_core::Objective;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ModelError;
pub(crate) use pairs::{Pair, PairSampler, PositiveActions, Timeline};

/// The objectives, by their names in a configuration.
const OBJECTIVES: [(&str, FromSettings); 2] = [
    ("dense_all_action", from_settings::<dense_all_action::DenseAllAction>),
    ("next_action", from_settings::<next_action::NextAction>),
];

type FromSettings = fn(&Objective) -> Result<Box<dyn PairSampler>, ModelError>;

fn from_settings<T: PairSampler + DeserializeOwned + 'static>(
    objective: &Objective,
) -> Result<Box<dyn PairSampler>, ModelError> {
    let settings = Value::Object(objective.settings.clone());
    match serde_path_to_error::deserialize::<_, T>(settings) {
        Ok(sampler) => Ok(Box::new(sampler)),
        Err(error) => Err(ModelError::BadObjective {
            setting: error.path().to_string(),
            reason: error.into_inner().to_string().replace("there are no fields", "it has no settings"),
        }),
    }
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

/// Check the name and the settings of an objective.
///
/// # Errors
/// [`ModelError::BadObjective`], which names the setting.
pub fn check_objective(objective: &Objective) -> Result<(), ModelError> {
    pair_sampler(objective).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(objective: Objective) -> String {
        check_objective(&objective).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_checked_by_name() {
        let dense = || Objective::named("dense_all_action");
        check_objective(&dense().with("window_days", 28)).unwrap();
        check_objective(&Objective::named("next_action")).unwrap();
        for (objective, expected) in [
            (dense().with("window_days", 0), "objective.window_days: invalid value: integer `0`"),
            (dense().with("window_days", "long"), "objective.window_days: invalid type: string \"long\""),
            (dense(), "objective: missing field `window_days`"),
            (
                Objective::named("next_action").with("window_days", 28),
                "objective.window_days: unknown field `window_days`, it has no settings",
            ),
            (
                Objective::named("sasrec"),
                "objective.name: `sasrec` is not an objective; use one of dense_all_action, next_action",
            ),
        ] {
            let message = fault(objective);
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
