//! Jobs on all cores, where there is enough to do.

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

/// With fewer rows than this, handing work to other threads costs more than it saves.
const ROWS_WORTH_A_THREAD: usize = 100_000;

/// Results of `work` in the order of `jobs`, which have `n_rows` rows in all; each job is dropped as soon as it is done.
pub(crate) fn map<J: Send, R: Send>(
    n_rows: usize,
    jobs: Vec<J>,
    work: impl Fn(J) -> R + Sync + Send,
) -> Vec<R> {
    if n_rows < ROWS_WORTH_A_THREAD {
        return jobs.into_iter().map(work).collect();
    }
    jobs.into_par_iter().with_max_len(1).map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_jobs() {
        let expected: Vec<u64> = (0..100).map(|n| n * n).collect();
        for n_rows in [0, ROWS_WORTH_A_THREAD] {
            assert_eq!(map(n_rows, (0..100).collect(), |n: u64| n * n), expected);
        }
    }
}
