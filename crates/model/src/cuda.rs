//! Brings libtorch's CUDA half into the process.
//!
//! Nothing here names a symbol of `libtorch_cuda.so`, so the linker leaves it out, and libtorch then sees no
//! GPU. Once loaded, it registers itself.

#![expect(unsafe_code, reason = "dlopen is a C function; the safety argument is beside the call")]

/// Load `libtorch_cuda.so` where the loader finds one; without it, libtorch is for the CPU. Call it once, at the start of
/// `main`.
pub fn load_cuda() {
    // SAFETY: the name is a C string, and the library is libtorch's own, of the folder that libtorch_cpu.so came from: its
    // initialisers expect to be run by the loader, before any tensor is made. It is never unloaded.
    let handle = unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    tracing::debug!(is_loaded = !handle.is_null(), "libtorch's CUDA half");
}
