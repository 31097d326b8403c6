//! The client of a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use backlog_trace_common::family::{INET, INET6};

/// A client's address and port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    /// Address; an IPv4 client of a dual-stack listener is an IPv4 address.
    pub address: IpAddr,
    /// Port, host order.
    pub port: u16,
}

impl Peer {
    /// The client in a record: address family, address (IPv4 in the first four
    /// bytes) and port. `None` where the kernel side did not know it.
    pub(super) fn from_record(family: u8, address: [u8; 16], port: u16) -> Option<Self> {
        let address = match family {
            INET => {
                let [a, b, c, d, ..] = address;
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            INET6 => IpAddr::V6(Ipv6Addr::from(address)).to_canonical(),
            _ => return None,
        };
        Some(Self { address, port })
    }

    /// The same the other way round: family, address and port.
    pub(super) fn to_record(self) -> (u8, [u8; 16], u16) {
        match self.address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                (INET, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], self.port)
            }
            IpAddr::V6(address) => (INET6, address.octets(), self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(family: u8, record: [u8; 16], expected: Option<&str>) {
        let expected =
            expected.map(|address| Peer { address: address.parse().expect("an address"), port: 40_112 });
        let peer = Peer::from_record(family, record, 40_112);
        assert_eq!(peer, expected);
        let again = peer
            .map(Peer::to_record)
            .and_then(|(family, record, port)| Peer::from_record(family, record, port));
        assert_eq!(again, expected);
    }

    #[test]
    fn families() {
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7];
        check(2, [10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Some("10.0.0.7"));
        check(10, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Some("2001:db8::1"));
        check(10, mapped, Some("10.0.0.7"));
        check(0, mapped, None);
        check(77, mapped, None);
    }
}
