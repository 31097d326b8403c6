//! What can be read from a packet that is about to be freed: its namespace, its
//! addresses and its ports. By then `skb->dev` is NULL (tcp_v4_rcv(),
//! tcp_v6_rcv()) and the packet points at no socket.

use crate::address::Client;
use crate::globals::{
    OFF_DEV_NET, OFF_DST_DEV, OFF_SKB_DATA, OFF_SKB_HEAD, OFF_SKB_IIF, OFF_SKB_NETWORK, OFF_SKB_PROTOCOL,
    OFF_SKB_REFDST, OFF_SKB_TRANSPORT,
};
use crate::hooks::syn::not_unicast;
use crate::maps::SEGMENT;
use crate::peer::Peer;
use crate::read::{Memory, Probed, Ptr, copy};
use crate::scratch::Segment;
use crate::uapi::IPV4;

/// Lowest bit of `skb->_skb_refdst`: set where the packet's reference to its route
/// is not counted (`SKB_DST_NOREF`).
const NOREF: u64 = 1;

impl Segment {
    /// The client's end.
    #[inline(always)]
    pub fn client(&self) -> Client {
        Client { ipv6: self.ipv6 == 1, address: self.remote, port: self.remote_port as u16 }
    }
}

/// Takes a packet that is freed on this CPU apart. The bottom half is off, so until
/// the program ends no other packet uses this memory.
#[inline(always)]
pub fn of<M: Memory>(skb: Ptr) -> Option<*mut Segment> {
    let segment = SEGMENT.get_ptr_mut(0)?;
    let head: u64 = M::load(skb, OFF_SKB_HEAD.load());
    let network = head + u64::from(M::load::<u16>(skb, OFF_SKB_NETWORK.load()));
    let transport = head + u64::from(M::load::<u16>(skb, OFF_SKB_TRANSPORT.load()));
    // SAFETY: this CPU's live map value.
    unsafe {
        (*segment).net = net::<M>(skb)?;
        (*segment).device = M::load(skb, OFF_SKB_IIF.load());
        (*segment).ipv6 = u32::from(M::load::<u16>(skb, OFF_SKB_PROTOCOL.load()) != IPV4);
        addresses(network, (*segment).ipv6, &raw mut (*segment).remote, &raw mut (*segment).local);
        let own = if (*segment).ipv6 == 1 { Peer::Ipv6(skb) } else { Peer::Ipv4(skb) };
        (*segment).not_unicast = u32::from(not_unicast::<M>(own));
        let [source, destination] = ports(transport);
        (*segment).remote_port = u32::from(source);
        (*segment).local_port = u32::from(destination);
    }
    Some(segment)
}

/// Takes the segment apart that an ICMP error is about: a SYN+ACK that this host
/// sent, so its source is here and its destination is the client. `skb->data`
/// points at its IP header (icmp_unreach(), icmpv6_notify()).
#[inline(always)]
pub fn of_error<M: Memory>(skb: Ptr, net: u64) -> Option<*mut Segment> {
    let segment = SEGMENT.get_ptr_mut(0)?;
    let network: u64 = M::load(skb, OFF_SKB_DATA.load());
    // SAFETY: this CPU's live map value.
    unsafe {
        (*segment).net = net;
        (*segment).device = M::load(skb, OFF_SKB_IIF.load());
        (*segment).ipv6 = u32::from(M::load::<u16>(skb, OFF_SKB_PROTOCOL.load()) != IPV4);
        addresses(network, (*segment).ipv6, &raw mut (*segment).local, &raw mut (*segment).remote);
        let [source, destination] = ports(network + header(network, (*segment).ipv6));
        (*segment).local_port = u32::from(source);
        (*segment).remote_port = u32::from(destination);
    }
    Some(segment)
}

/// The namespace of a packet that was routed to this host.
#[inline(always)]
pub fn net<M: Memory>(skb: Ptr) -> Option<u64> {
    let dst = M::load::<u64>(skb, OFF_SKB_REFDST.load()) & !NOREF;
    if dst == 0 {
        return None;
    }
    let device: u64 = Probed::load(dst as Ptr, OFF_DST_DEV.load());
    let net: u64 = Probed::load(device as Ptr, OFF_DEV_NET.load());
    if net == 0 { None } else { Some(net) }
}

/// Length of the IP header of a SYN+ACK of this host. One of IPv6 has no extension
/// headers unless the application asked for some.
#[inline(always)]
fn header(network: u64, ipv6: u32) -> u64 {
    if ipv6 == 1 {
        return 40;
    }
    let mut first = 0u8;
    copy(&raw mut first, network);
    u64::from(first & 0xf) * 4
}

/// Source and destination address; that of IPv4 is put into the first word.
///
/// # Safety
/// `source` and `destination` must be memory for an address.
#[inline(always)]
unsafe fn addresses(network: u64, ipv6: u32, source: *mut [u32; 4], destination: *mut [u32; 4]) {
    if ipv6 == 1 {
        copy(source, network + 8);
        copy(destination, network + 24);
    } else {
        // SAFETY: the caller's promise.
        unsafe {
            source.write([0; 4]);
            destination.write([0; 4]);
        }
        copy(source.cast::<u32>(), network + 12);
        copy(destination.cast::<u32>(), network + 16);
    }
}

/// Source and destination port, host order.
#[inline(always)]
fn ports(transport: u64) -> [u16; 2] {
    let mut ports = [0u16; 2];
    copy(&raw mut ports, transport);
    [u16::from_be(ports[0]), u16::from_be(ports[1])]
}
