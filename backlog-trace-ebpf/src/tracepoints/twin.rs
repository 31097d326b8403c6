//! Two programs of the same body on one tracepoint, of which one judges.
//!
//! Since 6.2 the kernel skips a tracing program that is running already on the
//! same CPU (`__bpf_trace_run()`). The tracepoints of this rung fire in process
//! context as well: a packet that interrupts a program there, which is about
//! to find that its own packet is none of its business, would go unseen, and
//! what it moved be charged to the next one. The interrupted task is inside one
//! of the twins, and the other sees the packet.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;

use crate::maps::TWINS;

/// A tracepoint with twins.
#[derive(Clone, Copy)]
pub enum Pair {
    Consumed = 0,
    Dropped = 1,
    Woken = 2,
}

/// What the first twin has judged.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Judged {
    what: u64,
    time: u64,
}

/// Longest time between the twins: more than a CPU of a virtual machine is kept
/// waiting. A second twin that was skipped leaves its mark to whatever gets the
/// same address next, but only if the first twin is skipped there in turn.
const NEAR_NS: u64 = 1_000_000_000;

/// Whether this twin is the one to judge `what`, which nothing else is at the
/// same time on this CPU: the bottom half is off.
#[inline(always)]
pub fn judges(pair: Pair, second: bool, what: u64) -> bool {
    let Some(judged) = TWINS.get_ptr_mut(pair as u32) else { return false };
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: this CPU's live map value.
    unsafe {
        if !second {
            (*judged).what = what;
            (*judged).time = now;
            return true;
        }
        let done = (*judged).what == what && now - (*judged).time < NEAR_NS;
        (*judged).what = 0;
        !done
    }
}
