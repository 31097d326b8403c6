//! Sizes of what both sides share.

/// Details plane: size of the ring buffer in bytes unless the user asks for another.
pub const RING_BYTES: u32 = 8 << 20;

/// Rows that one run of the program `forget` gives back.
pub const FORGOTTEN_AT_ONCE: u32 = 256;

/// Entries of the table that says when a namespace and port last lost something:
/// a power of two, because a hash picks the entry.
pub const LOST_LATELY_PLACES: u32 = 4096;

/// Most possible CPUs of a host: the listen hook sets the baselines of all CPUs
/// in one program run, and a loop needs a bound. Distributions build kernels for
/// 512 to 8192 (`CONFIG_NR_CPUS`); a host that may have more CPUs than this is
/// refused with a clear sentence instead of being watched in part.
pub const MAX_CPUS: u32 = 1024;
