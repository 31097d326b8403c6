//! The final ACK of a handshake kept in the SYN queue, seen where its packet is
//! dropped.

use backlog_trace_common::verdict::Aftermath;

use super::group;
use crate::globals::{DROP_TCP_CSUM, OFF_SKC_NET, OFF_SKC_STATE, OFF_SYSCTL_ABORT_ON_OVERFLOW};
use crate::hooks::ack::{self, Dropped};
use crate::key;
use crate::peer::Peer;
use crate::read::{Memory, Ptr, Typed};
use crate::uapi::LISTEN;

/// A packet for a listener or for a handshake of it is dropped in tcp_v4_rcv()
/// or tcp_v6_rcv().
#[inline(always)]
pub fn dropped(tcp: Ptr, skb: Ptr, reason: u32) -> i32 {
    // At label csum_error nothing is added to the listener's sk_drops.
    if !listens(tcp) || reason == DROP_TCP_CSUM.load() {
        return 0;
    }
    charge(Dropped { tcp, skb, looked_up_again: false }, || resets(tcp))
}

/// A segment without a request is dropped at a listener, in tcp_v4_do_rcv() or
/// tcp_v6_do_rcv(). It may have had one: with tcp_abort_on_overflow,
/// tcp_check_req() counts the overflow before it finds that another CPU has taken the
/// request out, and the packet is looked up again (`req_stolen`, 5.10 to 7.2).
#[inline(always)]
pub fn looked_up_again(tcp: Ptr, skb: Ptr) -> i32 {
    if !listens(tcp) {
        return 0;
    }
    charge(Dropped { tcp, skb, looked_up_again: true }, || true)
}

#[inline(always)]
fn charge(packet: Dropped, reset: impl FnOnce() -> bool) -> i32 {
    let Dropped { tcp, skb, .. } = packet;
    // The request is out of reach here, so a handshake that finished on a closed
    // listener cannot be told from a packet that lost nothing, and is not counted.
    let after = || Aftermath { unlinked: false, listening: true };
    let added = ack::dropped::<Typed>(packet, after, reset, Peer::packet::<Typed>(skb));
    group::charge::<Typed>(tcp, key::of::<Typed>(tcp), added);
    0
}

/// A segment that is of no handshake, such as a RST, is dropped at a listener
/// (tcp_drop()): only what it adds to sk_drops is of interest.
#[inline(always)]
pub fn stray(tcp: Ptr, skb: Ptr) -> i32 {
    if listens(tcp) {
        group::charge::<Typed>(tcp, key::of::<Typed>(tcp), ack::segments::<Typed>(skb));
    }
    0
}

#[inline(always)]
fn listens(tcp: Ptr) -> bool {
    Typed::load::<u8>(tcp, OFF_SKC_STATE.load()) == LISTEN
}

/// What the client of a refused ACK is told: the request is out of reach here,
/// so the setting that decides it is read (tcp_check_req(), all versions).
#[inline(always)]
fn resets(tcp: Ptr) -> bool {
    let net: Ptr = Typed::load(tcp, OFF_SKC_NET.load());
    Typed::load::<u8>(net, OFF_SYSCTL_ABORT_ON_OVERFLOW.load()) != 0
}
