//! The final ACK of a handshake kept in a cookie: on the way out of
//! `cookie_v4_check()` and `cookie_v6_check()`.
//!
//! Both return the listener itself for a wrong or outdated cookie and for an ACK
//! when no cookie has been sent lately, the child for a valid cookie, and NULL for
//! a valid cookie of which no connection could be made.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict;

use super::ack::payload;
use super::{causes, established};
use crate::counts;
use crate::details::{self, What};
use crate::identity::Place;
use crate::mib;
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Ptr, Typed, slot};
use crate::row::Row;

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
    /// What the address of the returned socket says; `sk` is the listener's.
    #[inline(always)]
    pub const fn of(sk: u64, returned: u64) -> Self {
        match returned {
            0 => Self::Lost,
            child if child != sk => Self::Child,
            _ => Self::NotValid,
        }
    }
}

/// A cookie was checked. The kernel has freed the request that it made of the cookie,
/// so the client is read from the packet.
#[inline(always)]
pub fn handled<M: Memory>(tcp: Ptr, skb: Ptr, checked: Checked, client: Peer) -> i32 {
    causes::forget();
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else { return unlisted::<M>(tcp, checked) };
    match checked {
        Checked::Child => established::by_cookie::<M>(tcp, row, client),
        Checked::NotValid => not_valid::<M>(tcp, row, client),
        Checked::Lost => {
            lost::<M>(tcp, row, skb, client);
        }
    }
    0
}

/// An ACK with a valid cookie is dropped. Returns what that added to `sk_drops`.
#[inline(always)]
pub fn dropped<M: Memory>(tcp: Ptr, skb: Ptr, client: Peer) -> u32 {
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else {
        unlisted::<M>(tcp, Checked::Lost);
        return 0;
    };
    lost::<M>(tcp, row, skb, client)
}

#[inline(always)]
fn not_valid<M: Memory>(tcp: Ptr, row: Row, client: Peer) {
    if mib::of_row(row).is_none_or(|baseline| baseline.cookies_failed() == 0) {
        return;
    }
    let reason = Reason::CookieAckInvalid;
    row.count(reason);
    let what = What::reason(reason, Outcome::Reset);
    details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, client);
}

#[inline(always)]
fn lost<M: Memory>(tcp: Ptr, row: Row, skb: Ptr, client: Peer) -> u32 {
    let Some(baseline) = mib::of_row(row) else { return 0 };
    let delta = baseline.delta(false);
    let reason = verdict::cookie_ack(&delta);
    let drops = delta.of(Counter::ListenDrops);
    row.count_drops(drops);
    row.count(reason);
    let what = What { payload: payload::<M>(skb), ..What::reason(reason, Outcome::Silent) };
    details::tell::<M>(tcp, row, Queues::of::<M>(tcp), what, client);
    drops as u32
}

/// A cookie's ACK at a listener that has no row: counted for the namespace.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr, checked: Checked) -> i32 {
    if matches!(checked, Checked::Child) {
        return 0;
    }
    let Some(baseline) = mib::without_row::<M>(tcp) else { return 0 };
    let reason = match checked {
        Checked::NotValid if baseline.cookies_failed() == 0 => return 0,
        Checked::NotValid => Reason::CookieAckInvalid,
        _ => verdict::cookie_ack(&baseline.delta(false)),
    };
    baseline.count_unlisted(reason);
    0
}
