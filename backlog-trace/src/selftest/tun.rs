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

use super::icmp;
use super::interface;
use super::segment::Segment;
use crate::failure::{Failure, Result};

/// Largest packet that is read; more than the device's MTU of 1500.
const PACKET_BYTES: usize = 2048;

/// Segments that are kept for a client that has not asked for them yet.
const KEPT_SEGMENTS: usize = 4096;

/// A TUN device and the segments that came out of it and nobody has taken yet.
pub(super) struct Tun {
    file: File,
    heard: RefCell<VecDeque<Segment>>,
}

impl Tun {
    /// Makes the device in this thread's namespace.
    pub(super) fn open() -> Result<Self> {
        Ok(Self { file: interface::open_tun()?, heard: RefCell::default() })
    }

    /// Puts a segment on the wire.
    pub(super) fn send(&self, segment: &Segment) -> Result<()> {
        self.put(segment.to_packet())
    }

    /// Reports on the wire that a segment of the kernel's could not be delivered.
    pub(super) fn send_unreachable(&self, lost: &Segment) -> Result<()> {
        self.put(icmp::unreachable(lost))
    }

    fn put(&self, packet: std::result::Result<Vec<u8>, String>) -> Result<()> {
        let packet = packet.map_err(|why| Failure::internal("a client cannot send", why))?;
        (&self.file)
            .write_all(&packet)
            .map_err(|why| Failure::internal("a client's packet was not taken by the TUN device", why))
    }

    /// The next segment from the kernel that `wanted` picks, waiting for it as
    /// long as `patience`; `None` where none came. Others are kept.
    pub(super) fn hear(
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
            let timeout = Timespec::try_from(left).ok();
            poll(&mut [PollFd::new(&self.file, PollFlags::IN)], timeout.as_ref())
                .map_err(|why| Failure::internal("waiting for a packet of the kernel failed", why))?;
        }
    }

    fn drain(&self) -> Result<()> {
        let mut packet = [0; PACKET_BYTES];
        loop {
            match (&self.file).read(&mut packet) {
                Ok(length) => {
                    let Some(segment) = packet.get(..length).and_then(Segment::from_packet) else { continue };
                    let mut heard = self.heard.borrow_mut();
                    if heard.len() == KEPT_SEGMENTS {
                        heard.pop_front();
                    }
                    heard.push_back(segment);
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(Failure::internal("the TUN device cannot be read", why)),
            }
        }
    }
}
