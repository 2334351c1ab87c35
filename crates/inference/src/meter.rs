//! The scheduler's metrics; docs/metrics.md says what each means.

use dayvec_core::Day;
use jiff::Timestamp;
use metrics::{counter, gauge, histogram};

use crate::summary::{DailySummary, GatesFailed};

/// Make every series exist from the start, so that a rate over it is right when it first moves.
pub(crate) fn describe() {
    for outcome in ["announced", "gates_failed", "failed"] {
        counter!("daily_run_total", "outcome" => outcome).absolute(0);
    }
    for what in PASSED_OVER {
        counter!("daily_run_passed_over_total", "what" => what).absolute(0);
    }
    for kind in ["encoded", "carried"] {
        gauge!("daily_run_users", "kind" => kind).set(0.0);
    }
    gauge!("daily_run_in_progress").set(0.0);
}

/// What a run may find unusable and do without.
const PASSED_OVER: [&str; 4] = ["announcement", "snapshot", "state", "promotion"];

/// Log and count an object that can't be used, and that the run does without.
pub(crate) fn passed_over(what: &'static str, key: &str, reason: &str) {
    debug_assert!(PASSED_OVER.contains(&what));
    counter!("daily_run_passed_over_total", "what" => what).increment(1);
    tracing::warn!(what, key, reason, "it cannot be used; the run goes on without it");
}

/// A run begins.
pub(crate) fn began() {
    gauge!("daily_run_in_progress").set(1.0);
}

/// A run could not finish yet, and will be tried again.
pub(crate) fn waits() {
    gauge!("daily_run_in_progress").set(0.0);
}

/// What readers see: when it was announced, and which day it is of.
pub(crate) fn announced(at_s: i64, day: Day) {
    gauge!("daily_run_last_success_timestamp_seconds").set(at_s as f64);
    gauge!("daily_run_day_timestamp_seconds").set(day.end_s() as f64);
}

/// A run was announced.
pub(crate) fn ended(summary: &DailySummary) {
    waits();
    counter!("daily_run_total", "outcome" => "announced").increment(1);
    histogram!("daily_run_duration_seconds").record(summary.seconds);
    gauge!("daily_run_users", "kind" => "encoded").set(summary.encoded as f64);
    gauge!("daily_run_users", "kind" => "carried").set(summary.carried as f64);
    announced(Timestamp::now().as_second(), summary.day);
}

/// Which gates of a run failed.
pub(crate) fn gates(summary: &DailySummary) {
    for gate in &summary.gates {
        gauge!("daily_run_gate_failed", "gate" => gate.name.clone()).set(f64::from(u8::from(!gate.passed)));
    }
}

/// A run failed, and a retry would not help; whether by its gates.
pub(crate) fn failed(error: &anyhow::Error) -> bool {
    waits();
    let by_gates = error.downcast_ref::<GatesFailed>().is_some();
    let outcome = if by_gates { "gates_failed" } else { "failed" };
    counter!("daily_run_total", "outcome" => outcome).increment(1);
    by_gates
}
