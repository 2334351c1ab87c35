//! Makes libtorch's threads wait for each other without holding a core for long.
//!
//! libtorch splits an operation over OpenMP threads, which by default spin for milliseconds at its end. Where another
//! process, or our own batch thread, has the core of the one that is waited for, that spinning keeps it from running:
//! on two cores with a few busy neighbours, preset `small` trained 2 to 9 times slower than with short waits.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Turns before a waiting thread sleeps: some ten microseconds, about what waking it costs.
const SPINS: &str = "10000";
/// If one of these is set, the user has already chosen.
const CHOICES: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

/// Restart this program with short waits, unless the environment already sets how to wait. Call it first in `main`: libgomp
/// reads its environment before that, so only a restart can change it. On failure the program continues unchanged.
pub fn wait_briefly() {
    if CHOICES.iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    if let Ok(program) = env::current_exe() {
        let _only_returns_on_failure =
            Command::new(program).args(env::args_os().skip(1)).env(CHOICES[1], SPINS).exec();
    }
}
