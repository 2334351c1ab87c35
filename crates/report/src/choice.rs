//! Which settings of the baselines were chosen, and on what.

use ::core::fmt;

use dayvec_core::Day;
use serde::{Deserialize, Serialize};

/// The settings of the baselines that were chosen on the days before the test days.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    /// First of the days that they were chosen on; absent where no user could be measured there, so that every baseline
    /// has its usual setting.
    pub from: Option<Day>,
    /// Number of those days: as many as are tested on.
    pub n_days: i32,
    /// Users that were measured there.
    pub n_users: usize,
    /// Length of the lists of the recall that decided, seen items allowed, micro.
    pub k: usize,
    /// One choice a baseline.
    pub made: Vec<Choice>,
}

/// A setting that was chosen for a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Name of the baseline in the table.
    pub scorer: String,
    /// What was chosen, with its unit.
    pub setting: String,
    /// The value that its row of the table was made with.
    pub value: f64,
    /// Every value that was tried, in the order of the trials; empty where nothing could be measured.
    pub tried: Vec<Trial>,
}

/// A value that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The value.
    pub value: f64,
    /// Recall that it reached on the earlier days.
    pub recall: f64,
}

impl fmt::Display for Choice {
    /// `popularity: days 28, of 1 (0.0101), 3 (0.0150), 28 (0.0312)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.scorer, self.setting, self.value)?;
        let tried: Vec<String> =
            self.tried.iter().map(|trial| format!("{} ({:.4})", trial.value, trial.recall)).collect();
        if tried.is_empty() { Ok(()) } else { write!(f, ", of {}", tried.join(", ")) }
    }
}

impl fmt::Display for Choices {
    /// A line on the days, then one a choice; nothing where nothing was chosen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.made.is_empty() {
            return Ok(());
        }
        match self.from {
            Some(from) => write!(
                f,
                "Chosen by recall@{} of {} users on the {} days from {from}, which are before the test:",
                self.k, self.n_users, self.n_days
            )?,
            None => {
                write!(f, "No user could be measured before the test days, so these are the usual settings:")?
            }
        }
        self.made.iter().try_for_each(|choice| write!(f, "\n- {choice}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_line_with_all_that_was_tried() {
        let tried = [(1.0, 0.01), (28.0, 0.03)].map(|(value, recall)| Trial { value, recall }).to_vec();
        let choice = Choice { scorer: "popularity".into(), setting: "days".into(), value: 28.0, tried };
        let mut choices =
            Choices { from: "2011-11-11".parse().ok(), n_days: 14, n_users: 300, k: 10, made: vec![choice] };
        let expected = "Chosen by recall@10 of 300 users on the 14 days from 2011-11-11, which are before the test:\n\
                        - popularity: days 28, of 1 (0.0100), 28 (0.0300)";
        assert_eq!(choices.to_string(), expected);
        choices.from = None;
        choices.made[0].tried.clear();
        assert!(choices.to_string().ends_with("usual settings:\n- popularity: days 28"), "{choices}");
        assert_eq!(Choices::default().to_string(), "");
    }
}
