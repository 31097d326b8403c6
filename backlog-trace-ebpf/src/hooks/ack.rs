//! The final ACK of a handshake kept in the SYN queue: on the way out of
//! `tcp_check_req()`.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict::{self, Aftermath};

use super::{causes, established};
use crate::counts;
use crate::details::{self, What};
use crate::globals::{
    ARGS_CHECK_REQ, OFF_CB_END_SEQ, OFF_CB_FLAGS, OFF_CB_SEQ, OFF_SHINFO_GSO_SEGS, OFF_SKB_CB, OFF_SKB_END,
    OFF_SKB_HEAD, OFF_SKC_NODE_PPREV, OFF_SKC_STATE,
};
use crate::identity::Place;
use crate::mib;
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Ptr, Typed, copy, returned, slot, untyped_slot};
use crate::uapi::LISTEN;

/// tcp_check_req(sk, skb, req, fastopen, req_stolen[, drop_reason])
#[fexit]
pub fn ack(ctx: FExitContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    // A Fast Open child can be checked in process context with the bottom half on,
    // and that call never moves the listener's counters. Only the low byte of a
    // bool is defined.
    if slot::<3>(ctx) & 0xff != 0 {
        return 0;
    }
    checked::<Typed>(slot::<0>(ctx) as Ptr, returned(ctx, ARGS_CHECK_REQ.load()), &Arguments(ctx))
}

/// What tcp_check_req() was called with besides the listener. It is read where it is
/// needed, which is not for every packet.
pub trait Packet {
    /// The packet.
    fn skb(&self) -> Ptr;
    /// The request.
    fn req(&self) -> Ptr;
    /// Where the function says that another CPU has taken the request away.
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

/// A packet was held against a half-open request. `child` is the socket that came of
/// it.
#[inline(always)]
pub fn checked<M: Memory>(sk: Ptr, child: u64, packet: &impl Packet) -> i32 {
    // The listener came back: the packet is handled as one without a request.
    if child == sk as u64 {
        return 0;
    }
    if child != 0 {
        return established::uncounted::<M>(sk, Peer::Request(packet.req()));
    }
    let Some(tcp) = M::tcp_sock(sk) else { return 0 };
    refused::<M>(tcp, packet.skb(), packet.req(), packet.stolen())
}

/// No socket came of the packet: it was refused, or dropped for a reason that loses
/// nothing.
///
/// The request may be stolen: another CPU took it away while this one checked the
/// packet, and the packet is looked up again. Where the other CPU finished the
/// handshake, this one counted nothing. Where both refused the client
/// (tcp_abort_on_overflow: `*req_stolen = !unlinked`, 5.12 and stable series before
/// it), this one counted a loss as well.
#[inline(always)]
fn refused<M: Memory>(tcp: Ptr, skb: Ptr, req: Ptr, stolen: u64) -> i32 {
    causes::forget();
    let mut taken = 0u8;
    copy(&raw mut taken, stolen);
    let after = || aftermath::<M>(tcp, req);
    // A request that another CPU took away is no sign that this packet was lost.
    let mine = || Aftermath { unlinked: taken == 0 && after().unlinked, ..after() };
    // With tcp_abort_on_overflow the request is taken out and a RST sent. Otherwise
    // the request stays, and the client is left waiting.
    let reset = || after().unlinked;
    dropped::<M>(Dropped { tcp, skb, looked_up_again: taken != 0 }, mine, reset, Peer::Request(req));
    0
}

/// A packet that tcp_check_req() made no connection of.
pub struct Dropped {
    /// The listener.
    pub tcp: Ptr,
    /// The packet.
    pub skb: Ptr,
    /// Whether the packet is not dropped after all: it goes on to another socket.
    pub looked_up_again: bool,
}

/// Judges, counts and tells a packet of a handshake that was dropped. Returns what
/// that added to `sk_drops`.
#[inline(always)]
pub fn dropped<M: Memory>(
    packet: Dropped,
    after: impl FnOnce() -> Aftermath,
    reset: impl FnOnce() -> bool,
    client: Peer,
) -> u32 {
    let Dropped { tcp, skb, looked_up_again } = packet;
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else {
        unlisted::<M>(tcp, after);
        return 0;
    };
    // tcp_v4_rcv() and tcp_v6_rcv() add the packet's segments to sk_drops whatever
    // the reason was (label discard_and_relse), unless the packet is looked up again.
    let segments = if looked_up_again { 0 } else { segments::<M>(skb) };
    row.count_drops(u64::from(segments));
    let Some(baseline) = mib::of_row(row) else { return segments };
    let delta = baseline.delta(false);
    let Some(reason) = verdict::ack(&delta, &baseline.resets(), after) else { return segments };
    let drops = delta.of(Counter::ListenDrops);
    row.count_drops(drops);
    let outcome = match reason {
        Reason::RequestReset => Outcome::None,
        _ if reset() => Outcome::Reset,
        _ => Outcome::Silent,
    };
    let what = What { payload: payload::<M>(skb), ..What::reason(reason, outcome) };
    row.count(reason);
    details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, client);
    segments + drops as u32
}

#[inline(always)]
fn aftermath<M: Memory>(tcp: Ptr, req: Ptr) -> Aftermath {
    Aftermath {
        unlinked: M::load::<u64>(req, OFF_SKC_NODE_PPREV.load()) == 0,
        listening: M::load::<u8>(tcp, OFF_SKC_STATE.load()) == LISTEN,
    }
}

/// Bytes of data in a segment: the sequence numbers that it takes, without the one of
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

/// A packet of a listener that has no row: counted for the namespace.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr, after: impl FnOnce() -> Aftermath) {
    if let Some(baseline) = mib::without_row::<M>(tcp)
        && let Some(reason) = verdict::ack(&baseline.delta(false), &baseline.resets(), after)
    {
        baseline.count_unlisted(reason);
    }
}

/// How many drops sk_drops counts a packet as: max(1, gso_segs). One that GRO has put
/// together from 3 segments is 3.
#[inline(always)]
pub fn segments<M: Memory>(skb: Ptr) -> u32 {
    let head: u64 = M::load(skb, OFF_SKB_HEAD.load());
    let end: u32 = M::load(skb, OFF_SKB_END.load());
    let mut segments = 0u16;
    copy(&raw mut segments, head + u64::from(end) + u64::from(OFF_SHINFO_GSO_SEGS.load()));
    if segments > 1 { u32::from(segments) } else { 1 }
}
