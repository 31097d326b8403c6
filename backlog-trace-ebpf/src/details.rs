//! The details plane: one record per packet worth telling about.
//!
//! A record that finds no room is counted as missed; no count is derived from
//! records.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use backlog_trace_common::detail::{Cause, Detail, Kind, Outcome};
use backlog_trace_common::reason::Reason;

use crate::counts::INET6;
use crate::globals::{
    OFF_ACCEPT_QUEUE_QLEN, OFF_NET_INUM, OFF_SK_ACK_BACKLOG, OFF_SK_MAX_ACK_BACKLOG, OFF_SKB_HEAD,
    OFF_SKB_NETWORK, OFF_SKB_PROTOCOL, OFF_SKB_TRANSPORT, OFF_SKC_DADDR, OFF_SKC_DPORT, OFF_SKC_FAMILY,
    OFF_SKC_NET, OFF_SKC_NUM, OFF_SKC_V6_DADDR,
};
use crate::maps::{DETAILS, MISSED};
use crate::read::{Memory, Ptr, copy};

/// `ETH_P_IP` and `ETH_P_IPV6` as they stand in `skb->protocol`.
pub const IPV4: u16 = 0x0800u16.to_be();
const IPV6: u16 = 0x86ddu16.to_be();

/// Where the client's address comes from.
pub enum Peer {
    /// The packet's own headers.
    Packet(Ptr),
    /// The request kept for the handshake.
    Request(Ptr),
    /// No client.
    Nobody,
}

/// What a record says besides listener, queues and peer.
pub struct What {
    /// What it tells of.
    pub kind: Kind,
    /// Why, where `kind` is [`Kind::Reason`].
    pub reason: Reason,
    /// What the client was told.
    pub outcome: Outcome,
    /// Why a SYN+ACK was sent again.
    pub cause: Cause,
    /// Which try.
    pub attempt: u8,
}

impl What {
    /// A packet that met a reason.
    #[inline(always)]
    pub const fn reason(reason: Reason, outcome: Outcome) -> Self {
        Self { kind: Kind::Reason, reason, outcome, cause: Cause::None, attempt: 0 }
    }

    /// Something that happened to the listener or a connection of it.
    #[inline(always)]
    pub const fn kind(kind: Kind) -> Self {
        Self {
            kind,
            reason: Reason::SynAcceptQueueFull,
            outcome: Outcome::None,
            cause: Cause::None,
            attempt: 0,
        }
    }
}

/// Writes one record.
#[inline(always)]
pub fn tell<M: Memory>(tcp: Ptr, key: u64, what: What, peer: Peer) {
    let Some(mut entry) = DETAILS.reserve::<Detail>(0) else {
        if let Some(missed) = MISSED.get_ptr_mut(0) {
            // SAFETY: this CPU's live map value.
            unsafe { *missed += 1 };
        }
        return;
    };
    let detail: *mut Detail = entry.as_mut_ptr();
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    // SAFETY: `detail` is reserved memory of the ring; every field is written.
    unsafe {
        (*detail).time = bpf_ktime_get_ns();
        (*detail).listener = key;
        (*detail).netns = M::load(net, OFF_NET_INUM.load());
        (*detail).accept_queue = M::load(tcp, OFF_SK_ACK_BACKLOG.load());
        (*detail).syn_queue = M::load(tcp, OFF_ACCEPT_QUEUE_QLEN.load());
        (*detail).limit = M::load(tcp, OFF_SK_MAX_ACK_BACKLOG.load());
        (*detail).port = M::load(tcp, OFF_SKC_NUM.load());
        (*detail).kind = what.kind as u8;
        (*detail).reason = what.reason as u8;
        (*detail).outcome = what.outcome as u8;
        (*detail).cause = what.cause as u8;
        (*detail).attempt = what.attempt;
        (*detail).cpu = bpf_get_smp_processor_id() as u16;
        (*detail).reserved = 0;
        (*detail).peer_port = 0;
        (*detail).family = 0;
        let address: *mut u64 = (&raw mut (*detail).peer).cast();
        address.write(0);
        address.add(1).write(0);
    }
    match peer {
        Peer::Packet(skb) => from_packet::<M>(detail, skb),
        Peer::Request(req) => from_request::<M>(detail, req),
        Peer::Nobody => {}
    }
    // User space polls at a steady pace: a wake-up per record would cost more
    // than the record.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// The source of a packet, from its headers. Where the two headers follow one
/// another without options, addresses and ports are read by one call.
#[inline(always)]
fn from_packet<M: Memory>(detail: *mut Detail, skb: Ptr) {
    let head: u64 = M::load(skb, OFF_SKB_HEAD.load());
    let network: u16 = M::load(skb, OFF_SKB_NETWORK.load());
    let transport: u16 = M::load(skb, OFF_SKB_TRANSPORT.load());
    let protocol: u16 = M::load(skb, OFF_SKB_PROTOCOL.load());
    let (family, length) = match protocol {
        IPV4 => (2, 20),
        IPV6 => (INET6, 40),
        _ => return,
    };
    let network_at = head + u64::from(network);
    // SAFETY: `detail` is reserved memory of the ring.
    unsafe {
        (*detail).family = family as u8;
        let port = if family == 2 {
            let mut found = [0u32; 3];
            copy(&raw mut found, network_at + 12);
            (&raw mut (*detail).peer).cast::<u32>().write(found[0]);
            found[2] as u16
        } else {
            let mut found = [0u32; 9];
            copy(&raw mut found, network_at + 8);
            let address = (&raw mut (*detail).peer).cast::<u32>();
            address.write(found[0]);
            address.add(1).write(found[1]);
            address.add(2).write(found[2]);
            address.add(3).write(found[3]);
            found[8] as u16
        };
        (*detail).peer_port = u16::from_be(port);
        if transport.wrapping_sub(network) != length {
            let mut port = 0u16;
            copy(&raw mut port, head + u64::from(transport));
            (*detail).peer_port = u16::from_be(port);
        }
    }
}

/// The client of a half-open request: in it, the peer is the destination.
#[inline(always)]
fn from_request<M: Memory>(detail: *mut Detail, req: Ptr) {
    let family: u16 = M::load(req, OFF_SKC_FAMILY.load());
    let port: u16 = M::load(req, OFF_SKC_DPORT.load());
    // SAFETY: `detail` is reserved memory of the ring.
    unsafe {
        (*detail).peer_port = u16::from_be(port);
        (*detail).family = family as u8;
        let address: *mut u64 = (&raw mut (*detail).peer).cast();
        if family == INET6 {
            address.write(M::load(req, OFF_SKC_V6_DADDR.load()));
            address.add(1).write(M::load(req, OFF_SKC_V6_DADDR.load() + 8));
        } else {
            address.write(u64::from(M::load::<u32>(req, OFF_SKC_DADDR.load())));
        }
    }
}
