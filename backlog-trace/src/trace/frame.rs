//! Payload to frame and back: compression and checksums.
//!
//! Pure functions over bytes; what a payload means is `payload`'s business.

use bytes::{BufMut, Bytes, BytesMut};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::format::{Codec, FRAME_HEADER, FRAME_MAGIC, FrameHeader, Kind, MAX_PAYLOAD};

/// Below this many bytes a payload is stored raw: a compressed one would save
/// less than the header costs.
const WORTH_COMPRESSING: usize = 128;

/// A payload larger than [`MAX_PAYLOAD`].
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
/// it makes the payload smaller.
pub(super) fn encode(kind: Kind, sequence: u64, payload: &[u8], out: &mut BytesMut) -> Result<(), TooLarge> {
    let decoded = bounded(payload.len())?;
    let compressed = (payload.len() >= WORTH_COMPRESSING)
        .then(|| lz4_flex::block::compress(payload))
        .filter(|compressed| compressed.len() < payload.len());
    let (codec, stored) = match &compressed {
        Some(compressed) => (Codec::Lz4, compressed.as_slice()),
        None => (Codec::Raw, payload),
    };
    let header = FrameHeader {
        magic: FRAME_MAGIC,
        kind: kind as u8,
        codec: codec as u8,
        reserved: [0; 2],
        sequence: U64::new(sequence),
        length: U32::new(bounded(stored.len())?),
        decoded: U32::new(decoded),
        payload_crc: U32::new(crc32fast::hash(stored)),
        header_crc: U32::ZERO,
    };
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

/// The payload of a frame whose checksums are right; [`FrameHeader::parse`]
/// has bounded what is allocated here.
pub(super) fn decode(header: &FrameHeader, stored: Bytes) -> Result<Bytes, Undecodable> {
    let announced = header.decoded.get() as usize;
    match Codec::from_number(header.codec) {
        None => Err(Undecodable::UnknownCodec),
        Some(Codec::Raw) if stored.len() == announced => Ok(stored),
        Some(Codec::Raw) => Err(Undecodable::Corrupt),
        Some(Codec::Lz4) => {
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
        encode(Kind::Details, 3, payload, &mut out).unwrap();
        let header = FrameHeader::parse(&out).unwrap();
        let stored = out.freeze().slice(FRAME_HEADER..);
        assert_eq!((header.kind, header.sequence.get()), (4, 3));
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
        assert_eq!(encode(Kind::End, 0, &vec![0; MAX_PAYLOAD as usize + 1], &mut out), Err(TooLarge));
        assert_eq!(encode(Kind::End, 0, &vec![0; MAX_PAYLOAD as usize], &mut out), Ok(()));
    }

    #[test]
    fn an_announced_length_that_is_wrong_is_corrupt() {
        let mut out = BytesMut::new();
        encode(Kind::End, 0, &[0; 300], &mut out).unwrap();
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
                magic: FRAME_MAGIC, kind: 4, codec: 1, reserved: [0; 2], sequence: U64::ZERO,
                length: U32::ZERO, decoded: U32::new(decoded), payload_crc: U32::ZERO, header_crc: U32::ZERO,
            };
            if let Ok(payload) = decode(&header, stored.into()) {
                prop_assert_eq!(payload.len(), decoded as usize);
            }
        }
    }
}
