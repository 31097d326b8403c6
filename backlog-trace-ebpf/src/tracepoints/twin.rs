//! Two programs of the same body on one tracepoint, of which one judges.
//!
//! Since 6.2 the kernel skips a tracing program that is running already on the
//! same CPU (`__bpf_trace_run()`). The tracepoints of this rung fire in process
//! context as well: a packet that interrupts a program there, which is about
//! to find that its own packet is none of its business, would go unseen, and
//! what it moved be charged to the next one. The interrupted task is inside one
//! of the twins, and the other sees the packet.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;

use crate::globals::{OFF_CB_SEQ, OFF_SKB_CB, OFF_SKB_HEAD, OFF_SKB_TRANSPORT};
use crate::maps::TWINS;
use crate::read::{Memory, Ptr, Typed, copy};

/// A tracepoint with twins.
#[derive(Clone, Copy)]
pub enum Pair {
    Consumed = 0,
    Dropped = 1,
    Woken = 2,
}

/// Longest time between the twins: more than a CPU of a virtual machine is kept
/// waiting. A second twin that was skipped leaves its mark to whatever is taken
/// for the same next, but only if the first twin is skipped there in turn.
const NEAR_NS: u64 = 1_000_000_000;

/// Whether this twin is the one to judge `what`, which nothing else is at the
/// same time on this CPU: the bottom half is off. `content` tells it from what
/// gets the same address next.
#[inline(always)]
pub fn judges(pair: Pair, second: bool, what: u64, content: u64) -> bool {
    let Some(judged) = TWINS.get_ptr_mut(pair as u32) else { return false };
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: this CPU's live map value.
    unsafe {
        if !second {
            (*judged).what = what;
            (*judged).content = content;
            (*judged).time = now;
            return true;
        }
        let same = (*judged).what == what && (*judged).content == content;
        let done = same && now - (*judged).time < NEAR_NS;
        (*judged).what = 0;
        !done
    }
}

/// What a segment is known by beside its place in memory, which the next one
/// gets as likely as not: its sequence number and its ports.
#[inline(always)]
pub fn content(skb: Ptr) -> u64 {
    let sequence: u32 = Typed::load(skb, OFF_SKB_CB.load() + OFF_CB_SEQ.load());
    let head: u64 = Typed::load(skb, OFF_SKB_HEAD.load());
    let transport: u16 = Typed::load(skb, OFF_SKB_TRANSPORT.load());
    let mut ports = 0u32;
    copy(&raw mut ports, head + u64::from(transport));
    u64::from(sequence) << 32 | u64::from(ports)
}
