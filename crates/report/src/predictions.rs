//! What other programs predicted, beside the lists that were expected of them.

use ::core::fmt;

use dayvec_core::Day;
use serde::{Deserialize, Serialize};

use crate::Table;

/// Lists of other programs, scored on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionsReport {
    /// First day of the test; with leave-one-out the day behind the log.
    pub cut_off: Day,
    /// Whether each user's last positive was tested.
    pub leave_one_out: bool,
    /// Digest of the log up to the end of the test days.
    pub data_hash: String,
    /// Digest of the ids of the items that may be retrieved.
    pub candidates_hash: String,
    /// A row for each file, behind that of the model where there is one.
    pub all_users: Table,
    /// The same over users whom a model must not be trained on; absent where there are none.
    pub held_out: Option<Table>,
    /// What was in the files.
    pub files: Vec<PredictionsFile>,
}

/// Some ids of many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// How many there are.
    pub n: usize,
    /// The first few.
    pub first: Vec<String>,
}

impl Sample {
    /// Ids that are named.
    const FEW: usize = 3;

    /// Count an id.
    pub fn push(&mut self, id: &str) {
        if self.first.len() < Self::FEW {
            self.first.push(id.to_owned());
        }
        self.n += 1;
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.first.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        write!(f, "{} ({names}{})", self.n, if self.n > self.first.len() { ", …" } else { "" })
    }
}

/// What was in a file of predictions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionsFile {
    /// Name of its row in the table.
    pub name: String,
    /// Test users.
    pub test_users: usize,
    /// Test users without a list, for whom nothing counts as retrieved.
    pub without_list: Sample,
    /// Users with a list who are not tested.
    pub untested_users: Sample,
    /// Users with a list whom the log does not have.
    pub unknown_users: Sample,
    /// Listed items of the log that may not be retrieved; they are left out of the lists.
    pub outside_catalogue: Sample,
    /// Listed items that the log does not have; they are left out of the lists.
    pub unknown_items: Sample,
    /// Length of the lists that recall is about.
    pub k: usize,
    /// Test users of whose candidates fewer than `k` are in their list.
    pub short_lists: usize,
    /// The same once the items that a user has seen are filtered out.
    pub short_unseen_lists: usize,
}

impl fmt::Display for PredictionsFile {
    /// A line a fact, the surprising ones only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, test_users, k, .. } = self;
        write!(f, "{name}: lists of {} of {test_users} test users", test_users - self.without_list.n)?;
        for (sample, what) in [
            (&self.without_list, "test users have no list: nothing counts as retrieved for them"),
            (&self.untested_users, "users with a list are not tested: their lists are left out"),
            (&self.unknown_users, "users with a list are not in the log: their lists are left out"),
            (
                &self.outside_catalogue,
                "items are in no event before the test, or have no features: left out of the lists",
            ),
            (&self.unknown_items, "items are not in the log: left out of the lists"),
        ] {
            if sample.n > 0 {
                write!(f, "\n{name}: {sample} {what}")?;
            }
        }
        for (n, what) in [
            (self.short_lists, "candidates in their list"),
            (self.short_unseen_lists, "candidates in their list that they have not seen"),
        ] {
            if n > 0 {
                write!(f, "\n{name}: {n} test users have fewer than {k} {what}: too short for recall@{k}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for PredictionsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.all_users)?;
        self.held_out.iter().try_for_each(|table| write!(f, "\n\n{table}"))?;
        write!(f, "\n\nlog {}, candidates {}", self.data_hash, self.candidates_hash)?;
        self.files.iter().try_for_each(|file| write!(f, "\n{file}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surprising_is_said() {
        let mut file =
            PredictionsFile { name: "peer".into(), test_users: 9, k: 10, ..PredictionsFile::default() };
        assert_eq!(file.to_string(), "peer: lists of 9 of 9 test users");
        ["a", "b", "c", "d"].iter().for_each(|user| file.without_list.push(user));
        file.unknown_items.push("x");
        file.short_unseen_lists = 2;
        assert_eq!(
            file.to_string(),
            "peer: lists of 5 of 9 test users\n\
             peer: 4 (`a`, `b`, `c`, …) test users have no list: nothing counts as retrieved for them\n\
             peer: 1 (`x`) items are not in the log: left out of the lists\n\
             peer: 2 test users have fewer than 10 candidates in their list that they have not seen: too short for recall@10"
        );
    }
}
