//! Twins: two programs with the same body on one tracepoint, of which one judges
//! the packet.
//!
//! Since 6.2 the kernel skips a tracing program that is running already on the
//! same CPU (`__bpf_trace_run()`). The tracepoints of this rung fire in process
//! context too, where a packet can interrupt a program that looks at a packet of
//! another protocol, say. With one program that interrupting packet would go
//! unseen, and what it moved would be charged to the next one. With two, the
//! interrupted task is inside one twin, and the other twin sees the packet.

use crate::context;
use crate::globals::{OFF_CB_SEQ, OFF_SKB_CB, OFF_SKB_HEAD, OFF_SKB_TRANSPORT};
use crate::maps::TWINS;
use crate::read::{Memory, Ptr, Typed, copy};

/// A tracepoint that has twins.
#[derive(Clone, Copy)]
pub enum Pair {
    /// consume_skb
    Consumed = 0,
    /// kfree_skb
    Dropped = 1,
    /// sk_data_ready
    Woken = 2,
}

/// Longest time between the first twin and the second: longer than a hypervisor
/// keeps a CPU waiting.
///
/// The first twin notes what it has judged, and the second erases the note. Where
/// the kernel skipped the second twin, the note stays. It does harm only if within
/// this time the first twin is skipped at a packet with the same address and the
/// same content: then the second takes that packet for judged.
const NEAR_NS: u64 = 1_000_000_000;

/// Whether this twin is the one to judge `what`, the address of a packet or socket.
/// The bottom half is off, so no other packet is handled on this CPU between the
/// twins. `content` tells the packet from the next one at the same address.
#[inline(always)]
pub fn judges(pair: Pair, second: bool, what: u64, content: u64) -> bool {
    let Some(judged) = TWINS.get_ptr_mut(pair as u32) else { return false };
    let now = context::now();
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

/// What a segment is known by beside its address, which the kernel gives to the
/// next packet as likely as not: its sequence number and its ports.
#[inline(always)]
pub fn content(skb: Ptr) -> u64 {
    let sequence: u32 = Typed::load(skb, OFF_SKB_CB.load() + OFF_CB_SEQ.load());
    let head: u64 = Typed::load(skb, OFF_SKB_HEAD.load());
    let transport: u16 = Typed::load(skb, OFF_SKB_TRANSPORT.load());
    let mut ports = 0u32;
    copy(&raw mut ports, head + u64::from(transport));
    u64::from(sequence) << 32 | u64::from(ports)
}
