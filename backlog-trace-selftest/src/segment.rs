//! One TCP segment as bytes and back: what a played client sends and hears.
//!
//! Knows no device and no connection; refuses everything that is not TCP.

use std::net::{IpAddr, SocketAddr};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpOptionElement, TransportSlice};

/// Maximum segment size that a played client offers: any value the kernel accepts will do.
const OFFERED_MSS: u16 = 1400;
/// Window that a played client offers, in bytes.
const OFFERED_WINDOW: u16 = 32_768;

/// A TCP segment between two addresses of one family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) seq: u32,
    /// Acknowledgement number; `None` without the ACK flag.
    pub(crate) ack: Option<u32>,
    pub(crate) syn: bool,
    pub(crate) rst: bool,
    /// Value of the time stamp option; `None` without the option.
    pub(crate) stamp: Option<u32>,
    pub(crate) payload: Vec<u8>,
}

impl Segment {
    /// The IP packet that carries it, or why none can.
    pub(crate) fn to_packet(&self) -> Result<Vec<u8>, String> {
        let ip = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
            _ => return Err(format!("{} and {} are of two address families", self.from, self.to)),
        };
        let mut tcp = ip.tcp(self.from.port(), self.to.port(), self.seq, OFFERED_WINDOW);
        if let Some(ack) = self.ack {
            tcp = tcp.ack(ack);
        }
        if self.rst {
            tcp = tcp.rst();
        }
        if self.syn {
            tcp = tcp.syn();
        }
        let mss = self.syn.then_some(TcpOptionElement::MaximumSegmentSize(OFFERED_MSS));
        let stamp = self.stamp.map(|value| TcpOptionElement::Timestamp(value, 0));
        let options: Vec<TcpOptionElement> = mss.into_iter().chain(stamp).collect();
        tcp = tcp.options(&options).map_err(|why| format!("no room for the TCP options: {why:?}"))?;
        let mut packet = Vec::with_capacity(tcp.size(self.payload.len()));
        tcp.write(&mut packet, &self.payload).map_err(|why| format!("no packet could be made: {why}"))?;
        Ok(packet)
    }

    /// The segment in an IP packet; `None` where it carries no TCP.
    pub(crate) fn from_packet(packet: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ip(packet).ok()?;
        let TransportSlice::Tcp(tcp) = sliced.transport? else { return None };
        let (from, to): (IpAddr, IpAddr) = match sliced.net? {
            NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            NetSlice::Arp(_) => return None,
        };
        Some(Self {
            from: (from, tcp.source_port()).into(),
            to: (to, tcp.destination_port()).into(),
            seq: tcp.sequence_number(),
            ack: tcp.ack().then(|| tcp.acknowledgment_number()),
            syn: tcp.syn(),
            rst: tcp.rst(),
            stamp: tcp.options_iterator().find_map(|option| match option {
                Ok(TcpOptionElement::Timestamp(value, _)) => Some(value),
                _ => None,
            }),
            payload: tcp.payload().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
        prop_oneof![
            (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<u16>(), any::<u16>())
                .prop_map(|(from, to, a, b)| ((from, a).into(), (to, b).into())),
            (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u16>(), any::<u16>())
                .prop_map(|(from, to, a, b)| ((from, a).into(), (to, b).into())),
        ]
    }

    proptest! {
        #[test]
        fn a_segment_comes_back_from_its_packet(
            (from, to) in address(),
            seq: u32,
            ack: Option<u32>,
            syn: bool,
            rst: bool,
            stamp: Option<u32>,
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let segment = Segment { from, to, seq, ack, syn, rst, stamp, payload };
            let packet = segment.to_packet().unwrap();
            prop_assert_eq!(Segment::from_packet(&packet), Some(segment));
        }

        #[test]
        fn any_bytes_are_a_segment_or_none(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Segment::from_packet(&bytes);
        }
    }

    #[test]
    fn two_families_make_no_packet() {
        let segment = Segment {
            from: "198.18.0.2:1000".parse().unwrap(),
            to: "[fd15::1]:80".parse().unwrap(),
            seq: 0,
            ack: None,
            syn: true,
            rst: false,
            stamp: None,
            payload: Vec::new(),
        };
        assert!(segment.to_packet().is_err());
    }
}
