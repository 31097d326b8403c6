//! A client played packet by packet: it does what it is told and nothing else.
//!
//! It never answers, retries or closes by itself, so every packet that a
//! listener sees is one that the scenario counted.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::patience::PATIENCE;
use crate::segment::Segment;
use crate::tun::Tun;

/// A connection attempt from the client's side.
pub(crate) struct Client {
    tun: Rc<Tun>,
    from: SocketAddr,
    to: SocketAddr,
    /// The next sequence number to send.
    next: u32,
    /// The next sequence number expected from the server, once it answered.
    expected: u32,
    /// The time stamp that its segments carry, where it uses the option.
    stamp: Option<u32>,
}

impl Client {
    pub(crate) fn new(tun: Rc<Tun>, from: SocketAddr, to: SocketAddr) -> Self {
        // Any start will do; far from zero so that a mix-up shows.
        Self { tun, from, to, next: 0x1000_0000, expected: 0, stamp: None }
    }

    /// Where it connects from.
    pub(crate) fn address(&self) -> SocketAddr {
        self.from
    }

    /// The same client with this time stamp from now on.
    pub(crate) fn stamped(&mut self, value: u32) -> &mut Self {
        self.stamp = Some(value);
        self
    }

    /// Sends a SYN that carries data already (TCP Fast Open).
    pub(crate) fn syn_with(&mut self, payload: &[u8]) -> Result<()> {
        let segment = self.segment(self.next);
        self.tun.send(&Segment { syn: true, ack: None, payload: payload.to_vec(), ..segment })
    }

    /// Sends a RST, as a kernel does that knows nothing of the connection.
    pub(crate) fn reset(&mut self) -> Result<()> {
        let segment = self.segment(self.next.wrapping_add(1));
        self.tun.send(&Segment { rst: true, ack: None, ..segment })
    }

    /// Sends the SYN; again when called again.
    pub(crate) fn syn(&mut self) -> Result<()> {
        let seq = self.next;
        self.tun.send(&Segment { syn: true, ack: None, ..self.segment(seq) })
    }

    /// Waits for the SYN+ACK and remembers it, without answering.
    pub(crate) fn hear_synack(&mut self) -> Result<()> {
        if self.heard_synack(PATIENCE)? {
            return Ok(());
        }
        Err(Failure::unexpected(
            format!("the SYN of {} to {} got no SYN+ACK", self.from, self.to),
            format_args!("waited {} s", PATIENCE.as_secs()),
        ))
    }

    /// Whether a SYN+ACK comes within `patience`; remembers it.
    pub(crate) fn heard_synack(&mut self, patience: Duration) -> Result<bool> {
        let (from, to) = (self.to, self.from);
        let heard = self
            .tun
            .hear(patience, |s| s.from == from && s.to == to && s.syn && s.ack.is_some() && !s.rst)?;
        if let Some(segment) = &heard {
            self.expected = segment.seq.wrapping_add(1);
            // More than the SYN is acknowledged where the data in it was taken.
            self.next = segment.ack.map_or(self.next, |ack| ack.wrapping_sub(1));
        }
        Ok(heard.is_some())
    }

    /// Sends the final ACK; again when called again.
    pub(crate) fn ack(&mut self) -> Result<()> {
        let seq = self.next.wrapping_add(1);
        self.tun.send(&self.segment(seq))
    }

    /// Sends data, as a client does that believes it is connected.
    pub(crate) fn data(&mut self, payload: &[u8]) -> Result<()> {
        let seq = self.next.wrapping_add(1);
        self.tun.send(&Segment { payload: payload.to_vec(), ..self.segment(seq) })
    }

    /// Sends a final ACK that acknowledges what the server never sent, and not
    /// by a little: the number next to a cookie is one of another segment size.
    pub(crate) fn ack_wrongly(&mut self) -> Result<()> {
        let segment = self.segment(self.next.wrapping_add(1));
        self.tun.send(&Segment { ack: Some(self.expected.wrapping_add(1000)), ..segment })
    }

    /// Has the network report that its SYN+ACK could not be delivered.
    pub(crate) fn unreachable(&self) -> Result<()> {
        self.tun.send_unreachable(&self.synack(self.expected.wrapping_sub(1)))
    }

    /// The same of a SYN+ACK that quotes a sequence number the server never sent.
    pub(crate) fn unreachable_by_stray(&self) -> Result<()> {
        self.tun.send_unreachable(&self.synack(self.expected.wrapping_add(1)))
    }

    /// SYN, SYN+ACK, final ACK. Whether the kernel took the ACK is another question.
    pub(crate) fn handshake(&mut self) -> Result<()> {
        self.syn()?;
        self.hear_synack()?;
        self.ack()
    }

    /// Waits for a RST.
    pub(crate) fn hear_reset(&mut self) -> Result<()> {
        let (from, to) = (self.to, self.from);
        match self.tun.hear(PATIENCE, |s| s.from == from && s.to == to && s.rst)? {
            Some(_) => Ok(()),
            None => Err(Failure::unexpected(
                format!("{} was not reset by {}", self.from, self.to),
                format_args!("waited {} s", PATIENCE.as_secs()),
            )),
        }
    }

    /// The server's SYN+ACK with this sequence number.
    fn synack(&self, seq: u32) -> Segment {
        let ack = Some(self.next.wrapping_add(1));
        Segment { from: self.to, to: self.from, syn: true, ack, ..self.segment(seq) }
    }

    fn segment(&self, seq: u32) -> Segment {
        Segment {
            from: self.from,
            to: self.to,
            seq,
            ack: Some(self.expected),
            syn: false,
            rst: false,
            stamp: self.stamp,
            payload: Vec::new(),
        }
    }
}
