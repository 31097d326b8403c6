//! A half-open request removed by an ICMP error, or by a neighbour that does
//! not answer: `tcp_req_err()`, which counts a ListenDrops of its own.
//!
//! The function gives up its reference to the request. So the record of it is prepared
//! on the way in and sent on the way out, where the counters say whether the request
//! was removed. The listener is read by helper: skc_listener shares its place in a
//! union with a number, which is what the verifier takes it for.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::Reason;

use crate::baseline;
use crate::counts;
use crate::details::{self, What};
use crate::globals::OFF_SKC_LISTENER;
use crate::identity::Place;
use crate::maps::ABORTING;
use crate::mib::{self, OwnBaseline};
use crate::peer::Peer;
use crate::read::{Memory, Probed, Ptr, slot};
use crate::row::Row;

/// tcp_req_err(sk, seq, abort): the socket is the request.
#[fentry]
pub fn request_error(ctx: FEntryContext) -> i32 {
    about_to_abort::<Probed>(slot::<0>(ctx.as_ptr()) as Ptr);
    0
}

/// tcp_req_err(sk, seq, abort)
#[fexit]
pub fn request_aborted(_ctx: FExitContext) -> i32 {
    aborted();
    0
}

/// tcp_req_err() begins: the request may be about to go.
#[inline(always)]
pub fn about_to_abort<M: Memory>(req: Ptr) {
    let Some(aborting) = ABORTING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's live map value. ICMP errors are handled with the bottom half
    // off, so no other one comes in between entry and exit.
    let aborting = unsafe { &mut *aborting };
    aborting.detail.listener = 0;
    aborting.slot = 0;
    let listener: Ptr = M::load(req, OFF_SKC_LISTENER.load());
    if listener.is_null() {
        return;
    }
    let Some(tcp) = M::tcp_sock(listener) else { return };
    let Some(slot) = baseline::judged::<M>(tcp, true) else { return };
    aborting.slot = u64::from(slot) + 1;
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else { return };
    let what = What::reason(Reason::RequestAborted, Outcome::None);
    details::prepare::<M>(&mut aborting.detail, tcp, row, what, Peer::Request(req));
}

/// tcp_req_err() has returned: the counters say whether the request went.
#[inline(always)]
pub fn aborted() {
    let Some(aborting) = ABORTING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's live map value. ICMP errors are handled with the bottom half
    // off, so no other one came in between entry and exit.
    let aborting = unsafe { &*aborting };
    let Some(slot) = aborting.slot.checked_sub(1) else { return };
    let Some(baseline) = mib::of_slot(slot as u32) else { return };
    if baseline.delta(false).of(Counter::ListenDrops) != 0 {
        let row = counts::existing(aborting.detail.listener);
        removed(row, baseline, |_, reason| details::send(&aborting.detail, reason));
    }
}

/// A request was removed: counted and told for its listener, or counted for the namespace
/// where the listener has no row or is not known.
#[inline(always)]
pub fn removed(row: Option<Row>, baseline: OwnBaseline, tell: impl FnOnce(Row, Reason)) {
    let reason = Reason::RequestAborted;
    let Some(row) = row else { return baseline.count_unlisted(reason) };
    // tcp_req_err() calls tcp_listendrop() once.
    row.count_drops(1);
    row.count(reason);
    tell(row, reason);
}
