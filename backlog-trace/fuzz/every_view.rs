//! An input of the fuzz target `recording`, through everything that a report
//! goes through: reader, tally, and every view, with intervals and without.
//! The target and the test that replays the corpus share this file.
//!
//! The first byte chooses. Even: the rest is the file as it is. Odd: the rest
//! is cut into frames under right checksums behind a sound session, so that
//! what lies behind the checksums is reached.

use std::time::Duration;

use backlog_trace_model::export::HistCsv;
use backlog_trace_model::output::{Output, Reporter};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::trace::Reader;
use backlog_trace_model::trace::format::{FRAME_MAGIC, FileHeader, FrameHeader, Kind, RecordingId, VERSION};
use backlog_trace_model::view::{HistJson, HistText, LiveJson, LiveText, Screen, View};
use jiff::tz::TimeZone;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

const ID: RecordingId = RecordingId(1);

const SESSION: &[u8] =
    br#"{"version":"","host":"","kernel":"","start":0,"clock":{"unix_minus_monotonic":0},"hooks":[]}"#;

/// Replays an input; whether it was a recording.
pub(crate) fn replay(input: &[u8]) -> bool {
    match input.split_first() {
        Some((choice, rest)) if choice % 2 == 1 => show(&framed(rest)),
        Some((_, rest)) => show(rest),
        None => show(input),
    }
}

/// The views of a run in intervals, and those of one in one piece.
fn views(in_intervals: bool) -> Vec<Box<dyn View>> {
    let all = Selection::default;
    let paper = || Screen::paper(TimeZone::UTC);
    let narrow = || Screen { columns: Some(40), ..paper() };
    let out = std::io::sink;
    if in_intervals {
        return vec![
            Box::new(HistText::new(out(), paper(), &all())),
            Box::new(HistJson::new(out(), all())),
            Box::new(HistCsv::new(out(), all())),
        ];
    }
    vec![
        Box::new(HistText::new(out(), narrow(), &all()).of_recording(Some("x".to_owned()))),
        Box::new(HistJson::new(out(), all())),
        Box::new(LiveText::new(out(), paper())),
        Box::new(LiveText::new(out(), narrow())),
        Box::new(LiveText::new(out(), narrow()).of_every_packet(true)),
        Box::new(LiveJson::new(out(), all())),
    ]
}

fn show(bytes: &[u8]) -> bool {
    let Ok(mut reader) = Reader::from_bytes(bytes) else { return false };
    let run = |interval: Option<Duration>| {
        (Reporter::new(Selection::default(), interval), views(interval.is_some()))
    };
    let mut runs = [run(None), run(Some(Duration::from_secs(1)))];
    let give = |views: &mut Vec<Box<dyn View>>, output: &Output<'_>| {
        for view in views {
            view.take(output).expect("nothing is refused");
        }
    };
    let mut events = 0;
    for event in reader.by_ref() {
        events += 1;
        for (reporter, views) in &mut runs {
            reporter.take(&event, &mut |output| give(views, output));
        }
    }
    assert!(events >= 2, "from the first to the last event");
    let gaps = reader.damage().sentences();
    let newer = reader.damage().newer_frames + reader.damage().newer_details;
    assert_eq!(gaps.is_empty(), reader.damage().is_none() && newer == 0);
    for (reporter, mut views) in runs {
        reporter.end(&gaps, &mut |output| give(&mut views, output));
    }
    true
}

/// Each frame: kind, codec, decoded length / 16 and stored length in two bytes
/// each, then the payload.
fn framed(mut rest: &[u8]) -> Vec<u8> {
    let mut file = FileHeader::new(VERSION, ID).as_bytes().to_vec();
    put(&mut file, (Kind::Session as u8, 0), 0, SESSION.len(), SESSION);
    let mut sequence = 1;
    while let [kind, codec, low, high, length_low, length_high, tail @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*length_low, *length_high]));
        let (payload, behind) = tail.split_at(length.min(tail.len()));
        let decoded = usize::from(u16::from_le_bytes([*low, *high])) * 16;
        put(&mut file, (*kind, *codec), sequence, if *codec == 0 { payload.len() } else { decoded }, payload);
        sequence += 1;
        rest = behind;
    }
    file
}

fn put(file: &mut Vec<u8>, (kind, codec): (u8, u8), sequence: u64, decoded: usize, payload: &[u8]) {
    let length = |bytes: usize| U32::new(u32::try_from(bytes).expect("inputs are short"));
    let header = FrameHeader {
        magic: FRAME_MAGIC,
        kind,
        codec,
        reserved: [0; 2],
        recording: U64::new(ID.0),
        sequence: U64::new(sequence),
        length: length(payload.len()),
        decoded: length(decoded),
        payload_crc: U32::new(crc32fast::hash(payload)),
        header_crc: U32::ZERO,
    };
    file.extend_from_slice(header.sealed().as_bytes());
    file.extend_from_slice(payload);
}
