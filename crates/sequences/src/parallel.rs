//! A few threads over a list of jobs.

use std::sync::Mutex;
use std::thread;

/// Number of threads for work of `n` rows: one where starting threads would cost more than they save.
pub(crate) fn threads_for(n: usize) -> usize {
    const ROWS_WORTH_A_THREAD: usize = 100_000;
    let available = thread::available_parallelism().map_or(1, ::core::num::NonZero::get);
    available.min(1 + n / ROWS_WORTH_A_THREAD)
}

/// Results of `work` in the order of `jobs`; each job is dropped as soon as it is done.
pub(crate) fn map<J: Send, R: Send>(n_threads: usize, jobs: Vec<J>, work: impl Fn(J) -> R + Sync) -> Vec<R> {
    if n_threads <= 1 {
        return jobs.into_iter().map(work).collect();
    }
    let mut results: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
    let queue = Mutex::new(jobs.into_iter().zip(&mut results));
    let next = || queue.lock().map_or(None, |mut queue| queue.next());
    thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                while let Some((job, result)) = next() {
                    *result = Some(work(job));
                }
            });
        }
    });
    drop(queue);
    results.into_iter().map(|result| result.expect("every job was taken and finished")).collect()
}

/// Runs two pieces of work on `n` rows, side by side where that pays.
pub(crate) fn both<A: Send, B>(
    n: usize,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    const ROWS_WORTH_A_THREAD: usize = 10_000;
    if n < ROWS_WORTH_A_THREAD {
        return (first(), second());
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().expect("neither piece of work panics"), second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_jobs() {
        let expected: Vec<u64> = (0..100).map(|n| n * n).collect();
        for n_threads in [1, 3] {
            assert_eq!(map(n_threads, (0..100).collect(), |n: u64| n * n), expected);
        }
        assert_eq!(threads_for(0), 1);
    }
}
