//! ICMP errors as bytes: what a played client's network says when it cannot
//! deliver a segment of the kernel's.
//!
//! Makes only the errors that end a half-open request; hears none.

use std::net::IpAddr;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder};

use crate::segment::Segment;

/// The IP packet by which the receiver of `lost` reports that it is
/// unreachable, or why none can be made.
///
/// The kernel removes a request for "host unreachable" by IPv4
/// (`tcp_v4_err()`); by IPv6 only for an error that `icmpv6_err_convert()`
/// calls fatal, of which "administratively prohibited" is one and "address
/// unreachable" is not.
pub(crate) fn unreachable(lost: &Segment) -> Result<Vec<u8>, String> {
    let quoted = lost.to_packet()?;
    let mut packet = Vec::new();
    let written = match (lost.to.ip(), lost.from.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            .icmpv4(Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host))
            .write(&mut packet, &quoted),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            .icmpv6(Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Prohibited))
            .write(&mut packet, &quoted),
        _ => return Err(format!("{} and {} are of two address families", lost.from, lost.to)),
    };
    written.map_err(|why| format!("no packet could be made: {why}"))?;
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synack(from: &str, to: &str) -> Segment {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        Segment {
            from,
            to,
            seq: 0xfeed_beef,
            ack: Some(1),
            syn: true,
            rst: false,
            stamp: None,
            payload: Vec::new(),
        }
    }

    /// Type and code at `at`, a checksum that holds, and the segment quoted behind.
    #[track_caller]
    fn check(lost: &Segment, at: usize, kind: [u8; 2], pseudo_header: u32) {
        let packet = unreachable(lost).unwrap();
        let icmp = &packet[at..];
        assert_eq!(icmp[..2], kind);
        assert_eq!(Segment::from_packet(&icmp[8..]).as_ref(), Some(lost));
        let words =
            icmp.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let sum = words.sum::<u32>() + pseudo_header;
        let folded = (sum & 0xffff) + (sum >> 16);
        assert_eq!((folded & 0xffff) + (folded >> 16), 0xffff);
    }

    #[test]
    fn the_segment_is_quoted_by_a_valid_error() {
        // RFC 792: type 3, code 1; its checksum covers the message alone.
        check(&synack("198.18.0.1:8080", "198.19.0.1:20001"), 20, [3, 1], 0);
        // RFC 4443: type 1, code 1; addresses, length and protocol (58) are summed too.
        let length = 8 + 40 + 24;
        let addresses = 0xfd15 + 1 + 0xfd15 + 1 + 1;
        check(&synack("[fd15::1]:8080", "[fd15::1:1]:20001"), 40, [1, 1], addresses + length + 58);
    }

    #[test]
    fn two_families_make_no_error() {
        assert!(unreachable(&synack("198.18.0.1:8080", "[fd15::2]:20001")).is_err());
    }
}
