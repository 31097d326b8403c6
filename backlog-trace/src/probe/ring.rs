//! The details plane's ring buffer, read by a steady poll.
//!
//! The kernel side never wakes user space: a wake-up per record would be the
//! dearest part of a record for the traced host.

use std::time::Duration;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use backlog_trace_common::detail::Detail;
use backlog_trace_model::event::Occurrence;
use backlog_trace_model::failure::{Exit, Failure, Result};
use zerocopy::FromBytes;

use super::refusal;

/// How long a detail waits in the ring at most: what `live` lags behind. The
/// ring of 8 MiB holds what 5 million records a second leave in this time.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// Most details taken in one go, so that a flood cannot keep the reader from
/// its other work.
const BATCH: usize = 65_536;

/// The reading end.
pub(super) struct Details {
    ring: RingBuf<MapData>,
}

impl Details {
    /// Takes the ring out of the loaded object.
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self> {
        let map = ebpf
            .take_map("DETAILS")
            .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no map DETAILS"))?;
        let ring = RingBuf::try_from(map).map_err(|error| {
            refusal::shortage("the ring buffer of details", &error)
                .unwrap_or_else(|| Failure::internal("the details ring buffer", error))
        })?;
        Ok(Self { ring })
    }

    /// Takes what is there. Records that are not of the agreed size or kind (which
    /// would be a bug) are left out.
    pub(super) fn drain(&mut self) -> Vec<Occurrence> {
        let mut details = Vec::new();
        while details.len() < BATCH {
            let Some(item) = self.ring.next() else { break };
            let record = Detail::read_from_bytes(&item).ok();
            details.extend(record.as_ref().and_then(Occurrence::of));
        }
        details
    }
}
