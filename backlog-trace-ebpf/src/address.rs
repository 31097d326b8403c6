//! The addresses of the two ends of a socket or of a half-open request.

use backlog_trace_common::family;

use crate::globals::{
    OFF_SKC_DADDR, OFF_SKC_DPORT, OFF_SKC_FAMILY, OFF_SKC_RCV_SADDR, OFF_SKC_V6_DADDR, OFF_SKC_V6_RCV_SADDR,
};
use crate::read::{Memory, Ptr};
use crate::uapi::INET6;

/// The client's end.
#[derive(Clone, Copy)]
pub struct Client {
    /// Whether the address is one of IPv6.
    pub ipv6: bool,
    /// The client's address: IPv4 in the first word, network order.
    pub address: [u32; 4],
    /// The client's port, host order.
    pub port: u16,
}

impl Client {
    /// The remote end of a connection or of a half-open request. Those of a
    /// dual-stack listener are of IPv6 even where the client came by IPv4: then
    /// the address is a mapped one (::ffff:10.0.0.7), and the client's is 10.0.0.7.
    #[inline(always)]
    pub fn of<M: Memory>(sk: Ptr) -> Self {
        let port = u16::from_be(M::load(sk, OFF_SKC_DPORT.load()));
        if M::load::<u16>(sk, OFF_SKC_FAMILY.load()) == INET6 {
            let address: [u32; 4] = M::load(sk, OFF_SKC_V6_DADDR.load());
            if address[0] | address[1] | (address[2] ^ 0xffff_u32.to_be()) != 0 {
                return Self { ipv6: true, address, port };
            }
        }
        Self { ipv6: false, address: [M::load(sk, OFF_SKC_DADDR.load()), 0, 0, 0], port }
    }

    /// Address family of the client.
    #[inline(always)]
    pub const fn family(&self) -> u8 {
        if self.ipv6 { family::INET6 } else { family::INET }
    }
}

/// The local address of a socket of this family: IPv4 in the first four bytes, network
/// order.
#[inline(always)]
pub fn local<M: Memory>(sk: Ptr, family: u16) -> [u64; 2] {
    if family == INET6 {
        let at = OFF_SKC_V6_RCV_SADDR.load();
        [M::load(sk, at), M::load(sk, at + 8)]
    } else {
        [u64::from(M::load::<u32>(sk, OFF_SKC_RCV_SADDR.load())), 0]
    }
}
