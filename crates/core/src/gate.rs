//! Limits that a snapshot or a model must satisfy before it is put in service.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A number with its limits. A failed gate keeps a snapshot from being announced, or a model from being promoted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What was measured.
    pub name: String,
    /// The number; in JSON `null` when it is not finite.
    #[serde(deserialize_with = "null_is_nan")]
    pub value: f64,
    /// The minimum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Whether the number is within the limits.
    pub passed: bool,
}

fn null_is_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Gate {
    /// A number that must be between two limits, both included; NaN fails.
    #[must_use]
    pub fn new(name: &str, value: f64, at_least: Option<f64>, at_most: Option<f64>) -> Self {
        let passed = !value.is_nan()
            && at_least.is_none_or(|least| value >= least)
            && at_most.is_none_or(|most| value <= most);
        Self { name: name.into(), value, at_least, at_most, passed }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.name, self.value)?;
        if let Some(least) = self.at_least {
            write!(f, "; the minimum is {least}")?;
        }
        if let Some(most) = self.at_most {
            write!(f, "; the maximum is {most}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_on_the_limit_passes_and_nan_fails() {
        for (value, passed) in [(0.5, true), (0.499, false), (2.0, true), (2.001, false), (f64::NAN, false)] {
            assert_eq!(Gate::new("rank", value, Some(0.5), Some(2.0)).passed, passed, "{value}");
        }
        assert!(Gate::new("anything", f64::INFINITY, None, None).passed);
        assert_eq!(Gate::new("users", 7.0, Some(10.0), None).to_string(), "users is 7; the minimum is 10");
        assert_eq!(
            Gate::new("cosine", 0.9, None, Some(0.5)).to_string(),
            "cosine is 0.9; the maximum is 0.5"
        );
    }
}
