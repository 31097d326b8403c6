//! The details plane's ring buffer, read by a steady poll and woken early
//! when it fills up.

use std::time::Duration;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use backlog_trace_common::detail::Detail;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zerocopy::FromBytes;

use crate::failure::{Exit, Failure, Result};

/// How long a detail waits in the ring at most. The kernel side wakes user
/// space only when the ring fills faster (a wake-up per record would be the
/// dearest part of a record), so this is what `live` lags behind.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// Most details taken in one go, so that a flood cannot keep the reader from
/// its other work.
const BATCH: usize = 65_536;

/// The reading end.
pub(super) struct Details {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl Details {
    /// Takes the ring out of the loaded object. Needs a tokio runtime.
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self> {
        let map = ebpf
            .take_map("DETAILS")
            .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no map DETAILS"))?;
        let ring =
            RingBuf::try_from(map).map_err(|error| Failure::internal("the details ring buffer", error))?;
        #[expect(unsafe_code, reason = "AsyncFd wants a promise about the file descriptor")]
        // SAFETY: the ring owns its map's descriptor and keeps it open and
        // unchanged for as long as it lives, which is as long as the AsyncFd.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        let ring = ring.map_err(|error| Failure::internal("the details ring buffer", error))?;
        Ok(Self { ring })
    }

    /// Waits until the ring asks to be emptied.
    pub(super) async fn filling(&mut self) {
        if let Ok(mut guard) = self.ring.readable_mut().await {
            // Edge-triggered: the caller empties the ring after this.
            guard.clear_ready();
        }
    }

    /// Takes what is there. Records that are not of the agreed size (which
    /// would be a bug) are left out.
    pub(super) fn drain(&mut self) -> Vec<Detail> {
        let ring = self.ring.get_mut();
        let mut details = Vec::new();
        while details.len() < BATCH {
            let Some(item) = ring.next() else { break };
            if let Ok(detail) = Detail::read_from_bytes(&item) {
                details.push(detail);
            }
        }
        details
    }
}
