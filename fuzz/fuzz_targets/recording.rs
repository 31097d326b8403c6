//! A recording is hostile input: whatever it holds, a reader ends, with events
//! from the first to the last one, or with a failure that says why.
//!
//! The first byte chooses. Even: the rest is the file as it is. Odd: the rest
//! is cut into frames under right checksums behind a sound session, so that
//! what lies behind the checksums is reached. `trace::tests::smoke` does the
//! same with a fixed set of inputs.
#![no_main]

use backlog_trace::trace::Reader;
use backlog_trace::trace::format::{FRAME_MAGIC, FileHeader, FrameHeader, Kind, VERSION};
use libfuzzer_sys::fuzz_target;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

const SESSION: &[u8] =
    br#"{"version":"","host":"","kernel":"","start":0,"clock":{"unix_minus_monotonic":0},"hooks":[]}"#;

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((choice, rest)) if choice % 2 == 1 => read(&framed(rest)),
        Some((_, rest)) => read(rest),
        None => read(input),
    }
});

fn read(bytes: &[u8]) {
    let Ok(mut reader) = Reader::from_bytes(bytes) else { return };
    assert!(reader.by_ref().count() >= 2);
    let _ = reader.damage().sentences();
}

/// Each frame: kind, codec, decoded length / 16, stored length, then the payload.
fn framed(mut rest: &[u8]) -> Vec<u8> {
    let mut file = FileHeader::new(VERSION).as_bytes().to_vec();
    put(&mut file, Kind::Session as u8, 0, 0, SESSION.len(), SESSION);
    let mut sequence = 1;
    while let [kind, codec, decoded, length, tail @ ..] = rest {
        let (payload, behind) = tail.split_at(usize::from(*length).min(tail.len()));
        let decoded = if *codec == 0 { payload.len() } else { usize::from(*decoded) * 16 };
        put(&mut file, *kind, *codec, sequence, decoded, payload);
        sequence += 1;
        rest = behind;
    }
    file
}

fn put(file: &mut Vec<u8>, kind: u8, codec: u8, sequence: u64, decoded: usize, payload: &[u8]) {
    let length = |bytes: usize| U32::new(u32::try_from(bytes).expect("inputs are short"));
    let header = FrameHeader {
        magic: FRAME_MAGIC,
        kind,
        codec,
        reserved: [0; 2],
        sequence: U64::new(sequence),
        length: length(payload.len()),
        decoded: length(decoded),
        payload_crc: U32::new(crc32fast::hash(payload)),
        header_crc: U32::ZERO,
    };
    file.extend_from_slice(header.sealed().as_bytes());
    file.extend_from_slice(payload);
}
