//! What the frames hold: sessions and listeners as JSON, details as they are.
//!
//! JSON ignores fields it does not know, so a newer minor version can add
//! some. Pure functions; snapshots are `snapshot`'s business.

use backlog_trace_common::detail::Detail;
use backlog_trace_common::reason::TABLE;
use serde::{Deserialize, Serialize};
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::format::MAX_PAYLOAD;
use super::limits::MOST_OWNERS;
use crate::event::{Occurrence, Session};
use crate::listener::Listener;

/// Most details of one frame: 256 KiB, some milliseconds of a flood.
pub(super) const BATCH: usize = 4096;

/// Bytes of a record.
const RECORD: u16 = 64;

const _: () = assert!(size_of::<Detail>() == RECORD as usize);
const _: () = assert!(size_of::<DetailsHeader>() + BATCH * size_of::<Detail>() <= MAX_PAYLOAD as usize);

/// What was written before the end frame, so that a reader can tell how much
/// of it is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct End {
    /// Details, not frames of details.
    pub(super) details: u64,
    /// Snapshots, not parts of them.
    pub(super) snapshots: u64,
}

/// First bytes of a payload of details.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DetailsHeader {
    /// Bytes of each record that follows: a newer version adds to its end.
    pub record: U16,
    /// Written as 0, ignored when read.
    pub reserved: [u8; 6],
}

/// Details as a payload.
pub(super) fn details_as_bytes(details: &[Occurrence]) -> Vec<u8> {
    let header = DetailsHeader { record: U16::new(RECORD), reserved: [0; 6] };
    let mut payload = Vec::with_capacity(size_of::<DetailsHeader>() + size_of_val(details));
    payload.extend_from_slice(header.as_bytes());
    for detail in details {
        payload.extend_from_slice(detail.record().as_bytes());
    }
    payload
}

/// The details in a payload; `None` where it does not consist of whole ones.
fn records(payload: &[u8]) -> Option<Vec<Detail>> {
    let (header, payload) = DetailsHeader::read_from_prefix(payload).ok()?;
    let length = usize::from(header.record.get());
    if header.record.get() < RECORD || payload.len() % length != 0 {
        return None;
    }
    let begin = |record: &[u8]| Detail::read_from_prefix(record).ok().map(|(detail, _)| detail);
    payload.chunks_exact(length).map(begin).collect()
}

/// What the details of a payload tell, and how many of them only a newer
/// version can read; `None` where it does not consist of whole ones.
pub(super) fn details_from_bytes(payload: &[u8]) -> Option<(Vec<Occurrence>, u64)> {
    let records = records(payload)?;
    let known: Vec<Occurrence> = records.iter().filter_map(Occurrence::of).collect();
    let newer = records.len() - known.len();
    Some((known, newer as u64))
}

/// What a session's frame holds.
#[derive(Serialize)]
struct SessionFrame<'a> {
    #[serde(flatten)]
    session: &'a Session,
    /// Names of reasons by the numbers that records have for them, for whoever
    /// reads them without this tool.
    reasons: Vec<&'static str>,
}

/// The JSON of a session.
pub(super) fn session_json(session: &Session) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&SessionFrame { session, reasons: TABLE.iter().map(|row| row.name).collect() })
}

/// The JSON of a listener. Where a socket has more owners than a recording
/// holds, the first of them are kept.
pub(super) fn listener_json(listener: &Listener) -> serde_json::Result<Vec<u8>> {
    if listener.owners.len() <= MOST_OWNERS {
        return serde_json::to_vec(listener);
    }
    let owners = listener.owners.iter().take(MOST_OWNERS).cloned().collect();
    serde_json::to_vec(&Listener { owners, ..listener.clone() })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::listener::Owner;
    use crate::trace::format::{Codec, Kind};
    use crate::trace::limits::may_decode_to;

    #[test]
    fn a_detail_is_these_64_bytes() {
        let detail = Detail {
            time: 0x0807_0605_0403_0201,
            listener: 0x100f_0e0d_0c0b_0a09,
            peer: [0x11; 16],
            netns: 0x2423_2221,
            accept_queue: 0x2827_2625,
            syn_queue: 0x2c2b_2a29,
            limit: 0x302f_2e2d,
            peer_port: 0x3231,
            port: 0x3433,
            kind: 0x35,
            reason: 0x36,
            outcome: 0x37,
            cause: 0x38,
            attempt: 0x39,
            family: 0x3a,
            cpu: 0x3c3b,
            payload: 0x3e3d,
            more: 0x403f,
        };
        let mut bytes: Vec<u8> = (1..=0x40).collect();
        bytes[0x10..0x20].fill(0x11);
        let payload = |length: u16, bytes: &[u8]| [&length.to_le_bytes()[..], &[0; 6], bytes].concat();
        assert_eq!(records(&payload(64, &bytes)), Some(vec![detail]));
        // It is of no kind that this version knows.
        assert_eq!(details_from_bytes(&payload(64, &bytes)), Some((Vec::new(), 1)));
        assert_eq!(details_from_bytes(&payload(64, &[])), Some((Vec::new(), 0)));
        // A newer version tells more of each.
        let longer = [bytes.as_slice(), &[7; 8], &bytes, &[8; 8]].concat();
        assert_eq!(records(&payload(72, &longer)), Some(vec![detail; 2]));
        for broken in [payload(64, &bytes[1..]), payload(63, &bytes[1..]), payload(0, &bytes), vec![64, 0]] {
            assert_eq!(details_from_bytes(&broken), None);
        }
    }

    #[test]
    fn a_socket_held_by_very_many_still_fits_into_a_frame() {
        let owners = (0..400_000).map(|pid| Owner::new(pid, "\u{1}".repeat(15))).collect();
        let listener = Listener {
            id: 1,
            keys: vec![1],
            netns: 1,
            cookie: None,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 80,
            inode: 1,
            owners,
            cgroup: None,
            limit: Some(1),
            somaxconn: None,
            netns_name: None,
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        };
        let json = listener_json(&listener).unwrap();
        let json_length = u32::try_from(json.len()).unwrap();
        assert!(json_length <= may_decode_to(Some(Kind::Listener), Codec::Raw, json_length));
        let read: Listener = serde_json::from_slice(&json).unwrap();
        assert_eq!(read.owners, listener.owners[..MOST_OWNERS]);
    }

    #[test]
    fn fields_of_a_newer_version_are_ignored() {
        let end: End = serde_json::from_str(r#"{"details":3,"new":{"a":[1]}}"#).unwrap();
        assert_eq!(end, End { details: 3, snapshots: 0 });
    }
}
