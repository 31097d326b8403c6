//! A half-open request removed by an ICMP error, or by a neighbour that does
//! not answer: `tcp_req_err()`, which counts a ListenDrops of its own.
//!
//! The function gives up its reference to the request, so what is told of it
//! is read on the way in and sent on the way out, where the counters say
//! whether it was removed. The listener is read by helper: skc_listener shares
//! its place with a number, and that is what the verifier takes it for.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::Reason;

use crate::baseline;
use crate::counts::{self, bump};
use crate::details::{self, Peer, What};
use crate::globals::OFF_SKC_LISTENER;
use crate::identity::Place;
use crate::maps::ABORTING;
use crate::mib;
use crate::read::{Memory, Probed, Ptr, slot};

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

/// A request may be about to go.
#[inline(always)]
pub fn about_to_abort<M: Memory>(req: Ptr) {
    let Some(aborting) = ABORTING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's live map value. ICMP errors are handled with the
    // bottom half off, so nothing comes in between entry and exit.
    unsafe {
        (*aborting).detail.listener = 0;
        (*aborting).slot = 0;
        let listener: Ptr = M::load(req, OFF_SKC_LISTENER.load());
        if listener.is_null() {
            return;
        }
        let Some(tcp) = M::tcp_sock(listener) else { return };
        let Some(slot) = baseline::judged::<M>(tcp, true) else { return };
        (*aborting).slot = u64::from(slot) + 1;
        let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else { return };
        let what = What::reason(Reason::RequestAborted, Outcome::None);
        details::prepare::<M>(&raw mut (*aborting).detail, tcp, row, what, Peer::Request(req));
    }
}

/// Whether the request that may have been about to go went.
#[inline(always)]
pub fn aborted() {
    let Some(aborting) = ABORTING.get_ptr_mut(0) else { return };
    // SAFETY: as above; `row` is this CPU's live map value.
    unsafe {
        let Some(slot) = (*aborting).slot.checked_sub(1) else { return };
        let Some(baseline) = mib::of_slot(slot as u32) else { return };
        if mib::delta(baseline, false).of(Counter::ListenDrops) == 0 {
            return;
        }
        let reason = Reason::RequestAborted;
        let Some(row) = counts::existing((*aborting).detail.listener) else {
            bump(&raw mut (*baseline).unlisted, reason.index());
            return;
        };
        (*row).sk_drops += 1;
        bump(&raw mut (*row).reasons, reason.index());
        details::send(&raw const (*aborting).detail, reason);
    }
}
