//! Tells malloc to keep the pages that libtorch frees.
//!
//! A training step allocates and frees the same large tensors again and again. By default glibc gives a large block
//! back to the kernel and maps fresh, zeroed pages for the next one; at preset `small` that cost a quarter of the speed.

#![expect(unsafe_code, reason = "mallopt is a C function; the safety argument is beside the call")]

use libc::c_int;

/// Blocks below this come from the heap and stay in it.
const LARGEST_KEPT_BYTES: c_int = 1 << 30;
/// The most that glibc takes where it limits the threshold to half a heap.
const LARGEST_KEPT_IN_OLD_GLIBC_BYTES: c_int = 32 << 20;
/// How much more than asked for the heap grows by.
const GROWTH_BYTES: c_int = 64 << 20;

/// Keep freed memory in the process. Call it once, at the start of `main`; elsewhere than on glibc it does nothing.
pub fn keep_freed_pages() {
    #[cfg(target_env = "gnu")]
    {
        let set = |parameter, value| {
            // SAFETY: mallopt reads its two integers and changes malloc's own settings under malloc's lock; no memory
            // of ours is involved. It answers 0 where it refuses a value, and then nothing has changed.
            unsafe { libc::mallopt(parameter, value) == 1 }
        };
        let kept = set(libc::M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
            || set(libc::M_MMAP_THRESHOLD, LARGEST_KEPT_IN_OLD_GLIBC_BYTES);
        let trimmed_late = set(libc::M_TRIM_THRESHOLD, c_int::MAX);
        let padded = set(libc::M_TOP_PAD, GROWTH_BYTES);
        tracing::debug!(kept, trimmed_late, padded, "asked malloc to keep freed pages");
    }
}
