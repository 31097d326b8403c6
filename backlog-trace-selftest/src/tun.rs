//! The wire between the played clients and the kernel: a TUN device.
//!
//! A packet written here has been through the kernel's receive path when the
//! write returns (tun_get_user() calls netif_receive_skb() itself), but
//! nothing in the scenarios leans on that: they wait for what they expect.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::{Failure, Result};
use crate::icmp;
use crate::interface;
use crate::segment::Segment;

/// Largest packet that is read; more than the device's MTU of 1500.
const PACKET_BYTES: usize = 2048;

/// Segments that are kept for a client that has not asked for them yet.
const KEPT_SEGMENTS: usize = 4096;

/// A TUN device and the segments that came out of it and nobody has taken yet.
pub(crate) struct Tun {
    wire: Wire,
    heard: RefCell<VecDeque<Segment>>,
}

/// The device alone, for threads of their own to send and to listen.
pub(crate) struct Wire(File);

impl Wire {
    /// Puts a segment on the wire.
    pub(crate) fn send(&self, segment: &Segment) -> Result<()> {
        self.send_when(segment, || true)
    }

    /// The same at the moment that `wait` returns, if it says so: the packet is
    /// made before.
    pub(crate) fn send_when(&self, segment: &Segment, wait: impl FnOnce() -> bool) -> Result<()> {
        let packet = segment.to_packet();
        if wait() { self.put(packet) } else { Ok(()) }
    }

    /// Reports on the wire that a segment of the kernel's could not be delivered.
    pub(crate) fn send_unreachable(&self, lost: &Segment) -> Result<()> {
        self.put(icmp::unreachable(lost))
    }

    fn put(&self, packet: std::result::Result<Vec<u8>, String>) -> Result<()> {
        let packet = packet.map_err(|why| Failure::unexpected("a client cannot send", why))?;
        (&self.0)
            .write_all(&packet)
            .map_err(|why| Failure::unexpected("a client's packet was not taken by the TUN device", why))
    }

    /// Waits until something can be read, or as long as `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> Result<()> {
        let timeout = Timespec::try_from(patience).ok();
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref())
            .map(|_| ())
            .map_err(|why| Failure::unexpected("waiting for a packet of the kernel failed", why))
    }

    /// Takes every segment that the kernel has sent by now.
    pub(crate) fn drain(&self, mut take: impl FnMut(Segment)) -> Result<()> {
        let mut packet = [0; PACKET_BYTES];
        loop {
            match (&self.0).read(&mut packet) {
                Ok(length) => {
                    if let Some(segment) = packet.get(..length).and_then(Segment::from_packet) {
                        take(segment);
                    }
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(Failure::unexpected("the TUN device cannot be read", why)),
            }
        }
    }
}

impl Tun {
    /// Makes the device in this thread's namespace.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { wire: Wire(interface::open_tun()?), heard: RefCell::default() })
    }

    /// The device for another thread.
    pub(crate) fn wire(&self) -> Result<Wire> {
        let file = self.wire.0.try_clone();
        file.map(Wire).map_err(|why| Failure::unexpected("the TUN device cannot be shared", why))
    }

    /// Puts a segment on the wire.
    pub(crate) fn send(&self, segment: &Segment) -> Result<()> {
        self.wire.send(segment)
    }

    /// Reports on the wire that a segment of the kernel's could not be delivered.
    pub(crate) fn send_unreachable(&self, lost: &Segment) -> Result<()> {
        self.wire.send_unreachable(lost)
    }

    /// The next segment from the kernel that `wanted` picks, waiting for it as
    /// long as `patience`; `None` where none came. Others are kept.
    pub(crate) fn hear(
        &self,
        patience: Duration,
        wanted: impl Fn(&Segment) -> bool,
    ) -> Result<Option<Segment>> {
        let deadline = Instant::now() + patience;
        loop {
            self.drain()?;
            let mut heard = self.heard.borrow_mut();
            if let Some(at) = heard.iter().position(&wanted) {
                return Ok(heard.remove(at));
            }
            drop(heard);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wire.wait(left)?;
        }
    }

    fn drain(&self) -> Result<()> {
        let mut heard = self.heard.borrow_mut();
        self.wire.drain(|segment| {
            if heard.len() == KEPT_SEGMENTS {
                heard.pop_front();
            }
            heard.push_back(segment);
        })
    }
}
