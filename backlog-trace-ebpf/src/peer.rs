//! The client that a record names, and where it is read from: a packet, a
//! half-open request, or what has been read before.

use crate::address::Client;
use crate::globals::{OFF_SKB_DATA, OFF_SKB_HEAD, OFF_SKB_NETWORK, OFF_SKB_PROTOCOL};
use crate::read::{Memory, Ptr, copy};
use crate::uapi::IPV4;

/// Length of an IPv4 header without options, and of an IPv6 header.
const IPV4_BYTES: u64 = 20;
const IPV6_BYTES: u64 = 40;

/// Where the client's address comes from.
#[derive(Clone, Copy)]
pub enum Peer {
    /// The headers of an IPv4 packet of the client.
    Ipv4(Ptr),
    /// The headers of an IPv6 packet of the client.
    Ipv6(Ptr),
    /// The half-open request of the client.
    Request(Ptr),
    /// The client has been read from its packet or request already.
    Known(Client),
    /// No client is known.
    Nobody,
}

impl Peer {
    /// The headers of a packet of either family.
    #[inline(always)]
    pub fn packet<M: Memory>(skb: Ptr) -> Self {
        let protocol: u16 = M::load(skb, OFF_SKB_PROTOCOL.load());
        if protocol == IPV4 { Self::Ipv4(skb) } else { Self::Ipv6(skb) }
    }

    /// Reads the client.
    #[inline(always)]
    pub fn client<M: Memory>(self) -> Option<Client> {
        match self {
            Self::Ipv4(skb) => Some(from_ipv4::<M>(skb)),
            Self::Ipv6(skb) => Some(from_ipv6::<M>(skb)),
            Self::Request(req) => Some(Client::of::<M>(req)),
            Self::Known(client) => Some(client),
            Self::Nobody => None,
        }
    }
}

/// The source of an IPv4 packet. `skb->data` points at its TCP header
/// (tcp_v4_rcv() pulled what is before it), so one read of the 24 bytes around it
/// gives address and port, unless the IP header has options.
#[inline(always)]
fn from_ipv4<M: Memory>(skb: Ptr) -> Client {
    /// First byte of a header without options: version 4, five words.
    const WITHOUT_OPTIONS: u8 = 0x45;
    let data: u64 = M::load(skb, OFF_SKB_DATA.load());
    let mut header = [0u32; 6];
    copy(&raw mut header, data.wrapping_sub(IPV4_BYTES));
    if header[0] as u8 != WITHOUT_OPTIONS {
        let network = network_header::<M>(skb);
        copy((&raw mut header).cast::<[u32; 5]>(), network);
        copy((&raw mut header).cast::<u32>().wrapping_add(5), data);
    }
    Client { ipv6: false, address: [header[3], 0, 0, 0], port: u16::from_be(header[5] as u16) }
}

/// The source of an IPv6 packet. Extension headers may stand between its IP header
/// and its TCP header, so each is read for itself.
#[inline(always)]
fn from_ipv6<M: Memory>(skb: Ptr) -> Client {
    let data: u64 = M::load(skb, OFF_SKB_DATA.load());
    let network = network_header::<M>(skb);
    let mut source = [0u32; 4];
    copy(&raw mut source, network + IPV6_BYTES - 32);
    let mut port = 0u16;
    copy(&raw mut port, data);
    Client { ipv6: true, address: source, port: u16::from_be(port) }
}

#[inline(always)]
fn network_header<M: Memory>(skb: Ptr) -> u64 {
    let head: u64 = M::load(skb, OFF_SKB_HEAD.load());
    head + u64::from(M::load::<u16>(skb, OFF_SKB_NETWORK.load()))
}
