//! Why a SYN was refused where the counters do not tell, and SYNs that were lost to
//! an identical one. Every SYN passes the functions that are hooked here, so the
//! hooks are attached only on request.
//!
//! When one of these functions fails, `tcp_conn_request()` gives the SYN up. All
//! hooks but the last leave the reason for the SYN's own hook, which takes it on
//! its way out if the kernel counted a loss.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::reason::Reason;

use crate::counts;
use crate::details::{self, What};
use crate::globals::{ARGS_HASH_ADD, ARGS_REQSK_ALLOC, ARGS_ROUTE_REQ_V6, CAUSES};
use crate::identity::Place;
use crate::maps::CAUSE;
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Ptr, Typed, returned, slot};

/// inet_reqsk_alloc(ops, sk_listener, attach_listener)
#[fexit]
pub fn cause_memory(ctx: FExitContext) -> i32 {
    failed(returned(ctx.as_ptr(), ARGS_REQSK_ALLOC.load()) == 0, Reason::SynNoMemory)
}

/// security_inet_conn_request(sk, skb, req): 0, or an errno.
#[fexit]
pub fn cause_security(ctx: FExitContext) -> i32 {
    failed(slot::<3>(ctx.as_ptr()) as u32 != 0, Reason::SynSecurityModule)
}

/// inet_csk_route_req(sk, fl4, req)
#[fexit]
pub fn cause_route_v4(ctx: FExitContext) -> i32 {
    failed(slot::<3>(ctx.as_ptr()) == 0, Reason::SynNoRoute)
}

/// inet6_csk_route_req(sk, fl6, req, proto)
#[fexit]
pub fn cause_route_v6(ctx: FExitContext) -> i32 {
    failed(returned(ctx.as_ptr(), ARGS_ROUTE_REQ_V6.load()) == 0, Reason::SynNoRoute)
}

/// inet_csk_reqsk_queue_hash_add(sk, req[, timeout]): false where an identical
/// SYN was faster on another CPU (6.10, and stable releases since 6.1.97).
/// Older kernels return nothing, and lose none.
#[fexit]
pub fn cause_twin(ctx: FExitContext) -> i32 {
    let ctx = ctx.as_ptr();
    // Only the low byte of a bool is defined.
    if ARGS_HASH_ADD.load() == ABSENT || returned(ctx, ARGS_HASH_ADD.load()) & 0xff != 0 {
        return 0;
    }
    if let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx) as Ptr) {
        twin::<Typed>(tcp, slot::<1>(ctx) as Ptr);
    }
    0
}

/// The SYN of this request was lost to an identical one.
#[inline(always)]
pub fn twin<M: Memory>(tcp: Ptr, req: Ptr) {
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else { return };
    let reason = Reason::SynDuplicate;
    row.count(reason);
    let what = What::reason(reason, Outcome::Silent);
    details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, Peer::Request(req));
}

/// Leaves the reason for the SYN's own hook.
#[inline(always)]
pub fn failed(failed: bool, reason: Reason) -> i32 {
    if failed && let Some(cause) = CAUSE.get_ptr_mut(0) {
        // SAFETY: this CPU's live map value.
        unsafe { *cause = reason.index() as u32 + 1 };
    }
    0
}

/// Leaves no reason for the next SYN.
///
/// The hooked functions are called for cookie ACKs and for SYN+ACKs that are sent
/// again as well, where a failure is no SYN's: the hooks of those call this too.
#[inline(always)]
pub fn forget() {
    if CAUSES.load() != 0
        && let Some(cause) = CAUSE.get_ptr_mut(0)
    {
        // SAFETY: this CPU's live map value.
        unsafe { *cause = 0 };
    }
}

/// The reason that was left for this SYN; `None` where none was, or where causes were
/// not asked for.
#[inline(always)]
pub fn take() -> Option<Reason> {
    if CAUSES.load() == 0 {
        return None;
    }
    let cause = CAUSE.get_ptr_mut(0)?;
    // SAFETY: this CPU's live map value.
    let left = unsafe { *cause };
    const NO_MEMORY: u32 = Reason::SynNoMemory as u32 + 1;
    const NO_ROUTE: u32 = Reason::SynNoRoute as u32 + 1;
    const SECURITY_MODULE: u32 = Reason::SynSecurityModule as u32 + 1;
    match left {
        NO_MEMORY => Some(Reason::SynNoMemory),
        NO_ROUTE => Some(Reason::SynNoRoute),
        SECURITY_MODULE => Some(Reason::SynSecurityModule),
        _ => None,
    }
}
