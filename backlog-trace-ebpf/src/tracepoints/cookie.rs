//! The final ACK of a handshake kept in a cookie, seen where its packet is dropped.

use super::group;
use crate::hooks::cookie;
use crate::key;
use crate::peer::Peer;
use crate::read::{Ptr, Typed};

/// A packet with a valid cookie is dropped in cookie_v4_check() or
/// cookie_v6_check(). One whose cookie is not valid is answered by RST and
/// dropped elsewhere.
#[inline(always)]
pub fn dropped(tcp: Ptr, skb: Ptr) -> i32 {
    let added = cookie::dropped::<Typed>(tcp, skb, Peer::packet::<Typed>(skb));
    group::charge::<Typed>(tcp, key::of::<Typed>(tcp), added);
    0
}
