//! Atomic changes of words in map memory. In assembly, because the target's core
//! library has no atomic operations.

/// Adds atomically, wrapping.
#[inline(always)]
pub fn add(to: *mut u64, count: u64) {
    // SAFETY: `to` points into a live map value; the verifier checks it.
    unsafe {
        core::arch::asm!("lock *(u64 *)({p} + 0) += {v}", v = in(reg) count, p = in(reg) to, options(nostack));
    }
}

/// Replaces `old` atomically and returns what was there: 5.12 and later.
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
