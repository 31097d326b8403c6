//! The final ACK of a handshake kept in a cookie: on the way out of
//! `cookie_v4_check()` and `cookie_v6_check()`.
//!
//! They return the listener itself for a wrong or outdated cookie and for an
//! ACK that nobody waits for, the child for a valid cookie, and nothing for a
//! valid one that could not be used.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::{Kind, Outcome};
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict;

use super::ack::payload;
use super::causes;
use crate::counts::{self, bump};
use crate::details::{self, Peer, Queues, What};
use crate::identity::Place;
use crate::lost_lately;
use crate::mib;
use crate::read::{Memory, Ptr, Typed, slot};

/// cookie_v4_check(sk, skb)
#[fexit]
pub fn cookie_v4(ctx: FExitContext) -> i32 {
    checked(ctx.as_ptr(), Peer::Ipv4)
}

/// cookie_v6_check(sk, skb)
#[fexit]
pub fn cookie_v6(ctx: FExitContext) -> i32 {
    checked(ctx.as_ptr(), Peer::Ipv6)
}

#[inline(always)]
fn checked(ctx: *mut c_void, client: impl FnOnce(Ptr) -> Peer) -> i32 {
    let (sk, skb, returned) = (slot::<0>(ctx), slot::<1>(ctx), slot::<2>(ctx));
    let Some(tcp) = Typed::tcp_sock(sk as Ptr) else { return 0 };
    let checked = Checked::of(sk, returned);
    handled::<Typed>(tcp, skb as Ptr, checked, client(skb as Ptr))
}

/// What the check returned.
#[derive(Clone, Copy)]
pub enum Checked {
    /// A child socket.
    Child,
    /// Nothing: the cookie was valid.
    Lost,
    /// The listener: the client gets a RST.
    NotValid,
}

impl Checked {
    /// By what came back for a listener.
    #[inline(always)]
    pub const fn of(sk: u64, returned: u64) -> Self {
        match returned {
            0 => Self::Lost,
            child if child != sk => Self::Child,
            _ => Self::NotValid,
        }
    }
}

/// The request is freed by now, so the client is read from the packet.
#[inline(always)]
pub fn handled<M: Memory>(tcp: Ptr, skb: Ptr, checked: Checked, client: Peer) -> i32 {
    causes::forget();
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else { return unlisted::<M>(tcp, checked) };
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        let what = match checked {
            Checked::Child => {
                (*row).established_by_cookie += 1;
                if !lost_lately::at::<M>(tcp) {
                    return 0;
                }
                What::kind(Kind::Established)
            }
            Checked::NotValid => {
                let Some(baseline) = mib::baseline(row) else { return 0 };
                if mib::cookies_failed(baseline) == 0 {
                    return 0;
                }
                bump(&raw mut (*row).reasons, Reason::CookieAckInvalid.index());
                What::reason(Reason::CookieAckInvalid, Outcome::Reset)
            }
            Checked::Lost => {
                dropped::<M>(tcp, skb, client);
                return 0;
            }
        };
        details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, client);
    }
    0
}

/// An ACK with a valid cookie is dropped; what that added to `sk_drops`.
#[inline(always)]
pub fn dropped<M: Memory>(tcp: Ptr, skb: Ptr, client: Peer) -> u32 {
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else {
        unlisted::<M>(tcp, Checked::Lost);
        return 0;
    };
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        let Some(baseline) = mib::baseline(row) else { return 0 };
        let delta = mib::delta(baseline, false);
        let reason = verdict::cookie_ack(&delta);
        let drops = delta.of(Counter::ListenDrops);
        (*row).sk_drops += drops;
        bump(&raw mut (*row).reasons, reason.index());
        let what = What { payload: payload::<M>(skb), ..What::reason(reason, Outcome::Silent) };
        details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, client);
        drops as u32
    }
}

/// As for a SYN without a row: counted for the namespace.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr, checked: Checked) -> i32 {
    if matches!(checked, Checked::Child) {
        return 0;
    }
    let Some(baseline) = mib::baseline_without_row::<M>(tcp) else { return 0 };
    let reason = match checked {
        Checked::NotValid if mib::cookies_failed(baseline) == 0 => return 0,
        Checked::NotValid => Reason::CookieAckInvalid,
        _ => verdict::cookie_ack(&mib::delta(baseline, false)),
    };
    // SAFETY: a live map value that only this CPU writes.
    bump(unsafe { &raw mut (*baseline).unlisted }, reason.index());
    0
}
