//! The gates: what a snapshot must satisfy before readers see it. Numbers in, verdicts out; no I/O.

use dayvec_core::{Gate, ModelSpec};
use serde::{Deserialize, Serialize};

use dayvec_report::SnapshotStatistics;

/// Limits of the gates; `config/inference.yaml` explains each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateLimits {
    /// Least users, as a multiple of the last snapshot's.
    pub min_rows_ratio: f64,
    /// Most users, as a multiple of the last snapshot's.
    pub max_rows_ratio: f64,
    /// Least share of the active users that were encoded.
    pub min_active_encoded: f64,
    /// Least share of the active users that the last state had.
    pub min_active_known: f64,
    /// Largest distance of a norm from 1, for a model whose embeddings have unit norm.
    pub max_norm_error: f64,
    /// Least mean cosine between new and last embeddings.
    pub min_mean_cosine: f64,
    /// Least number of users for that mean, and the share of known users, to be judged.
    pub min_compared: u64,
    /// Least effective rank.
    pub min_effective_rank: f64,
}

impl GateLimits {
    /// The limits for a model: its norms may say something.
    #[must_use]
    pub fn of(&self, spec: &ModelSpec) -> Self {
        let max_norm_error = if spec.has_unit_norm() { self.max_norm_error } else { f64::INFINITY };
        Self { max_norm_error, ..self.clone() }
    }

    /// Everything that is wrong with the limits, one sentence a fault.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut within = |name: &str, value: f64, least: f64, most: f64| {
            if !(least..=most).contains(&value) {
                faults.push(format!("gates.{name}: {value} is not between {least} and {most}"));
            }
        };
        within("min_rows_ratio", self.min_rows_ratio, 0.0, 1.0);
        within("max_rows_ratio", self.max_rows_ratio, 1.0, f64::INFINITY);
        within("min_active_encoded", self.min_active_encoded, 0.0, 1.0);
        within("min_active_known", self.min_active_known, 0.0, 1.0);
        within("max_norm_error", self.max_norm_error, 0.0, 1.0);
        within("min_mean_cosine", self.min_mean_cosine, -1.0, 1.0);
        within("min_effective_rank", self.min_effective_rank, 0.0, f64::INFINITY);
        faults
    }
}

/// Judge a run: its statistics, the users of the snapshot before (if there is one by whatever model), and the
/// effective rank of a sample of its rows. What there is nothing to judge by is left out.
#[must_use]
pub fn judge(
    run: &SnapshotStatistics,
    users_before: Option<u64>,
    effective_rank: f64,
    limits: &GateLimits,
) -> Vec<Gate> {
    let mut gates = vec![
        Gate::new("users", run.users as f64, Some(1.0), None),
        Gate::new("rows that are not finite", run.not_finite as f64, None, Some(0.0)),
        Gate::new("rows of zeros", run.zero as f64, None, Some(0.0)),
        Gate::new("constant rows", run.constant as f64, None, Some(0.0)),
    ];
    if limits.max_norm_error.is_finite() {
        gates.push(Gate::new("largest norm error", run.max_norm_error, None, Some(limits.max_norm_error)));
    }
    if let Some(before) = users_before.filter(|&before| before > 0) {
        let ratio = run.users as f64 / before as f64;
        let (least, most) = (Some(limits.min_rows_ratio), Some(limits.max_rows_ratio));
        gates.push(Gate::new("users against the last snapshot", ratio, least, most));
    }
    if run.active > 0 {
        let share = run.active_encoded as f64 / run.active as f64;
        gates.push(Gate::new("share of active users encoded", share, Some(limits.min_active_encoded), None));
    }
    if users_before.is_some_and(|before| before > 0) && run.active >= limits.min_compared.max(1) {
        let share = run.active_known as f64 / run.active as f64;
        gates.push(Gate::new(
            "share of active users known before",
            share,
            Some(limits.min_active_known),
            None,
        ));
    }
    if run.compared >= limits.min_compared.max(1) {
        let mean = run.cosine_sum / run.compared as f64;
        gates.push(Gate::new("mean cosine to the last embeddings", mean, Some(limits.min_mean_cosine), None));
    }
    if run.users > 1 {
        gates.push(Gate::new("effective rank", effective_rank, Some(limits.min_effective_rank), None));
    }
    gates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> GateLimits {
        GateLimits {
            min_rows_ratio: 0.9,
            max_rows_ratio: 2.0,
            min_active_encoded: 0.9,
            min_active_known: 0.01,
            max_norm_error: 0.01,
            min_mean_cosine: 0.3,
            min_compared: 2,
            min_effective_rank: 2.0,
        }
    }

    fn good() -> SnapshotStatistics {
        SnapshotStatistics {
            users: 100,
            encoded: 10,
            active: 10,
            active_encoded: 10,
            active_known: 9,
            compared: 10,
            cosine_sum: 9.0,
            ..Default::default()
        }
    }

    /// Names of the gates that fail.
    fn check(run: &SnapshotStatistics, users_before: Option<u64>, rank: f64, expected: &[&str]) {
        let gates = judge(run, users_before, rank, &limits());
        let failed: Vec<&str> =
            gates.iter().filter(|gate| !gate.passed).map(|gate| gate.name.as_str()).collect();
        assert_eq!(failed, expected, "{run:?}");
    }

    #[test]
    fn each_gate_fails_on_its_own_number() {
        check(&good(), Some(100), 5.0, &[]);
        check(&good(), None, 5.0, &[]);
        check(&good(), Some(120), 5.0, &["users against the last snapshot"]);
        check(&good(), Some(49), 5.0, &["users against the last snapshot"]);
        check(&good(), Some(100), 1.5, &["effective rank"]);
        check(&good(), Some(100), f64::NAN, &["effective rank"]);
        check(&SnapshotStatistics { not_finite: 1, ..good() }, None, 5.0, &["rows that are not finite"]);
        check(&SnapshotStatistics { zero: 1, ..good() }, None, 5.0, &["rows of zeros"]);
        check(&SnapshotStatistics { constant: 1, ..good() }, None, 5.0, &["constant rows"]);
        check(&SnapshotStatistics { max_norm_error: 0.02, ..good() }, None, 5.0, &["largest norm error"]);
        check(
            &SnapshotStatistics { active_encoded: 8, ..good() },
            None,
            5.0,
            &["share of active users encoded"],
        );
        check(
            &SnapshotStatistics { cosine_sum: 2.0, ..good() },
            None,
            5.0,
            &["mean cosine to the last embeddings"],
        );
        let all_new = SnapshotStatistics { active_known: 0, ..good() };
        check(&all_new, Some(100), 5.0, &["share of active users known before"]);
        check(&all_new, None, 5.0, &[]); // nobody was there before
        check(&SnapshotStatistics { active: 1, active_encoded: 1, ..all_new }, Some(100), 5.0, &[]);
        check(&SnapshotStatistics { compared: 1, cosine_sum: 0.0, ..good() }, None, 5.0, &[]);
        check(&SnapshotStatistics { users: 0, ..Default::default() }, None, 0.0, &["users"]);
    }
}
