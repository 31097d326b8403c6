//! Sizes of what both sides share.

/// Details plane: size of the ring buffer in bytes unless the user asks for another.
pub const RING_BYTES: u32 = 8 << 20;

/// Rows that one run of the program `forget` gives back.
pub const FORGOTTEN_AT_ONCE: u32 = 256;

/// Places for when a listener of a namespace and port last lost something.
pub const LOST_LATELY_PLACES: u32 = 4096;

/// Most CPUs whose counters a baseline can be taken for in one program run.
/// The kernel's own `CONFIG_NR_CPUS` is 8192 at most; distributions' is 512 to
/// 8192, and a host with more possible CPUs than this is refused with a clear
/// sentence instead of being watched in part.
pub const MAX_CPUS: u32 = 1024;
