//! How a log's columns are read as events, and which events are positives.

use serde::{Deserialize, Serialize};

/// What a log looks like. It travels in the [`crate::ModelSpec`], so the daily run reads events exactly as
/// training did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSchema {
    /// Names of the log's columns.
    #[serde(default)]
    pub columns: ColumnNames,
    /// Unit of an integer timestamp column; a timestamp-typed column carries its own.
    #[serde(default)]
    pub time_unit: TimeUnit,
    /// Every action type that may appear, in the order of their rows in the model's table; any other is a bad row.
    /// A log without an action column has exactly one.
    pub actions: Vec<String>,
    /// Which events are positive labels; an event that satisfies any of the rules is one.
    pub positives: Vec<PositiveRule>,
}

/// Names of the columns that a log uses; an optional column that is `None`, or absent from the log, is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnNames {
    /// User id: text or integer.
    pub user_id: String,
    /// Item id: text or integer.
    pub item_id: String,
    /// Action type: text. `None`: every event has the one action that the schema lists.
    pub action: Option<String>,
    /// Time of the event: integer in [`EventSchema::time_unit`], or a timestamp or date type.
    pub timestamp: String,
    /// Where the action took place: text.
    pub surface: Option<String>,
    /// How long it lasted, in seconds: number.
    pub duration_s: Option<String>,
    /// Identity of the event: text or integer; without it user, item, action and timestamp identify an event.
    pub event_id: Option<String>,
}

impl Default for ColumnNames {
    fn default() -> Self {
        Self {
            user_id: "user_id".into(),
            item_id: "item_id".into(),
            action: Some("action".into()),
            timestamp: "timestamp".into(),
            surface: Some("surface".into()),
            duration_s: Some("duration_s".into()),
            event_id: Some("event_id".into()),
        }
    }
}

/// Unit of integer timestamps, counted from 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl TimeUnit {
    /// How many of this unit are one second.
    #[must_use]
    pub const fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }
}

/// One kind of positive label (the paper, section 3: repin, close-up > 10 s, click > 10 s, on Homefeed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositiveRule {
    /// The action type, one of [`EventSchema::actions`].
    pub action: String,
    /// The action must have lasted longer than this, in seconds; an event without a duration does not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_than_s: Option<f32>,
    /// The action must have taken place on one of these; an event without a surface does not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surfaces: Option<Vec<String>>,
}

impl EventSchema {
    /// Whether an event is a positive label.
    #[must_use]
    pub fn is_positive(&self, action: &str, surface: Option<&str>, duration_s: Option<f32>) -> bool {
        self.positives.iter().any(|rule| {
            rule.action == action
                && rule.longer_than_s.is_none_or(|least| duration_s.is_some_and(|lasted| lasted > least))
                && rule
                    .surfaces
                    .as_ref()
                    .is_none_or(|on| surface.is_some_and(|surface| on.iter().any(|name| name == surface)))
        })
    }

    /// All faults of the schema itself, one message each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.actions.is_empty() {
            faults.push("actions: list at least one action type".to_owned());
        }
        if self.actions.len() > usize::from(u8::MAX) {
            faults.push(format!("actions: {} action types; at most 255 are supported", self.actions.len()));
        }
        if self.columns.action.is_none() && self.actions.len() > 1 {
            faults
                .push("actions: a log without an action column must have exactly one action type".to_owned());
        }
        for (row, action) in self.actions.iter().enumerate() {
            if self.actions[..row].contains(action) {
                faults.push(format!("actions: `{action}` is listed twice"));
            }
        }
        if self.positives.is_empty() {
            faults.push("positives: list at least one rule for positive labels".to_owned());
        }
        for rule in &self.positives {
            if !self.actions.contains(&rule.action) {
                faults.push(format!(
                    "positives: `{}` is not one of the actions {:?}",
                    rule.action, self.actions
                ));
            }
            if rule.longer_than_s.is_some() && self.columns.duration_s.is_none() {
                faults.push(format!(
                    "positives: the rule of `{}` uses longer_than_s, but columns.duration_s is null",
                    rule.action
                ));
            }
            if rule.surfaces.is_some() && self.columns.surface.is_none() {
                faults.push(format!(
                    "positives: the rule of `{}` uses surfaces, but columns.surface is null",
                    rule.action
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinterest() -> EventSchema {
        let on_homefeed = |action: &str, longer_than_s| PositiveRule {
            action: action.into(),
            longer_than_s,
            surfaces: Some(vec!["homefeed".into()]),
        };
        EventSchema {
            columns: ColumnNames::default(),
            time_unit: TimeUnit::Seconds,
            actions: vec!["repin".into(), "closeup".into(), "hide".into()],
            positives: vec![on_homefeed("repin", None), on_homefeed("closeup", Some(10.0))],
        }
    }

    #[test]
    fn positives_follow_action_duration_and_surface() {
        let schema = pinterest();
        assert!(schema.is_positive("repin", Some("homefeed"), None));
        assert!(schema.is_positive("closeup", Some("homefeed"), Some(10.5)));
        assert!(!schema.is_positive("closeup", Some("homefeed"), Some(10.0)));
        assert!(!schema.is_positive("closeup", Some("homefeed"), None));
        assert!(!schema.is_positive("repin", Some("search"), None));
        assert!(!schema.is_positive("repin", None, None));
        assert!(!schema.is_positive("hide", Some("homefeed"), Some(99.0)));
    }

    #[test]
    fn every_fault_is_reported() {
        let mut schema = pinterest();
        assert!(schema.faults().is_empty());
        schema.actions = vec!["hide".into(), "hide".into()];
        assert_eq!(schema.faults().len(), 3, "{:?}", schema.faults());
        let mut schema = pinterest();
        (schema.columns.duration_s, schema.columns.surface) = (None, None);
        let faults = schema.faults().join("\n");
        assert!(faults.contains("`closeup` uses longer_than_s") && faults.contains("`repin` uses surfaces"));
    }
}
