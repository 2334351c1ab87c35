//! Progress over the buckets: a bar on a terminal, log lines elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use dayvec_report::SnapshotStatistics;

/// Reports how far a run is.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    n_buckets: u32,
    so_far: SnapshotStatistics,
}

impl Progress {
    pub(crate) fn new(n_buckets: u32) -> Self {
        let template = "{bar:30} {pos}/{len} buckets · {msg} · {elapsed}, {eta} to go";
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(template).expect("the template is valid");
            ProgressBar::new(n_buckets.into()).with_style(style)
        });
        Self { bar, n_buckets, so_far: SnapshotStatistics::default() }
    }

    /// A bucket is done; `resumed` when an earlier attempt did it.
    pub(crate) fn done(&mut self, bucket: u32, statistics: &SnapshotStatistics, resumed: bool) {
        self.so_far.add(statistics);
        let SnapshotStatistics { users, encoded, carried, .. } = *statistics;
        let Some(bar) = &self.bar else {
            tracing::info!(bucket, of = self.n_buckets, users, encoded, carried, resumed, "bucket done");
            return;
        };
        bar.inc(1);
        bar.set_message(format!("{} users, {} encoded", self.so_far.users, self.so_far.encoded));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
