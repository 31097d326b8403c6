//! The details plane: one record per packet worth telling about.
//!
//! A record that finds no room is counted as missed; no count is derived from
//! records.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use backlog_trace_common::counts::Counts;
use backlog_trace_common::detail::{Cause, Detail, Kind, Outcome};
use backlog_trace_common::family;
use backlog_trace_common::reason::Reason;

use crate::globals::{
    OFF_ACCEPT_QUEUE_QLEN, OFF_NET_INUM, OFF_SK_ACK_BACKLOG, OFF_SK_MAX_ACK_BACKLOG, OFF_SKB_DATA,
    OFF_SKB_HEAD, OFF_SKB_NETWORK, OFF_SKB_PROTOCOL, OFF_SKC_DADDR, OFF_SKC_DPORT, OFF_SKC_FAMILY,
    OFF_SKC_NET, OFF_SKC_NUM, OFF_SKC_V6_DADDR,
};
use crate::lost_lately;
use crate::maps::{DETAILS, MISSED};
use crate::read::{Memory, Ptr, copy};
use crate::uapi::{INET6, IPV4};

/// A client's end.
#[derive(Clone, Copy)]
pub struct Client {
    /// Its family.
    pub ipv6: bool,
    /// Its address: IPv4 in the first word, network order.
    pub address: [u32; 4],
    /// Its port, host order.
    pub port: u16,
}

/// Where the client's address comes from.
#[derive(Clone, Copy)]
pub enum Peer {
    /// The headers of an IPv4 packet.
    Ipv4(Ptr),
    /// The headers of an IPv6 packet.
    Ipv6(Ptr),
    /// The request kept for the handshake.
    Request(Ptr),
    /// Taken from its packet or request already.
    Known(Client),
    /// No client.
    Nobody,
}

impl Peer {
    /// The headers of a packet of either family.
    #[inline(always)]
    pub fn packet<M: Memory>(skb: Ptr) -> Self {
        let protocol: u16 = M::load(skb, OFF_SKB_PROTOCOL.load());
        if protocol == IPV4 { Self::Ipv4(skb) } else { Self::Ipv6(skb) }
    }
}

/// Both queues of a listener, as its hook has just read them.
#[derive(Clone, Copy)]
pub struct Queues {
    /// Accept queue length.
    pub accept: u32,
    /// SYN queue length.
    pub syn: u32,
}

impl Queues {
    /// Reads them.
    #[inline(always)]
    pub fn of<M: Memory>(tcp: Ptr) -> Self {
        Self {
            accept: M::load(tcp, OFF_SK_ACK_BACKLOG.load()),
            syn: M::load(tcp, OFF_ACCEPT_QUEUE_QLEN.load()),
        }
    }
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
    /// Bytes of data in the packet.
    pub payload: u32,
}

impl What {
    /// A packet that met a reason.
    #[inline(always)]
    pub const fn reason(reason: Reason, outcome: Outcome) -> Self {
        Self { kind: Kind::Reason, reason, outcome, cause: Cause::None, attempt: 0, payload: 0 }
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
            payload: 0,
        }
    }
}

/// Writes one record about the listener of a row.
///
/// # Safety
/// `row` must be this CPU's live map value, claimed by the listener.
#[inline(always)]
pub unsafe fn tell<M: Memory>(tcp: Ptr, row: *mut Counts, queues: Queues, what: What, peer: Peer) {
    // SAFETY: the caller's promise.
    let (key, netns, port, cpu) = unsafe { ((*row).key, (*row).netns, (*row).port, (*row).cpu) };
    let limit: u32 = M::load(tcp, OFF_SK_MAX_ACK_BACKLOG.load());
    // SAFETY: the caller's promise.
    unsafe { (*row).limit = limit };
    write::<M>(Head { key, netns, port, cpu, limit, queues }, what, peer);
}

/// Writes one record about a listener in process context, where its row on
/// this CPU is not looked for.
#[inline(always)]
pub fn tell_without_row<M: Memory>(tcp: Ptr, key: u64, what: What) {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let head = Head {
        key,
        netns: M::load(net, OFF_NET_INUM.load()),
        port: u32::from(M::load::<u16>(tcp, OFF_SKC_NUM.load())),
        // SAFETY: no arguments.
        cpu: unsafe { bpf_get_smp_processor_id() },
        limit: M::load(tcp, OFF_SK_MAX_ACK_BACKLOG.load()),
        queues: Queues::of::<M>(tcp),
    };
    write::<M>(head, what, Peer::Nobody);
}

/// What a record says of its listener.
struct Head {
    key: u64,
    netns: u32,
    port: u32,
    cpu: u32,
    limit: u32,
    queues: Queues,
}

/// Prepares a record about a listener and a request that the hooked function
/// may free, for [`send`] on its way out.
///
/// # Safety
/// `row` must be this CPU's live map value, claimed by the listener; `detail`
/// must be memory for a record.
#[inline(always)]
pub unsafe fn prepare<M: Memory>(detail: *mut Detail, tcp: Ptr, row: *mut Counts, what: What, peer: Peer) {
    // SAFETY: the caller's promise.
    let (key, netns, port, cpu) = unsafe { ((*row).key, (*row).netns, (*row).port, (*row).cpu) };
    let limit: u32 = M::load(tcp, OFF_SK_MAX_ACK_BACKLOG.load());
    fill::<M>(detail, Head { key, netns, port, cpu, limit, queues: Queues::of::<M>(tcp) }, what, peer);
}

/// Writes a prepared record of this reason.
///
/// # Safety
/// `prepared` must be a live map value.
#[inline(always)]
pub unsafe fn send(prepared: *const Detail, reason: Reason) {
    let Some(mut entry) = DETAILS.reserve::<Detail>(0) else { return missed() };
    // SAFETY: the caller's promise; the entry is as large.
    unsafe {
        entry.as_mut_ptr().write(prepared.read());
        lost_lately::note(reason, (*prepared).netns, u32::from((*prepared).port), (*prepared).time);
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

#[inline(always)]
fn missed() {
    if let Some(missed) = MISSED.get_ptr_mut(0) {
        // SAFETY: this CPU's live map value.
        unsafe { *missed += 1 };
    }
}

#[inline(always)]
fn write<M: Memory>(head: Head, what: What, peer: Peer) {
    let reason = matches!(what.kind, Kind::Reason).then_some((what.reason, head.netns, head.port));
    let Some(mut entry) = DETAILS.reserve::<Detail>(0) else {
        // The client's own way is not followed, that of others is.
        if let Some((reason, netns, port)) = reason {
            // SAFETY: no arguments.
            lost_lately::note(reason, netns, port, unsafe { bpf_ktime_get_ns() });
        }
        return missed();
    };
    fill::<M>(entry.as_mut_ptr(), head, what, peer);
    if let Some((reason, netns, port)) = reason {
        // SAFETY: the entry has just been filled in.
        lost_lately::note(reason, netns, port, unsafe { (*entry.as_mut_ptr()).time });
    }
    // User space polls at a steady pace: a wake-up per record would cost more
    // than the record.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// Fills in every field of a record.
#[inline(always)]
fn fill<M: Memory>(detail: *mut Detail, head: Head, what: What, peer: Peer) {
    // SAFETY: `detail` is memory for a record.
    unsafe {
        (*detail).time = bpf_ktime_get_ns();
        (*detail).listener = head.key;
        (*detail).netns = head.netns;
        (*detail).accept_queue = head.queues.accept;
        (*detail).syn_queue = head.queues.syn;
        (*detail).limit = head.limit;
        (*detail).port = head.port as u16;
        (*detail).kind = what.kind as u8;
        (*detail).reason = what.reason as u8;
        (*detail).outcome = what.outcome as u8;
        (*detail).cause = what.cause as u8;
        (*detail).attempt = what.attempt;
        (*detail).cpu = head.cpu as u16;
        (*detail).payload = if what.payload > 0xffff { 0xffff } else { what.payload as u16 };
        (*detail).more = 0;
        (*detail).peer_port = 0;
        (*detail).family = 0;
        let address: *mut u64 = (&raw mut (*detail).peer).cast();
        address.write(0);
        address.add(1).write(0);
    }
    match peer {
        Peer::Ipv4(skb) => from_ipv4::<M>(detail, skb),
        Peer::Ipv6(skb) => from_ipv6::<M>(detail, skb),
        Peer::Request(req) => from_request::<M>(detail, req),
        Peer::Known(client) => from_client(detail, &client),
        Peer::Nobody => {}
    }
}

/// Length of an IPv4 header without options, and of an IPv6 header.
const IPV4_BYTES: u64 = 20;
const IPV6_BYTES: u64 = 40;

/// The source of an IPv4 packet whose TCP header `skb->data` points at
/// (tcp_v4_rcv() pulled what is before it). One read serves unless the header
/// has options.
#[inline(always)]
fn from_ipv4<M: Memory>(detail: *mut Detail, skb: Ptr) {
    let data: u64 = M::load(skb, OFF_SKB_DATA.load());
    let mut header = [0u32; 6];
    copy(&raw mut header, data.wrapping_sub(IPV4_BYTES));
    // Version 4 and five words.
    if header[0] as u8 != 0x45 {
        let network = network_header::<M>(skb);
        copy((&raw mut header).cast::<[u32; 5]>(), network);
        copy((&raw mut header).cast::<u32>().wrapping_add(5), data);
    }
    // SAFETY: `detail` is reserved memory of the ring.
    unsafe {
        (*detail).family = family::INET;
        (&raw mut (*detail).peer).cast::<u32>().write(header[3]);
        (*detail).peer_port = u16::from_be(header[5] as u16);
    }
}

/// The source of an IPv6 packet; extension headers may stand in between.
#[inline(always)]
fn from_ipv6<M: Memory>(detail: *mut Detail, skb: Ptr) {
    let data: u64 = M::load(skb, OFF_SKB_DATA.load());
    let network = network_header::<M>(skb);
    let mut source = [0u32; 4];
    copy(&raw mut source, network + IPV6_BYTES - 32);
    let mut port = 0u16;
    copy(&raw mut port, data);
    // SAFETY: `detail` is reserved memory of the ring.
    unsafe {
        (*detail).family = family::INET6;
        let address = (&raw mut (*detail).peer).cast::<u32>();
        address.write(source[0]);
        address.add(1).write(source[1]);
        address.add(2).write(source[2]);
        address.add(3).write(source[3]);
        (*detail).peer_port = u16::from_be(port);
    }
}

#[inline(always)]
fn network_header<M: Memory>(skb: Ptr) -> u64 {
    let head: u64 = M::load(skb, OFF_SKB_HEAD.load());
    head + u64::from(M::load::<u16>(skb, OFF_SKB_NETWORK.load()))
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

/// A client that is known.
#[inline(always)]
fn from_client(detail: *mut Detail, client: &Client) {
    // SAFETY: `detail` is reserved memory of the ring.
    unsafe {
        (*detail).family = if client.ipv6 { family::INET6 } else { family::INET };
        (*detail).peer_port = client.port;
        let address = (&raw mut (*detail).peer).cast::<u32>();
        address.write(client.address[0]);
        address.add(1).write(client.address[1]);
        address.add(2).write(client.address[2]);
        address.add(3).write(client.address[3]);
    }
}
