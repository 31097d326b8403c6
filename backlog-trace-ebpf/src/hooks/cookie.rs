//! The final ACK of a handshake kept in a cookie: on the way out of
//! `tcp_get_cookie_sock()`, which is reached with a valid cookie only.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::detail::{Kind, Outcome};
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict;

use super::ack::worth_telling;
use crate::counts::{self, Place, bump};
use crate::details::{self, Peer, Queues, What};
use crate::globals::ARGS_GET_COOKIE_SOCK;
use crate::mib;
use crate::read::{Memory, Ptr, Typed, returned, slot};

/// tcp_get_cookie_sock(sk, skb, req, dst[, tsoff])
#[fexit]
pub fn cookie_ack(ctx: FExitContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    let child = returned(ctx, ARGS_GET_COOKIE_SOCK.load());
    let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx) as Ptr) else { return 0 };
    handled::<Typed>(tcp, slot::<1>(ctx) as Ptr, child != 0)
}

/// The request is freed by now, so the client is read from the packet.
#[inline(always)]
fn handled<M: Memory>(tcp: Ptr, skb: Ptr, child: bool) -> i32 {
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else { return unlisted::<M>(tcp, child) };
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        if child {
            (*row).established_by_cookie += 1;
            if worth_telling::<M>(tcp, row) {
                details::tell::<M>(
                    tcp,
                    row,
                    Queues::of::<M>(tcp),
                    What::kind(Kind::Established),
                    Peer::packet::<M>(skb),
                );
            }
            return 0;
        }
        let Some(baseline) = mib::baseline::<M>(tcp, row) else { return 0 };
        let reason = verdict::cookie_ack(&mib::delta(baseline, false));
        bump(&raw mut (*row).reasons, reason.index());
        if !matches!(reason, Reason::CookieAckLost) {
            (*row).sk_drops += 1;
        }
        details::tell::<M>(
            tcp,
            row,
            Queues::of::<M>(tcp),
            What::reason(reason, Outcome::Silent),
            Peer::packet::<M>(skb),
        );
    }
    0
}

/// As for a SYN without a row: counted for the namespace.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr, child: bool) -> i32 {
    if child {
        return 0;
    }
    if let Some(baseline) = mib::baseline_without_row::<M>(tcp) {
        let reason = verdict::cookie_ack(&mib::delta(baseline, false));
        // SAFETY: a live map value that only this CPU writes.
        bump(unsafe { &raw mut (*baseline).unlisted }, reason.index());
    }
    0
}
