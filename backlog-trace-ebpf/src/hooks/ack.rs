//! The final ACK of a handshake kept in the SYN queue: on the way out of
//! `tcp_check_req()`.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::{Kind, Outcome};
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict::{self, Aftermath};

use super::{causes, syn};
use crate::counts::{self, bump};
use crate::details::{self, Client, Peer, Queues, What};
use crate::globals::{
    ARGS_CHECK_REQ, OFF_CB_END_SEQ, OFF_CB_FLAGS, OFF_CB_SEQ, OFF_SHINFO_GSO_SEGS, OFF_SKB_CB, OFF_SKB_END,
    OFF_SKB_HEAD, OFF_SKC_NODE_PPREV, OFF_SKC_STATE,
};
use crate::identity::Place;
use crate::lost_lately;
use crate::mib;
use crate::read::{Memory, Ptr, Typed, copy, returned, slot, untyped_slot};
use crate::uapi::LISTEN;

/// tcp_check_req(sk, skb, req, fastopen, req_stolen[, drop_reason])
#[fexit]
pub fn ack(ctx: FExitContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    // A Fast Open child is checked in process context with the bottom half
    // on; that call never touches the listener's counters. Only the low byte
    // of a bool is defined.
    if slot::<3>(ctx) & 0xff != 0 {
        return 0;
    }
    checked::<Typed>(slot::<0>(ctx) as Ptr, returned(ctx, ARGS_CHECK_REQ.load()), &Arguments(ctx))
}

/// What tcp_check_req() was called with besides the listener: read where it is
/// needed, which is not on every packet.
pub trait Packet {
    /// The packet.
    fn skb(&self) -> Ptr;
    /// The request.
    fn req(&self) -> Ptr;
    /// Where the function says that another CPU was faster.
    fn stolen(&self) -> u64;
}

struct Arguments(*mut c_void);

impl Packet for Arguments {
    #[inline(always)]
    fn skb(&self) -> Ptr {
        slot::<1>(self.0) as Ptr
    }

    #[inline(always)]
    fn req(&self) -> Ptr {
        slot::<2>(self.0) as Ptr
    }

    #[inline(always)]
    fn stolen(&self) -> u64 {
        untyped_slot::<4>(self.0)
    }
}

/// A packet was held against a half-open request; `child` is what came of it.
#[inline(always)]
pub fn checked<M: Memory>(sk: Ptr, child: u64, packet: &impl Packet) -> i32 {
    // The listener itself: handled as a packet to a listener.
    if child == sk as u64 {
        return 0;
    }
    if child != 0 {
        // How many handshakes finish follows from accept() and the queue's
        // length; one is looked at only where its port has lost something.
        if !lost_lately::at::<M>(sk) {
            return 0;
        }
        let Some(tcp) = M::tcp_sock(sk) else { return 0 };
        return established::<M>(tcp, packet.req());
    }
    let Some(tcp) = M::tcp_sock(sk) else { return 0 };
    refused::<M>(tcp, packet.skb(), packet.req(), packet.stolen())
}

/// Tracepoint rung: a connection was put into the accept queue, and whose it
/// is, where that is known.
#[inline(always)]
pub fn queued<M: Memory>(tcp: Ptr, client: Client, known: bool) -> i32 {
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else { return 0 };
    let queues = Queues::of::<M>(tcp);
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        (*row).established += 1;
        if queues.accept > (*row).accept_queue_max {
            (*row).accept_queue_max = queues.accept;
        }
        if syn::cookies_possible::<M>(tcp)
            && let Some(baseline) = mib::baseline(row)
            && mib::cookie_received(baseline)
        {
            (*row).established_by_cookie += 1;
        }
        if known && lost_lately::at::<M>(tcp) {
            details::tell::<M>(tcp, row, queues, What::kind(Kind::Established), Peer::Known(client));
        }
    }
    0
}

/// Tracepoint rung: a connection that was made elsewhere was put into the accept
/// queue.
#[inline(always)]
pub fn lengthened<M: Memory>(tcp: Ptr) -> i32 {
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else { return 0 };
    let length = Queues::of::<M>(tcp).accept;
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        if length > (*row).accept_queue_max {
            (*row).accept_queue_max = length;
        }
    }
    0
}

/// A child socket was queued at a listener whose port has lost something lately:
/// it may be a refused client's that got in after all.
#[inline(always)]
fn established<M: Memory>(tcp: Ptr, req: Ptr) -> i32 {
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else { return 0 };
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        details::tell::<M>(tcp, row, Queues::of::<M>(tcp), What::kind(Kind::Established), Peer::Request(req));
    }
    0
}

/// No child: refused, or dropped for a reason that loses nothing.
///
/// The request may be stolen: another CPU took it away, and the packet is looked
/// up again. Where that one finished the handshake nothing was counted; where
/// both of them refused it (tcp_abort_on_overflow: `*req_stolen = !unlinked`, 5.12
/// and stable series before it), this one was counted as well.
#[inline(always)]
fn refused<M: Memory>(tcp: Ptr, skb: Ptr, req: Ptr, stolen: u64) -> i32 {
    causes::forget();
    let mut taken = 0u8;
    copy(&raw mut taken, stolen);
    let after = || aftermath::<M>(tcp, req);
    // A handshake that finished on another CPU says nothing of this one.
    let mine = || Aftermath { unlinked: taken == 0 && after().unlinked, ..after() };
    // tcp_abort_on_overflow takes the request out and sends a RST; otherwise
    // it stays and the client is left waiting.
    let reset = || after().unlinked;
    dropped::<M>(Dropped { tcp, skb, looked_up_again: taken != 0 }, mine, reset, Peer::Request(req));
    0
}

/// A packet that tcp_check_req() made no connection of.
pub struct Dropped {
    pub tcp: Ptr,
    pub skb: Ptr,
    /// It goes on to another socket.
    pub looked_up_again: bool,
}

/// The packet of a handshake is dropped; what that added to `sk_drops`.
#[inline(always)]
pub fn dropped<M: Memory>(
    packet: Dropped,
    after: impl FnOnce() -> Aftermath,
    reset: impl FnOnce() -> bool,
    client: Peer,
) -> u32 {
    let Dropped { tcp, skb, looked_up_again } = packet;
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else {
        unlisted::<M>(tcp, after);
        return 0;
    };
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        // tcp_v4_rcv() and tcp_v6_rcv() add the packet's segments to sk_drops
        // whatever the reason was (label discard_and_relse), unless it is
        // looked up again.
        let segments = if looked_up_again { 0 } else { segments::<M>(skb) };
        (*row).sk_drops += u64::from(segments);
        let Some(baseline) = mib::baseline(row) else { return segments };
        let delta = mib::delta(baseline, false);
        let Some(reason) = verdict::ack(&delta, &mib::resets(baseline), after) else { return segments };
        let drops = delta.of(Counter::ListenDrops);
        (*row).sk_drops += drops;
        let outcome = match reason {
            Reason::RequestReset => Outcome::None,
            _ if reset() => Outcome::Reset,
            _ => Outcome::Silent,
        };
        let what = What { payload: payload::<M>(skb), ..What::reason(reason, outcome) };
        bump(&raw mut (*row).reasons, reason.index());
        details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, client);
        segments + drops as u32
    }
}

#[inline(always)]
fn aftermath<M: Memory>(tcp: Ptr, req: Ptr) -> Aftermath {
    Aftermath {
        unlinked: M::load::<u64>(req, OFF_SKC_NODE_PPREV.load()) == 0,
        listening: M::load::<u8>(tcp, OFF_SKC_STATE.load()) == LISTEN,
    }
}

/// Bytes of data in a segment: what it takes of the sequence space, without
/// its FIN (tcp_v4_fill_cb(), tcp_v6_fill_cb(), 5.10 to 7.2).
#[inline(always)]
pub fn payload<M: Memory>(skb: Ptr) -> u32 {
    const FIN: u8 = 1;
    let cb = OFF_SKB_CB.load();
    let first: u32 = M::load(skb, cb + OFF_CB_SEQ.load());
    let end: u32 = M::load(skb, cb + OFF_CB_END_SEQ.load());
    let flags: u8 = M::load(skb, cb + OFF_CB_FLAGS.load());
    end.wrapping_sub(first).wrapping_sub(u32::from(flags & FIN))
}

/// As for a SYN without a row: counted for the namespace.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr, after: impl FnOnce() -> Aftermath) {
    if let Some(baseline) = mib::baseline_without_row::<M>(tcp)
        && let Some(reason) = verdict::ack(&mib::delta(baseline, false), &mib::resets(baseline), after)
    {
        // SAFETY: a live map value that only this CPU writes.
        bump(unsafe { &raw mut (*baseline).unlisted }, reason.index());
    }
}

/// What the packet counts as in sk_drops: max(1, gso_segs).
#[inline(always)]
pub fn segments<M: Memory>(skb: Ptr) -> u32 {
    let head: u64 = M::load(skb, OFF_SKB_HEAD.load());
    let end: u32 = M::load(skb, OFF_SKB_END.load());
    let mut segments = 0u16;
    copy(&raw mut segments, head + u64::from(end) + u64::from(OFF_SHINFO_GSO_SEGS.load()));
    if segments > 1 { u32::from(segments) } else { 1 }
}
