//! Threads on a shared machine: no more of them than there are free cores.
//!
//! An operation of libtorch ends when its slowest thread does. A thread whose core another process uses waits for a
//! whole time slice of the scheduler, and all others wait for it, so on a busy machine more threads are slower than few.

use std::process;
use std::time::{Duration, Instant};

use sysinfo::{CpuRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Time between two looks; shorter ones would see single time slices.
const EVERY: Duration = Duration::from_secs(2);

/// Keeps libtorch's threads to the cores that other processes leave free.
pub(crate) struct FreeCores {
    system: System,
    me: Pid,
    /// Largest number of threads: that of the start, which the environment may have set.
    most: usize,
    threads: usize,
    looked: Instant,
    own_ms: u64,
}

impl FreeCores {
    /// Look from now on, and start with the number of threads that libtorch has; `None` where this system does not say
    /// what its processes use.
    pub(crate) fn watch() -> Option<Self> {
        let most = tch::get_num_threads().max(1) as usize;
        let mut free = Self {
            system: System::new().ok()?,
            me: Pid::from_u32(process::id()),
            most,
            threads: most,
            looked: Instant::now(),
            own_ms: 0,
        };
        free.look()?;
        Some(free)
    }

    /// Change the number of threads where the free cores changed. Cheap: most calls only look at a clock.
    pub(crate) fn adapt(&mut self) {
        if self.most == 1 || self.looked.elapsed() < EVERY {
            return;
        }
        let Some(others) = self.look() else { return };
        let threads = threads_beside(others, self.system.cpus().len(), self.most);
        if threads != self.threads {
            tracing::info!(threads, cores_used_by_others = others, "other processes changed the free cores");
            tch::set_num_threads(threads as i32);
            self.threads = threads;
        }
    }

    /// Cores that other processes used since the last look; `None` where the system does not say.
    fn look(&mut self) -> Option<f64> {
        self.system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        let cpu = ProcessRefreshKind::nothing().with_cpu();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.me]), false, cpu);
        let seconds = self.looked.elapsed().as_secs_f64();
        let own_ms = self.system.process(self.me)?.accumulated_cpu_time();
        let own = (own_ms - self.own_ms.min(own_ms)) as f64 / 1e3 / seconds.max(1e-3);
        (self.looked, self.own_ms) = (Instant::now(), own_ms);
        let busy: f64 = self.system.cpus().iter().map(|core| f64::from(core.usage()) / 100.0).sum();
        Some((busy - own).max(0.0))
    }
}

/// The next training of this process starts with all threads again.
impl Drop for FreeCores {
    fn drop(&mut self) {
        if self.threads != self.most {
            tch::set_num_threads(self.most as i32);
        }
    }
}

/// Threads beside other processes that use `others` of `n_cores` cores; at least one, at most `most`.
fn threads_beside(others: f64, n_cores: usize, most: usize) -> usize {
    let free = (n_cores as f64 - others).round().max(1.0);
    (free as usize).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_the_cores_that_others_leave() {
        assert_eq!(threads_beside(0.2, 2, 2), 2);
        assert_eq!(threads_beside(1.0, 2, 2), 1);
        assert_eq!(threads_beside(2.0, 2, 2), 1);
        assert_eq!(threads_beside(3.4, 16, 16), 13);
        // A container with a share of the machine, or OMP_NUM_THREADS.
        assert_eq!(threads_beside(3.4, 16, 4), 4);
    }

    #[test]
    fn a_training_leaves_the_threads_as_it_found_them() {
        let before = tch::get_num_threads();
        let mut free = FreeCores::watch().expect("this system counts CPU time");
        (free.most, free.threads) = (3, 1);
        drop(free);
        assert_eq!(tch::get_num_threads(), 3);
        tch::set_num_threads(before);
    }

    #[test]
    fn a_busy_thread_of_our_own_is_not_another_process() {
        let mut free = FreeCores::watch().expect("this system counts CPU time");
        let started = Instant::now();
        let mut sum = 0u64;
        while started.elapsed() < Duration::from_millis(500) {
            sum = sum.wrapping_mul(31).wrapping_add(std::hint::black_box(1));
        }
        std::hint::black_box(sum);
        let before = free.own_ms;
        let others = free.look().expect("this system counts CPU time");
        let n_cores = free.system.cpus().len() as f64;
        assert!(free.own_ms - before >= 100, "the time of this process was not counted");
        assert!((0.0..=n_cores).contains(&others), "{others} of {n_cores} cores");
    }
}
