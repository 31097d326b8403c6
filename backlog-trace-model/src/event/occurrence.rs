//! What happened to one packet or one listener: a record of the details plane
//! with its numbers decoded. Nothing behind this module sees a raw kind,
//! reason, outcome or cause.

use backlog_trace_common::detail::{Cause, Detail, Kind, Outcome};
use backlog_trace_common::reason::Reason;

use super::Peer;

/// One occurrence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Occurrence {
    /// When (`CLOCK_MONOTONIC`, ns).
    pub time: u64,
    /// Key of the listener ([`backlog_trace_common::key::ListenerKey`]).
    pub listener: u64,
    /// Inode number of the listener's network namespace.
    pub netns: u32,
    /// Port of the listener.
    pub port: u16,
    /// The client, where it is known.
    pub peer: Option<Peer>,
    /// Length of the accept queue.
    pub accept_queue: u32,
    /// Length of the SYN queue.
    pub syn_queue: u32,
    /// Limit of both queues.
    pub limit: u32,
    /// The CPU that saw it.
    pub cpu: u16,
    /// What it was.
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A packet met a reason.
    Met(Met),
    /// A handshake finished on a listener that lost connections lately: a client
    /// that was refused may have got in by it.
    Established,
    /// listen() succeeded.
    Opened,
    /// The listener closed.
    Closed,
}

/// What a packet met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Met {
    /// The reason.
    pub reason: Reason,
    /// What the client was told.
    pub outcome: Outcome,
    /// Why a SYN+ACK was sent again, or a half-open request was given up.
    pub cause: Cause,
    /// Which try of a retransmit, from 1; 0 where it is none.
    pub attempt: u8,
    /// Bytes of data in a final ACK that was dropped: what the client sent
    /// because it believes that it is connected. At most 65,535 are told.
    pub payload: u16,
    /// How many more packets met the same: 0 unless losses were polled.
    pub more: u16,
}

impl Met {
    /// A reason of which nothing else is told.
    pub const fn only(reason: Reason) -> Self {
        Self { reason, outcome: Outcome::None, cause: Cause::None, attempt: 0, payload: 0, more: 0 }
    }

    /// How many packets these are.
    pub fn packets(self) -> u64 {
        1 + u64::from(self.more)
    }
}

impl Occurrence {
    /// Decodes a record; `None` where only a newer version knows its kind or its
    /// reason. An outcome or a cause that is not known is left out.
    pub fn of(record: &Detail) -> Option<Self> {
        let what = match Kind::from_number(record.kind)? {
            Kind::Reason => What::Met(Met {
                reason: Reason::from_number(record.reason)?,
                outcome: Outcome::from_number(record.outcome),
                cause: Cause::from_number(record.cause),
                attempt: record.attempt,
                payload: record.payload,
                more: record.more,
            }),
            Kind::Established => What::Established,
            Kind::Opened => What::Opened,
            Kind::Closed => What::Closed,
        };
        Some(Self {
            time: record.time,
            listener: record.listener,
            netns: record.netns,
            port: record.port,
            peer: Peer::from_record(record.family, record.peer, record.peer_port),
            accept_queue: record.accept_queue,
            syn_queue: record.syn_queue,
            limit: record.limit,
            cpu: record.cpu,
            what,
        })
    }

    /// The record that decodes to this.
    pub fn record(&self) -> Detail {
        let (family, peer, peer_port) = self.peer.map_or((0, [0; 16], 0), Peer::to_record);
        let kind = match self.what {
            What::Met(_) => Kind::Reason,
            What::Established => Kind::Established,
            What::Opened => Kind::Opened,
            What::Closed => Kind::Closed,
        };
        let met = self.met();
        Detail {
            time: self.time,
            listener: self.listener,
            peer,
            netns: self.netns,
            accept_queue: self.accept_queue,
            syn_queue: self.syn_queue,
            limit: self.limit,
            peer_port,
            port: self.port,
            kind: kind as u8,
            reason: met.map_or(0, |met| met.reason as u8),
            outcome: met.map_or(0, |met| met.outcome as u8),
            cause: met.map_or(0, |met| met.cause as u8),
            attempt: met.map_or(0, |met| met.attempt),
            family,
            cpu: self.cpu,
            payload: met.map_or(0, |met| met.payload),
            more: met.map_or(0, |met| met.more),
        }
    }

    /// What a packet met, if this tells of one.
    pub const fn met(&self) -> Option<Met> {
        match self.what {
            What::Met(met) => Some(met),
            What::Established | What::Opened | What::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zerocopy::{FromBytes, IntoBytes};

    use super::*;

    fn decoded(bytes: [u8; 64]) -> (Detail, Option<Occurrence>) {
        let record = Detail::read_from_bytes(&bytes).unwrap();
        (record, Occurrence::of(&record))
    }

    proptest! {
        /// Whatever the bytes are, there is an answer, and what is decoded is
        /// decoded to the same again.
        #[test]
        fn an_occurrence_comes_back_from_its_record(
            mut bytes in any::<[u8; 64]>(), kind in 0u8..6, family in prop::sample::select(vec![0u8, 2, 10, 77])
        ) {
            (bytes[52], bytes[57]) = (kind, family);
            let (record, occurrence) = decoded(bytes);
            let is_known = kind < 4 && (kind > 0 || Reason::from_number(record.reason).is_some());
            prop_assert_eq!(occurrence.is_some(), is_known);
            if let Some(occurrence) = occurrence {
                let again = decoded(occurrence.record().as_bytes().try_into().unwrap()).1;
                prop_assert_eq!(again, Some(occurrence));
                prop_assert_eq!((occurrence.time, occurrence.listener), (record.time, record.listener));
            }
        }
    }

    /// Every number of the agreement, by its name.
    #[test]
    fn numbers_are_what_the_kernel_side_means_by_them() {
        let record = |outcome: u8, cause: u8| {
            let (mut record, _) = decoded([0; 64]);
            (record.outcome, record.cause) = (outcome, cause);
            Occurrence::of(&record).unwrap().met().unwrap()
        };
        assert_eq!(record(0, 0), Met::only(Reason::SynAcceptQueueFull));
        assert_eq!((record(1, 0).outcome, record(2, 0).outcome), (Outcome::Silent, Outcome::Reset));
        assert_eq!((record(0, 1).cause, record(0, 2).cause), (Cause::ClientSilent, Cause::AckRefused));
        assert_eq!(record(0, 3).cause, Cause::DuplicateSyn);
        assert_eq!((record(9, 9).outcome, record(9, 9).cause), (Outcome::None, Cause::None));
    }
}
