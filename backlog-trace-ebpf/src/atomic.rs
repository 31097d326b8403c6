//! Atomic changes of words in map memory that several CPUs write. They are written
//! in assembly, because the core library of the eBPF target has no atomic
//! operations.

/// Adds `count` to a word, wrapping. `lock +=` works in 5.10 too.
#[inline(always)]
pub fn add(to: *mut u64, count: u64) {
    // SAFETY: `to` points into a live map value; the verifier checks it.
    unsafe {
        core::arch::asm!("lock *(u64 *)({p} + 0) += {v}", v = in(reg) count, p = in(reg) to, options(nostack));
    }
}

/// Writes `new` where the word holds `old`, and returns what the word held: the
/// exchange took place if that is `old`. Kernels have it since 5.12.
#[inline(always)]
pub fn exchange(to: *mut u64, old: u64, new: u64) -> u64 {
    let mut was = old;
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("r0 = cmpxchg_64({p} + 0, r0, {v})",
            v = in(reg) new, p = in(reg) to, inout("r0") was, options(nostack));
    }
    was
}
