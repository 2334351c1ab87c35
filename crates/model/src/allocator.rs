//! Makes malloc keep the pages that libtorch frees.
//!
//! A step, or an encoded group, allocates and frees the same large tensors again and again. By default glibc gives
//! large blocks back to the kernel and maps fresh, zeroed pages for the next ones, which costs a small model a quarter
//! of its speed.

#![expect(unsafe_code, reason = "mallopt is a C function; the safety argument is beside the call")]

use libc::c_int;

/// How much more than requested the heap grows by.
const GROWTH_BYTES: c_int = 64 << 20;

/// Keep freed memory in the process. Call it once, at the start of `main`; without glibc it does nothing.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    {
        // no block of its own mapping, whatever its size: glibc limits the threshold, but not the number, of mappings
        let settings =
            [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, c_int::MAX), (libc::M_TOP_PAD, GROWTH_BYTES)];
        for (parameter, value) in settings {
            // SAFETY: mallopt reads its two integers and changes malloc's own settings under malloc's lock; no memory
            // of ours is involved. It answers 0 where it refuses a value, and then nothing has changed.
            if unsafe { libc::mallopt(parameter, value) } == 0 {
                tracing::debug!(parameter, value, "malloc refused a setting");
            }
        }
    }
}
