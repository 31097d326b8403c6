//! What is no recording, and what comes from another version.

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::sample::{ID, Writes, replayed, small};
use crate::failure::Exit;
use crate::trace::format::{FRAME_MAGIC, FileHeader, FrameHeader, MAX_PAYLOAD, VERSION, Version};
use crate::trace::{Reader, Writer};

#[track_caller]
fn check(bytes: &[u8], words: &[&str]) {
    let failure = Reader::from_source(bytes, "file").err().expect("refused");
    assert_eq!(failure.exit, Exit::BadInput);
    assert!(failure.advice.is_some(), "{failure}");
    for word in ["file"].iter().chain(words) {
        assert!(failure.what.contains(word), "{word}: {failure}");
    }
}

#[test]
fn what_is_no_recording() {
    let no_recording = ["is no recording of backlog-trace"];
    check(b"", &["is empty"]);
    check(b"x", &no_recording);
    check(b"\x7fELF\x02\x01\x01\0".repeat(50).as_slice(), &no_recording);
    check(b"{\"v\":1,\"type\":\"loss\"}\n".repeat(50).as_slice(), &no_recording);
    check(&[0; 100_000], &no_recording);
    check(&[0xff; 100_000], &no_recording);
    // As a transfer in text mode leaves it.
    check(&[b"\x89BLTR\n\x1a".as_slice(), &[0; 100]].concat(), &no_recording);
    check(&[FileHeader::new(VERSION, ID).as_bytes(), &[7; 500]].concat(), &["damaged at its start"]);
    let mut header = FileHeader::new(VERSION, ID);
    header.reserved[0] = 1;
    check(header.as_bytes(), &["damaged from its start"]);
}

#[test]
fn a_recording_without_a_frame() {
    let header = FileHeader::new(VERSION, ID);
    for length in 8..=header.as_bytes().len() {
        check(&header.as_bytes()[..length], &["ends before anything was recorded"]);
    }
    let writer = Writer::begin(Writes::default(), "memory").unwrap();
    check(&writer.into_medium().0.concat(), &["ends before anything was recorded"]);
}

#[test]
fn a_newer_major_version_is_refused_with_both_versions() {
    let small: Vec<u8> = small().into_iter().skip(1).flat_map(|(bytes, _)| bytes).collect();
    for major in [0, 2, u16::MAX] {
        let header = FileHeader::new(Version { major, minor: 3 }, ID);
        let versions = [&*format!("format {major}.3"), env!("CARGO_PKG_VERSION"), "reads format 1.x"];
        check(&[header.as_bytes(), &small].concat(), &versions);
    }
}

fn frame(kind: u8, codec: u8, sequence: u64, payload: &[u8], length: u32) -> Vec<u8> {
    let header = FrameHeader {
        magic: FRAME_MAGIC,
        kind,
        codec,
        reserved: [1, 2],
        recording: U64::new(ID.0),
        sequence: U64::new(sequence),
        length: U32::new(length),
        decoded: U32::new(length),
        payload_crc: U32::new(crc32fast::hash(payload)),
        header_crc: U32::ZERO,
    };
    [header.sealed().as_bytes(), payload].concat()
}

#[test]
fn what_a_newer_minor_version_adds_is_skipped_and_counted() {
    let mut writes: Vec<Vec<u8>> = small().into_iter().map(|(bytes, _)| bytes).collect();
    let (plain, _) = replayed(&writes.concat());
    writes[0] = FileHeader::new(Version { minor: 9, ..VERSION }, ID).as_bytes().to_vec();
    // In the place of the second copy of the session, whose number is 1, and of the first listener.
    writes[2] = frame(99, 0, 1, b"something new", 13);
    writes[3] = frame(2, 5, 2, b"coded anew", 10);
    let (shown, damage) = replayed(&writes.concat());
    assert_eq!(damage.newer_frames, 2);
    assert!(damage.is_none(), "{damage:?}");
    assert!(damage.sentences()[0].contains("format is 1.9"), "{:?}", damage.sentences());
    assert_eq!((&shown[..1], &shown[1..]), (&plain[..1], &plain[2..]));
}

#[test]
fn a_length_beyond_the_bound_or_the_file_is_survived() {
    let head: Vec<u8> = small().into_iter().take(3).flat_map(|(bytes, _)| bytes).collect();
    for (length, damaged, cut) in [(MAX_PAYLOAD, 0, 50), (MAX_PAYLOAD + 1, 50, 0), (u32::MAX, 50, 0)] {
        let bytes = [head.clone(), frame(4, 0, 2, b"ten bytes!", length)].concat();
        let (shown, damage) = replayed(&bytes);
        assert_eq!(shown.len(), 2);
        assert_eq!((damage.unread_bytes, damage.cut_bytes), (damaged, cut), "{length}");
    }
}

#[test]
fn a_payload_under_a_correct_checksum_that_means_nothing_is_lost() {
    let head: Vec<u8> = small().into_iter().take(3).flat_map(|(bytes, _)| bytes).collect();
    let deep = "[".repeat(100_000);
    let many = format!("{{\"listeners\":[{}{{}}]}}", "{},".repeat(1_000_000));
    let payloads: [&[u8]; 6] = [b"", b"{}", b"[1,2", b"\xff\xfe", deep.as_bytes(), many.as_bytes()];
    for kind in [1, 2, 3] {
        for payload in payloads {
            let bytes =
                [head.clone(), frame(kind, 0, 2, payload, u32::try_from(payload.len()).unwrap())].concat();
            let (shown, damage) = replayed(&bytes);
            // An empty object is a snapshot of nothing: all its fields may be left out.
            let means_something = kind == 3 && payload == b"{}";
            assert_eq!((shown.len(), damage.lost_frames), if means_something { (3, 0) } else { (2, 1) });
        }
    }
}
