//! How long each stage of a run took.

use std::time::Instant;

use dayvec_report::StageSeconds;

use crate::told::{Told, Watcher};

/// Run a stage and add its time to `stages`, also when it fails.
pub(crate) fn time<T>(
    stages: &mut StageSeconds,
    stage: &'static str,
    tell: Watcher<'_>,
    work: impl FnOnce() -> T,
) -> T {
    tracing::info!(stage, "begins");
    tell(Told::Stage(stage));
    let started = Instant::now();
    let result = work();
    stages.add(stage, started.elapsed().as_secs_f64());
    result
}
