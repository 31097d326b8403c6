//! The corpus of the fuzz target `recording`, and small changes of it, through
//! reader, tally and every view: what libFuzzer does for longer.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;

#[path = "../../backlog-trace/fuzz/every_view.rs"]
mod every_view;

/// How long changes are tried.
const LONG: Duration = Duration::from_secs(10);

/// Numbers at which sums and differences break.
const EDGES: [&[u8]; 9] = [
    b"0",
    b"1",
    b"65535",
    b"4294967295",
    b"9223372036854775807",
    b"18446744073709551615",
    b"-1",
    b"1e99",
    b"null",
];

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backlog-trace/fuzz/corpus/recording");
    let mut seeds: Vec<_> = fs::read_dir(folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a seed"))
        })
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn every_seed_is_shown_in_every_view() {
    let seeds = seeds();
    assert!(seeds.iter().filter(|(name, _)| name.starts_with("seed-")).count() >= 5, "the corpus is there");
    for (name, seed) in seeds {
        let shown = every_view::replay(&seed);
        assert!(shown || !name.starts_with("seed-"), "{name} is no recording");
    }
}

/// Where frames of an odd input begin.
fn frames(input: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 1);
    while let Some(&[_, _, _, _, low, high]) = input.get(at..at + 6) {
        let end = (at + 6 + usize::from(u16::from_le_bytes([low, high]))).min(input.len());
        found.push((at, end));
        at = end;
    }
    found
}

fn changed(numbers: &mut Rng, input: &mut Vec<u8>) {
    let frames = frames(input);
    let (start, end) = numbers.choice(frames).unwrap_or((0, input.len()));
    match numbers.u8(..8) {
        // Another number at its place; the frame keeps its length by what is cut behind it.
        0..=2 => {
            let digits: Vec<usize> = (start + 6..end).filter(|at| input[*at].is_ascii_digit()).collect();
            let Some(at) = numbers.choice(digits) else { return };
            let mut last = at;
            while last < end && input[last].is_ascii_digit() {
                last += 1;
            }
            let edge = EDGES[numbers.usize(..EDGES.len())];
            let length = (end - start - 6) + edge.len() - (last - at);
            input.splice(at..last, edge.iter().copied());
            let Ok(length) = u16::try_from(length) else { return };
            input[start + 4..start + 6].copy_from_slice(&length.to_le_bytes());
        }
        3 => {
            let frame = input[start..end].to_vec();
            input.splice(end..end, frame);
        }
        4 => drop(input.drain(start..end)),
        5 => input[start] = numbers.u8(..8),
        _ => {
            let at = numbers.usize(start..end);
            input[at] = numbers.u8(..);
        }
    }
}

#[test]
fn small_changes_never_break_a_view() {
    let seeds: Vec<Vec<u8>> = seeds().into_iter().map(|(_, seed)| seed).collect();
    let (mut numbers, begin, mut shown, mut tried) = (Rng::with_seed(1), Instant::now(), 0, 0);
    while begin.elapsed() < LONG {
        let mut input = seeds[numbers.usize(..seeds.len())].clone();
        for _ in 0..=numbers.u8(..6) {
            if input.len() > 1 {
                changed(&mut numbers, &mut input);
            }
        }
        tried += 1;
        shown += u32::from(every_view::replay(&input));
    }
    assert!(shown > tried / 3, "most changes leave something to show: {shown} of {tried}");
}
