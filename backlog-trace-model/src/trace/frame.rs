//! Payload to frame and back: compression and checksums.
//!
//! Pure functions over bytes; what a payload means is `payload`'s business.

use bytes::{BufMut, Bytes, BytesMut};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::format::{Codec, FRAME_HEADER, FRAME_MAGIC, FrameHeader, Kind, MAX_PAYLOAD, RecordingId};
use super::limits::may_decode_to;

/// Below this many bytes a payload is stored raw: a compressed one would save
/// less than the header costs.
const WORTH_COMPRESSING: usize = 128;

/// A payload larger than a frame of its kind may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooLarge;

/// Why a frame that is whole has no payload for this reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Undecodable {
    /// Codec of a newer minor version.
    UnknownCodec,
    /// The bytes are not what the codec produces, or not as many as announced.
    Corrupt,
}

/// Puts one whole frame into `out`, replacing what it held. LZ4 is taken where
/// it makes the payload smaller, and not smaller than readers believe.
pub(super) fn encode(
    kind: Kind,
    (recording, sequence): (RecordingId, u64),
    payload: &[u8],
    out: &mut BytesMut,
) -> Result<(), TooLarge> {
    let decoded = bounded(payload.len())?;
    let believable = |stored: usize| {
        u32::try_from(stored).is_ok_and(|stored| decoded <= may_decode_to(Some(kind), Codec::Lz4, stored))
    };
    let compressed = (payload.len() >= WORTH_COMPRESSING)
        .then(|| lz4_flex::block::compress(payload))
        .filter(|compressed| compressed.len() < payload.len() && believable(compressed.len()));
    let (codec, stored) = match &compressed {
        Some(compressed) => (Codec::Lz4, compressed.as_slice()),
        None => (Codec::Raw, payload),
    };
    let header = FrameHeader {
        magic: FRAME_MAGIC,
        kind: kind as u8,
        codec: codec as u8,
        reserved: [0; 2],
        recording: U64::new(recording.0),
        sequence: U64::new(sequence),
        length: U32::new(bounded(stored.len())?),
        decoded: U32::new(decoded),
        payload_crc: U32::new(crc32fast::hash(stored)),
        header_crc: U32::ZERO,
    };
    if decoded > may_decode_to(Some(kind), codec, header.length.get()) {
        return Err(TooLarge);
    }
    out.clear();
    out.reserve(FRAME_HEADER + stored.len());
    out.put_slice(header.sealed().as_bytes());
    out.put_slice(stored);
    Ok(())
}

fn bounded(length: usize) -> Result<u32, TooLarge> {
    u32::try_from(length).ok().filter(|length| *length <= MAX_PAYLOAD).ok_or(TooLarge)
}

/// Whether the stored payload is the one the header was written for.
pub(super) fn is_intact(header: &FrameHeader, stored: &[u8]) -> bool {
    header.payload_crc.get() == crc32fast::hash(stored)
}

/// The payload of a frame whose checksums are right. What the header announces
/// is believed, and allocated, only as far as it can be true.
pub(super) fn decode(header: &FrameHeader, stored: Bytes) -> Result<Bytes, Undecodable> {
    let announced = header.decoded.get() as usize;
    let codec = Codec::from_number(header.codec).ok_or(Undecodable::UnknownCodec)?;
    if header.decoded.get() > may_decode_to(Kind::from_number(header.kind), codec, header.length.get()) {
        return Err(Undecodable::Corrupt);
    }
    match codec {
        Codec::Raw if stored.len() == announced => Ok(stored),
        Codec::Raw => Err(Undecodable::Corrupt),
        Codec::Lz4 => {
            let mut payload = vec![0; announced];
            match lz4_flex::block::decompress_into(&stored, &mut payload) {
                Ok(length) if length == announced => Ok(payload.into()),
                _ => Err(Undecodable::Corrupt),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(payload: &[u8], codec: Codec) {
        let mut out = BytesMut::from(&b"left over"[..]);
        encode(Kind::Details, (RecordingId(8), 3), payload, &mut out).unwrap();
        let header = FrameHeader::parse(&out).unwrap();
        let stored = out.freeze().slice(FRAME_HEADER..);
        assert_eq!((header.kind, header.recording.get(), header.sequence.get()), (4, 8, 3));
        assert_eq!(header.codec, codec as u8);
        assert_eq!(header.length.get() as usize, stored.len());
        assert!(is_intact(&header, &stored));
        assert_eq!(decode(&header, stored).unwrap(), payload);
    }

    #[test]
    fn small_and_incompressible_payloads_are_raw() {
        check(b"", Codec::Raw);
        check(&[0; WORTH_COMPRESSING - 1], Codec::Raw);
        check(&[0; WORTH_COMPRESSING], Codec::Lz4);
        // A linear congruential generator's high bytes repeat nothing LZ4 finds.
        let mut state = 1u32;
        let noise: Vec<u8> = (0..4096)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_le_bytes()[3]
            })
            .collect();
        check(&noise, Codec::Raw);
    }

    #[test]
    fn a_payload_over_the_bound_is_no_frame() {
        let mut out = BytesMut::new();
        for (kind, most) in
            [(Kind::Snapshot, MAX_PAYLOAD), (Kind::Session, 64 << 10), (Kind::Listener, 1 << 20)]
        {
            let mut encoded =
                |length: u32| encode(kind, (RecordingId(0), 0), &vec![0; length as usize], &mut out);
            assert_eq!((encoded(most), encoded(most + 1)), (Ok(()), Err(TooLarge)), "{kind:?}");
        }
    }

    /// What compresses better than readers believe of its kind is stored as it is.
    #[test]
    fn whatever_is_written_is_read() {
        for length in [100, 8_000, 8_193, 10_000, 100_000, 262_144] {
            check_kind(Kind::Details, length, if length > 8_192 { Codec::Raw } else { Codec::Lz4 });
            check_kind(Kind::Snapshot, length, Codec::Lz4);
        }
    }

    #[track_caller]
    fn check_kind(kind: Kind, length: usize, codec: Codec) {
        let codec = if length < WORTH_COMPRESSING { Codec::Raw } else { codec };
        let mut out = BytesMut::new();
        encode(kind, (RecordingId(0), 0), &vec![0; length], &mut out).unwrap();
        let header = FrameHeader::parse(&out).unwrap();
        assert_eq!(header.codec, codec as u8, "{kind:?} {length}");
        assert_eq!(decode(&header, out.freeze().slice(FRAME_HEADER..)).unwrap().len(), length);
    }

    /// LZ4 makes at most 255 bytes of one: what announces more is refused before
    /// anything is allocated for it.
    #[test]
    fn a_length_that_no_compression_gives_is_refused_by_its_header() {
        for (stored, announced) in [(1, 16 << 20), (1, 8_192), (65_000, MAX_PAYLOAD)] {
            assert!(
                u64::from(announced) > u64::from(may_decode_to(Some(Kind::Snapshot), Codec::Lz4, stored))
            );
        }
        assert!(may_decode_to(Some(Kind::Snapshot), Codec::Lz4, 65_800) == MAX_PAYLOAD);
    }

    #[test]
    fn an_announced_length_that_is_wrong_is_corrupt() {
        let mut out = BytesMut::new();
        encode(Kind::End, (RecordingId(0), 0), &[0; 300], &mut out).unwrap();
        let mut header = FrameHeader::parse(&out).unwrap();
        let stored = out.freeze().slice(FRAME_HEADER..);
        for announced in [0, 1, 299, 301, MAX_PAYLOAD] {
            header.decoded = U32::new(announced);
            assert_eq!(decode(&header, stored.clone()), Err(Undecodable::Corrupt));
        }
        header.codec = 77;
        assert_eq!(decode(&header, stored), Err(Undecodable::UnknownCodec));
    }

    proptest! {
        #[test]
        fn whatever_lz4_is_given_it_answers(stored: Vec<u8>, decoded in 0..70_000u32) {
            let header = FrameHeader {
                magic: FRAME_MAGIC, kind: 4, codec: 1, reserved: [0; 2],
                recording: U64::ZERO, sequence: U64::ZERO,
                length: U32::ZERO, decoded: U32::new(decoded), payload_crc: U32::ZERO, header_crc: U32::ZERO,
            };
            if let Ok(payload) = decode(&header, stored.into()) {
                prop_assert_eq!(payload.len(), decoded as usize);
            }
        }
    }
}
