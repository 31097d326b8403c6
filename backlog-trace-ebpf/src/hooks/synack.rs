//! Our SYN+ACK sent again: the tracepoint in `tcp_rtx_synack()`, which fires
//! only when it was really sent.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use backlog_trace_common::detail::{Cause, Outcome};
use backlog_trace_common::reason::Reason;

use crate::counts;
use crate::details::{self, What};
use crate::globals::{
    OFF_IREQ_ACKED, OFF_REQ_NUM_RETRANS, OFF_REQ_TIMER_PPREV, OFF_SKC_STATE, SHIFT_IREQ_ACKED,
};
use crate::identity::Place;
use crate::mib;
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Ptr, Typed, slot};
use crate::uapi::LISTEN;

/// tcp_retransmit_synack(sk, req)
#[btf_tracepoint]
pub fn synack(ctx: BtfTracePointContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    let sk = slot::<0>(ctx) as Ptr;
    let req = slot::<1>(ctx) as Ptr;
    if sk.is_null() || req.is_null() {
        return 0;
    }
    // With Fast Open the socket is the child, not the listener.
    if Typed::load::<u8>(sk, OFF_SKC_STATE.load()) != LISTEN {
        return 0;
    }
    let (Some(tcp), Some(request)) = (Typed::tcp_sock(sk), Typed::tcp_request(req)) else { return 0 };
    sent_again::<Typed>(tcp, req, request)
}

#[inline(always)]
fn sent_again<M: Memory>(tcp: Ptr, req: Ptr, request: Ptr) -> i32 {
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else { return unlisted::<M>(tcp) };
    let Some(baseline) = mib::of_row(row) else { return 0 };
    // tcp_rtx_synack() has counted this SYN+ACK already (5.10 to 7.2). If judging
    // began between that and the tracepoint, it is in the starting values.
    if baseline.retransmits() == 0 {
        return 0;
    }
    let acked: u8 = M::load(request, OFF_IREQ_ACKED.load());
    // Either the request's timer or a duplicate SYN had the SYN+ACK sent again. A
    // timer is taken off its list before its handler runs (expire_timers() ->
    // detach_timer(), all versions), and is on it while a duplicate SYN is answered.
    let timer_waits = M::load::<u64>(req, OFF_REQ_TIMER_PPREV.load()) != 0;
    let cause = if timer_waits {
        Cause::DuplicateSyn
    } else if (acked >> SHIFT_IREQ_ACKED.load()) & 1 == 1 {
        Cause::AckRefused
    } else {
        Cause::ClientSilent
    };
    // The kernel adds this one to num_retrans after the tracepoint.
    let attempt = M::load::<u8>(req, OFF_REQ_NUM_RETRANS.load()).saturating_add(1);
    let reason = Reason::SynackRetransmit;
    row.count(reason);
    let what = What { cause, attempt, ..What::reason(reason, Outcome::None) };
    details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, Peer::Request(req));
    0
}

/// A SYN+ACK of a listener that has no row: counted for the namespace.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr) -> i32 {
    if let Some(baseline) = mib::without_row::<M>(tcp)
        && baseline.retransmits() != 0
    {
        baseline.count_unlisted(Reason::SynackRetransmit);
    }
    0
}
