//! The seeds of the fuzz target `recording`: what is kept of its corpus is
//! made here, so that a change of the format cannot leave it behind.

use std::path::Path;
use std::sync::Arc;

use backlog_trace_common::detail::{Cause, Outcome};
use backlog_trace_common::reason::TABLE;

use super::sample::{self, ID, Writes};
use crate::event::{Event, Met, Occurrence, Peer, Snapshot, What};
use crate::trace::Writer;
use crate::trace::format::{FRAME_HEADER, FrameHeader};

/// Something of everything: every kind of detail, every reason, listeners that
/// lose, recover and close.
fn rich() -> Vec<Event> {
    let at = |number: u64, what: What| Occurrence {
        time: number * 400_000_000,
        listener: 4129 + number % 3,
        peer: Some(Peer { address: [10, 10, 10, 10].into(), port: u16::try_from(number / 2).unwrap() }),
        what,
        ..sample::detail(number)
    };
    let met = |number: u64| Met {
        outcome: Outcome::Silent,
        cause: Cause::from_number(u8::try_from(number % 4).unwrap()),
        payload: u16::try_from(number % 2).unwrap(),
        ..Met::only(TABLE[usize::try_from(number).unwrap() % TABLE.len()].reason)
    };
    let what = |number: u64| match number % 5 {
        0 | 1 => What::Met(met(number)),
        2 => What::Established,
        3 => What::Opened,
        _ => What::Closed,
    };
    let mut events = vec![Event::Started(Arc::new(sample::session()))];
    for round in 0..5u64 {
        let id = u32::try_from(round % 3).unwrap();
        events.push(Event::Listener(Arc::new(sample::listener(id))));
        let numbers = round * 30..round * 30 + 30;
        events.push(Event::Details(numbers.map(|number| at(number, what(number))).collect()));
        let mut counts = sample::snapshot(round * 1_000_000_000);
        for listener in &mut counts.listeners {
            listener.id = id;
            listener.totals.reasons.0.fill(round * 3);
            listener.totals.accept_depth.fill(round);
            listener.totals.accept_wait_us.fill(round * round);
        }
        counts.retired = if round == 4 { vec![0] } else { Vec::new() };
        events.push(Event::Snapshot(Arc::new(Snapshot { details_missed: round, ..counts })));
    }
    events.push(Event::Sources(Arc::new(sample::session().sources)));
    events.push(Event::Finished);
    events
}

fn writes(events: &[Event]) -> Vec<Vec<u8>> {
    let mut writer = Writer::begin_as(ID, Writes::default(), "memory").unwrap();
    events.iter().for_each(|event| writer.write(event).unwrap());
    writer.into_medium().0
}

/// As the target frames an odd input: see `backlog-trace/fuzz/every_view.rs`.
fn unframed(writes: &[Vec<u8>], decode: bool) -> Vec<u8> {
    let mut input = vec![1];
    for write in writes.iter().skip(1) {
        let header = FrameHeader::parse(write).unwrap();
        let stored = &write[FRAME_HEADER..];
        let length = header.decoded.get() as usize;
        let (codec, payload) = if decode && header.codec == 1 {
            (0, lz4_flex::block::decompress(stored, length).unwrap())
        } else {
            (header.codec, stored.to_vec())
        };
        let two = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
        input.extend([header.kind, codec]);
        input.extend(two(length / 16));
        input.extend(two(payload.len()));
        input.extend(payload);
    }
    input
}

#[test]
fn the_corpus_is_of_this_format() {
    let small: Vec<Vec<u8>> = sample::small().into_iter().map(|(write, _)| write).collect();
    let rich = writes(&rich());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backlog-trace/fuzz/corpus/recording");
    let mut total = 0;
    for (name, seed) in [
        ("seed-small-file", [vec![0], small.concat()].concat()),
        ("seed-small-frames", unframed(&small, true)),
        ("seed-rich-file", [vec![0], rich.concat()].concat()),
        ("seed-rich-frames", unframed(&rich, false)),
        ("seed-rich-decoded", unframed(&rich, true)),
    ] {
        let path = folder.join(name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &seed).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(kept == seed, "{name} is not what the tests make: UPDATE=1 writes it anew");
        total += kept.len();
    }
    assert!(total < 200_000, "{total} bytes");
}
