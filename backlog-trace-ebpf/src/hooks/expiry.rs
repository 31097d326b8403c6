//! A half-open request given up: `reqsk_timer_handler()`, which counts nothing.
//!
//! The handler may free the request, so the record of it is prepared on the way in
//! and sent on the way out. The handler gave the request up if the request has left
//! the hash table and its count of timeouts is what it was: a handler that keeps the
//! request adds one (5.10 to 7.2).

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use backlog_trace_common::detail::{Cause, Outcome};
use backlog_trace_common::reason::Reason;

use super::causes;
use crate::counts;
use crate::details::{self, What};
use crate::globals::{
    MIB_MIGRATEREQSUCCESS, OFF_DEFER_ACCEPT, OFF_IREQ_ACKED, OFF_REQ_NUM_RETRANS, OFF_REQ_NUM_TIMEOUT,
    OFF_REQ_TIMER, OFF_SKC_LISTENER, OFF_SKC_NODE_PPREV, OFF_SKC_STATE, SHIFT_IREQ_ACKED,
};
use crate::identity::Place;
use crate::maps::{EXPIRING, IDENTITIES};
use crate::mib;
use crate::peer::Peer;
use crate::read::{Memory, Probed, Ptr, slot};
use crate::row::Row;
use crate::scratch::Expiring;
use crate::uapi::LISTEN;

/// reqsk_timer_handler(t)
#[fentry]
pub fn request_timer(ctx: FEntryContext) -> i32 {
    begins(slot::<0>(ctx.as_ptr()));
    0
}

/// reqsk_timer_handler(t)
#[fexit]
pub fn request_timer_done(_ctx: FExitContext) -> i32 {
    done();
    0
}

/// The handler of a request's timer begins.
#[inline(always)]
pub fn begins(timer: u64) {
    let Some(expiring) = EXPIRING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's live map value. Timers run with the bottom half off, one
    // after the other.
    let expiring = unsafe { &mut *expiring };
    expiring.request = 0;
    let req = timer.wrapping_sub(u64::from(OFF_REQ_TIMER.load())) as Ptr;
    let tcp: Ptr = Probed::load(req, OFF_SKC_LISTENER.load());
    if tcp.is_null() {
        return;
    }
    let Some(row) = counts::of::<Probed>(tcp, Place::Packet) else { return };
    expiring.migrated = migrated(row).unwrap_or(0);
    expiring.timeouts = Probed::load(req, OFF_REQ_NUM_TIMEOUT.load());
    expiring.listening = u8::from(Probed::load::<u8>(tcp, OFF_SKC_STATE.load()) == LISTEN);
    let what = What {
        cause: cause(tcp, req),
        attempt: Probed::load(req, OFF_REQ_NUM_RETRANS.load()),
        ..What::reason(Reason::SynackExpired, Outcome::None)
    };
    details::prepare::<Probed>(&mut expiring.detail, tcp, row, what, Peer::Request(req));
    expiring.request = req as u64;
}

/// Where TCPMigrateReqSuccess of this CPU stands.
#[inline(always)]
fn migrated(row: Row) -> Option<u64> {
    mib::of_row(row)?.standing(MIB_MIGRATEREQSUCCESS.load())
}

/// Why the client never finished the handshake. The kernel marks a request whose ACK
/// was refused (`acked`), and one whose ACK was set aside because the listener waits
/// for data (TCP_DEFER_ACCEPT). At a listener with that option the two cannot be told
/// apart.
#[inline(always)]
fn cause(tcp: Ptr, req: Ptr) -> Cause {
    let acked: u8 = Probed::load(req, OFF_IREQ_ACKED.load());
    if (acked >> SHIFT_IREQ_ACKED.load()) & 1 == 0 {
        Cause::ClientSilent
    } else if Probed::load::<u8>(tcp, OFF_DEFER_ACCEPT.load()) == 0 {
        Cause::AckRefused
    } else {
        Cause::None
    }
}

/// The handler of a request's timer has returned.
#[inline(always)]
pub fn done() {
    causes::forget();
    let Some(expiring) = EXPIRING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's live map value. Timers run with the bottom half off, one
    // after the other.
    let expiring = unsafe { &*expiring };
    let req = expiring.request as Ptr;
    if req.is_null() || Probed::load::<u64>(req, OFF_SKC_NODE_PPREV.load()) != 0 {
        return;
    }
    let Some(row) = counts::existing(expiring.detail.listener) else { return };
    if expiring.listening == 0 {
        if left_behind(expiring, row) {
            row.count(Reason::ListenerClosed);
        }
        return;
    }
    // Where the count of timeouts has grown, the handler kept the request, and an ACK
    // or a reset on another CPU took it out.
    if Probed::load::<u8>(req, OFF_REQ_NUM_TIMEOUT.load()) != expiring.timeouts {
        return;
    }
    row.count(Reason::SynackExpired);
    details::send(&expiring.detail, Reason::SynackExpired);
}

/// Whether the request of a closed listener, which might have moved to another member
/// of its group, did not.
#[inline(always)]
fn left_behind(expiring: &Expiring, row: Row) -> bool {
    let Some(identity) = IDENTITIES.get_ptr(expiring.detail.listener) else { return false };
    // SAFETY: a live map value; the closing thread has written it.
    let migrates = unsafe { (*identity).migrates };
    migrates != 0 && migrated(row) == Some(expiring.migrated)
}
