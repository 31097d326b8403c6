//! The fuzz target's body under inputs that are the same each time: many
//! small changes, half of them under checksums made right again, so that what
//! lies behind the checksums is reached.

use fastrand::Rng;

use super::sample::small;
use crate::trace::Reader;
use crate::trace::format::{FILE_HEADER, FRAME_HEADER, FrameHeader};
use zerocopy::IntoBytes;

/// As `backlog-trace/fuzz/fuzz_targets/recording.rs`; how many events came.
fn read(bytes: &[u8]) -> usize {
    let Ok(mut reader) = Reader::from_bytes(bytes) else { return 0 };
    let events = reader.by_ref().count();
    assert!(events >= 2, "from the first to the last event");
    let _ = reader.damage().sentences();
    events
}

fn changed(numbers: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let (at, other, span) = (numbers.usize(..bytes.len()), numbers.usize(..bytes.len()), numbers.usize(..64));
    let end = (at + span).min(bytes.len());
    match numbers.u8(..6) {
        0 => bytes[at] ^= 1 << numbers.u8(..8),
        1 => bytes[at] = numbers.u8(..),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copied = bytes[at..end].to_vec();
            bytes.splice(other..other, copied);
        }
        4 => bytes[at..end].fill(0xff),
        _ => bytes.truncate(at),
    }
}

/// Makes the checksums of a frame right, whatever it holds now.
fn resealed(mut frame: Vec<u8>) -> Vec<u8> {
    let Some((head, payload)) = frame.split_at_mut_checked(FRAME_HEADER) else { return frame };
    let Ok(mut header) = <FrameHeader as zerocopy::FromBytes>::read_from_bytes(head) else { return frame };
    header.length.set(u32::try_from(payload.len()).unwrap());
    header.payload_crc.set(crc32fast::hash(payload));
    head.copy_from_slice(header.sealed().as_bytes());
    frame
}

#[test]
fn small_changes_never_break_the_reader() {
    let whole: Vec<u8> = small().into_iter().flat_map(|(bytes, _)| bytes).collect();
    let mut numbers = Rng::with_seed(1);
    let mut readable = 0;
    for _ in 0..4_000 {
        let mut bytes = whole.clone();
        for _ in 0..=numbers.u8(..4) {
            changed(&mut numbers, &mut bytes);
        }
        readable += usize::from(read(&bytes) > 0);
    }
    assert!(readable > 1_000, "most changes leave something to read: {readable}");
}

#[test]
fn changes_under_correct_checksums_never_break_the_reader() {
    let writes: Vec<Vec<u8>> = small().into_iter().map(|(bytes, _)| bytes).collect();
    let mut numbers = Rng::with_seed(2);
    let mut readable = 0;
    for _ in 0..4_000 {
        let mut writes = writes.clone();
        let frame = numbers.usize(1..writes.len());
        changed(&mut numbers, &mut writes[frame]);
        writes[frame] = resealed(std::mem::take(&mut writes[frame]));
        readable += usize::from(read(&writes.concat()) > 0);
    }
    assert!(readable > 3_000, "{readable}");
}

#[test]
fn noise_never_breaks_the_reader() {
    let mut numbers = Rng::with_seed(3);
    let header = small().swap_remove(0).0;
    assert_eq!(header.len(), FILE_HEADER);
    for _ in 0..2_000 {
        let noise: Vec<u8> = (0..numbers.u16(..300)).map(|_| numbers.u8(..)).collect();
        assert_eq!(read(&noise), 0);
        assert_eq!(read(&[header.clone(), noise].concat()), 0);
    }
}
