//! Which ports lost something lately. At these, each finished handshake is told by
//! a record of its own, so that user space can say which of the refused clients
//! retried and got in.
//!
//! What is noted is the port and not the socket, because the client's next try
//! may reach another socket: the successor of a listener that restarted, or
//! another member of a reuseport group. Two ports can share a place in the
//! table; then handshakes of both are told, which costs records and harms
//! nothing, because user space knows each client by its address.

use backlog_trace_common::limits::LOST_LATELY_PLACES;
use backlog_trace_common::reason::{Class, Reason, TABLE};

use crate::context;
use crate::globals::{OFF_NET_INUM, OFF_SKC_NET, OFF_SKC_NUM};
use crate::maps::{LOST_EVER, LOST_LATELY};
use crate::read::{Memory, Ptr};

/// How long after a loss finished handshakes are told. A client with
/// tcp_syn_retries 6, the default, sends its last SYN after 63 s and gives up
/// after 127 s.
const FOLLOW_NS: i64 = 130_000_000_000;

/// A bit for each reason that loses a connection. Cookies, SYN+ACKs sent again and
/// requests given up have no bit: in a flood that cookies answer, telling each
/// finished handshake would cost more than the flood.
const LOSSES: u32 = {
    let mut losses = 0;
    let mut at = 0;
    while at < TABLE.len() {
        if matches!(TABLE[at].class, Class::Loss) {
            losses |= 1 << at;
        }
        at += 1;
    }
    losses
};

/// Takes note that this port lost something, if the reason is a loss.
#[inline(always)]
pub fn note(reason: Reason, netns: u32, port: u32, now: u64) {
    if LOSSES >> reason as u32 & 1 == 0 {
        return;
    }
    if let Some(last) = LOST_LATELY.get_ptr_mut(place(netns, port)) {
        // SAFETY: a live map value of eight bytes. CPUs write it without a lock:
        // any of their times will do.
        unsafe { last.write_volatile(now) };
    }
    if let Some(ever) = LOST_EVER.get_ptr_mut(0) {
        // SAFETY: a live map value that only ever becomes 1. It is read first,
        // because a write would take its cache line from all other CPUs.
        unsafe {
            if ever.read_volatile() == 0 {
                ever.write_volatile(1);
            }
        }
    }
}

/// Whether a listener of this socket's namespace and port lost something lately.
#[inline(always)]
pub fn at<M: Memory>(sk: Ptr) -> bool {
    let Some(ever) = LOST_EVER.get_ptr(0) else { return false };
    // SAFETY: a live map value.
    if unsafe { ever.read_volatile() } == 0 {
        return false;
    }
    let net: Ptr = M::load(sk, OFF_SKC_NET.load());
    let netns: u32 = M::load(net, OFF_NET_INUM.load());
    let port = u32::from(M::load::<u16>(sk, OFF_SKC_NUM.load()));
    let Some(last) = LOST_LATELY.get_ptr(place(netns, port)) else { return false };
    // SAFETY: a live map value.
    let last = unsafe { last.read_volatile() };
    // Another CPU may have noted a time that is later than `now` on this one: the
    // difference is signed, and negative then.
    last != 0 && (context::now().wrapping_sub(last) as i64) < FOLLOW_NS
}

#[inline(always)]
fn place(netns: u32, port: u32) -> u32 {
    let mixed = netns.wrapping_mul(0x9e37_79b1) ^ port.wrapping_mul(0x85eb_ca6b);
    mixed >> 16 & (LOST_LATELY_PLACES - 1)
}
