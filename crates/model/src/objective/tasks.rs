//! Which positives are labels: those of some action types, or all (the paper, section 7.6: one task or several).

use dayvec_core::{EventSchema, Objective};
use serde_json::Value;

use crate::error::ModelError;

/// The setting of every objective that names the tasks.
pub(super) const SETTING: &str = "tasks";

/// The tasks that a model is trained on. A task is a type of positive action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tasks {
    /// Every positive is a label.
    All,
    /// Only positives of these types: rows of the schema's `actions`.
    Some(Vec<u8>),
}

impl Tasks {
    /// The tasks of an objective: its setting `tasks`, a list of actions; all without it.
    ///
    /// # Errors
    /// When the setting is not a list of actions that the schema has a rule for positives for.
    pub(crate) fn of(objective: &Objective, schema: &EventSchema) -> Result<Self, ModelError> {
        let bad = |reason: String| ModelError::BadObjective { setting: SETTING.to_owned(), reason };
        let names: Vec<String> = match objective.settings.get(SETTING) {
            None | Some(Value::Null) => return Ok(Self::All),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|_| bad(format!("{value} must be a list of actions, such as [purchase]")))?,
        };
        if names.is_empty() {
            return Err(bad(
                "must name at least one action; leave it out to train on all positives".to_owned()
            ));
        }
        let row = |name: &String| {
            let is_positive = schema.positives.iter().any(|rule| rule.action == *name);
            let row = schema.actions.iter().position(|action| action == name).filter(|_| is_positive);
            row.map(|row| row as u8)
                .ok_or_else(|| bad(format!("no rule of events.schema.positives is for the action `{name}`")))
        };
        names.iter().map(row).collect::<Result<_, _>>().map(Self::Some)
    }

    /// Whether positives of a type are labels.
    pub(crate) fn contains(&self, action_type: u8) -> bool {
        match self {
            Self::All => true,
            Self::Some(types) => types.contains(&action_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn tasks_are_actions_with_a_rule_for_positives() {
        let schema = fixture::spec().events;
        let action = &schema.positives[0].action;
        let with = |value: Value| Tasks::of(&Objective::named("next_action").with(SETTING, value), &schema);
        assert_eq!(with(Value::Null).unwrap(), Tasks::All);
        let tasks = with(serde_json::json!([action])).unwrap();
        let row = schema.actions.iter().position(|other| other == action).unwrap() as u8;
        assert!(tasks.contains(row) && !tasks.contains(row + 1), "{tasks:?}");
        for (value, expected) in [
            (serde_json::json!([]), "at least one"),
            (serde_json::json!("purchase"), "a list of actions"),
            (serde_json::json!(["sneeze"]), "no rule of events.schema.positives"),
        ] {
            let message = with(value).unwrap_err().to_string();
            assert!(message.starts_with("objective.tasks: ") && message.contains(expected), "{message}");
        }
    }
}
