//! Action names, surfaces and positive labels as small numbers: the schema's rules, worked out once for each pair
//! of action and surface, so that a row costs a comparison.

use dayvec_core::EventSchema;
use rustc_hash::FxHashMap;

/// Stands for "whatever the duration, known or not".
const ALWAYS: f32 = f32::NEG_INFINITY;
/// No duration is longer.
const NEVER: f32 = f32::INFINITY;

/// Rows of actions and surfaces, and the least duration of a positive for each pair.
pub(crate) struct Labels {
    schema: EventSchema,
    actions: FxHashMap<String, u8>,
    surfaces: FxHashMap<String, u16>,
    names: Vec<String>,
    /// `[1 + n_surfaces, n_actions]`, row 0 for no surface: an event that lasted longer is positive.
    least_s: Vec<f32>,
}

impl Labels {
    pub(crate) fn new(schema: &EventSchema) -> Self {
        let actions = schema.actions.iter().zip(0..).map(|(action, row)| (action.clone(), row)).collect();
        let mut labels = Self {
            schema: schema.clone(),
            actions,
            surfaces: FxHashMap::default(),
            names: Vec::new(),
            least_s: Vec::new(),
        };
        labels.add_row(None);
        labels
    }

    /// Row of an action; `None` when the schema does not list it.
    pub(crate) fn action(&self, name: &str) -> Option<u8> {
        self.actions.get(name).copied()
    }

    /// 1 + the row of a surface, in order of first appearance; `None` beyond 65,535 of them.
    pub(crate) fn surface(&mut self, name: &str) -> Option<u16> {
        if let Some(&surface) = self.surfaces.get(name) {
            return Some(surface);
        }
        let surface = u16::try_from(self.names.len() + 1).ok()?;
        self.surfaces.insert(name.to_owned(), surface);
        self.names.push(name.to_owned());
        self.add_row(Some(name));
        Some(surface)
    }

    pub(crate) fn is_positive(&self, action: u8, surface: u16, duration_s: f32) -> bool {
        let least = self.least_s[usize::from(surface) * self.schema.actions.len() + usize::from(action)];
        least == ALWAYS || duration_s > least
    }

    pub(crate) fn into_surfaces(self) -> Vec<String> {
        self.names
    }

    fn add_row(&mut self, surface: Option<&str>) {
        for action in &self.schema.actions {
            let on_this = self.schema.positives.iter().filter(|rule| {
                let on = rule.surfaces.as_ref();
                rule.action == *action
                    && on
                        .is_none_or(|on| surface.is_some_and(|surface| on.iter().any(|name| name == surface)))
            });
            let least = on_this.map(|rule| rule.longer_than_s.unwrap_or(ALWAYS)).fold(NEVER, f32::min);
            self.least_s.push(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dayvec_core::{ColumnNames, PositiveRule, TimeUnit};

    #[test]
    fn the_table_says_what_the_schema_says() {
        let rule = |action: &str, longer_than_s, surfaces: Option<&[&str]>| PositiveRule {
            action: action.into(),
            longer_than_s,
            surfaces: surfaces.map(|on| on.iter().map(|&name| name.to_owned()).collect()),
        };
        let schema = EventSchema {
            columns: ColumnNames::default(),
            time_unit: TimeUnit::Seconds,
            actions: vec!["repin".into(), "closeup".into(), "click".into(), "hide".into()],
            positives: vec![
                rule("repin", None, Some(&["home"])),
                rule("closeup", Some(10.0), Some(&["home", "search"])),
                rule("closeup", Some(5.0), Some(&["search"])),
                rule("click", Some(0.0), None),
                rule("click", None, Some(&["search"])),
            ],
        };
        let mut labels = Labels::new(&schema);
        for surface in [None, Some("home"), Some("search"), Some("other")] {
            let surface_row = surface.map_or(0, |name| labels.surface(name).unwrap());
            for action in &schema.actions {
                for duration in [None, Some(0.0), Some(5.0), Some(5.5), Some(10.0), Some(11.0)] {
                    let action_row = labels.action(action).unwrap();
                    let found = labels.is_positive(action_row, surface_row, duration.unwrap_or(f32::NAN));
                    let expected = schema.is_positive(action, surface, duration);
                    assert_eq!(found, expected, "{action} on {surface:?} for {duration:?}");
                }
            }
        }
        assert_eq!(labels.action("buy"), None);
        assert_eq!(labels.into_surfaces(), ["home", "search", "other"]);
    }
}
