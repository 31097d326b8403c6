//! The client of a connection, as a detail names it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use backlog_trace_common::detail::Detail;

/// A client's address and port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    /// Address; an IPv4 client of a dual-stack listener is an IPv4 address.
    pub address: IpAddr,
    /// Port, host order.
    pub port: u16,
}

impl Peer {
    /// The client a detail tells of; `None` where the kernel side did not know it.
    pub fn of(detail: &Detail) -> Option<Self> {
        let address = match detail.family {
            2 => {
                let [a, b, c, d, ..] = detail.peer;
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            10 => IpAddr::V6(Ipv6Addr::from(detail.peer)).to_canonical(),
            _ => return None,
        };
        Some(Self { address, port: detail.peer_port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(family: u8, peer: [u8; 16], expected: Option<&str>) {
        let detail =
            Detail { family, peer, peer_port: 40_112, ..crate::tally::attribution::tests::detail(0) };
        let expected =
            expected.map(|address| Peer { address: address.parse().expect("an address"), port: 40_112 });
        assert_eq!(Peer::of(&detail), expected);
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
