//! Damage of a payload costs the frame that it hit, damage of a header what
//! follows; both are told.

use std::io::{self, Read};

use super::sample::{self, Seen, replayed, seen, session, small};
use crate::event::Event;
use crate::trace::format::{FRAME_HEADER, RecordingId};
use crate::trace::{Damage, Reader};

/// What a replay shows if these writes of the small recording are lost.
fn expected(lost: impl Fn(usize) -> bool) -> Vec<Seen> {
    let events =
        small().into_iter().enumerate().filter(|(at, _)| !lost(*at)).filter_map(|(_, (_, event))| event);
    let mut shown = vec![Seen::Started(session())];
    shown.extend(seen(events.filter(|event| !matches!(event, Event::Finished))));
    shown.push(Seen::Finished);
    shown
}

fn joined(writes: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    writes.into_iter().flatten().collect()
}

fn writes() -> Vec<Vec<u8>> {
    small().into_iter().map(|(bytes, _)| bytes).collect()
}

#[test]
fn a_byte_flipped_in_a_payload_costs_its_own_frame_and_no_other() {
    let writes = writes();
    let (whole, last) = (joined(writes.clone()), writes.len() - 1);
    let mut start = writes[0].len();
    for (hit, write) in writes.iter().enumerate().skip(1) {
        let shown = expected(|at| at == hit);
        for at in FRAME_HEADER..write.len() {
            for flip in [0x01, 0x80, 0xff] {
                let (now, damage) = replayed(&flipped(&whole, start + at, flip));
                assert_eq!(now, shown, "byte {at} of write {hit}");
                assert!(!damage.is_none() && !damage.sentences().is_empty());
                assert_eq!((damage.lost_frames, damage.unread_bytes), (1, 0));
                assert_eq!(damage.unfinished, hit == last);
                check_kind(&damage, hit, last);
            }
        }
        start += write.len();
    }
}

#[test]
fn a_byte_flipped_in_a_header_ends_the_reading_there() {
    let writes = writes();
    let whole = joined(writes.clone());
    let mut start = 0;
    for (hit, write) in writes.iter().enumerate() {
        for at in 0..write.len().min(FRAME_HEADER) {
            for flip in [0x01, 0x80, 0xff] {
                let bytes = flipped(&whole, start + at, flip);
                if hit < 2 {
                    // The file's header, or what says who observed.
                    let failure = Reader::from_bytes(&bytes).err().expect("refused");
                    assert_eq!(failure.exit, crate::failure::Exit::BadInput, "{failure}");
                    continue;
                }
                let (now, damage) = replayed(&bytes);
                assert_eq!(now, expected(|lost| lost >= hit), "byte {at} of write {hit}");
                assert_eq!(damage.unread_bytes, (whole.len() - start) as u64);
                assert!(damage.unfinished && damage.lost_frames == 0);
                assert!(damage.sentences().join("; ").contains("the header of a frame is damaged"));
            }
        }
        start += write.len();
    }
}

fn flipped(whole: &[u8], at: usize, flip: u8) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    bytes[at] ^= flip;
    bytes
}

#[track_caller]
fn check_kind(damage: &Damage, hit: usize, last: usize) {
    let by_kind = [damage.lost_listener_frames, damage.lost_detail_frames, damage.lost_snapshot_frames];
    let kinds = match hit {
        3 | 6 => [1, 0, 0],
        4 | 7 => [0, 1, 0],
        5 | 8 => [0, 0, 1],
        _ => [0; 3],
    };
    assert_eq!(by_kind, kinds);
    let lost_details = [(4, 5), (7, 2)].into_iter().find(|(at, _)| *at == hit).map_or(0, |(_, count)| count);
    assert_eq!(damage.lost_details, (hit != last).then_some(lost_details));
    assert_eq!(damage.lost_snapshots, (hit != last).then_some(kinds[2]));
}

#[test]
fn a_file_cut_at_any_byte_shows_every_whole_frame_before() {
    let writes = writes();
    let whole = joined(writes.clone());
    let mut start = 0;
    for (hit, write) in writes.iter().enumerate() {
        for at in 0..write.len() {
            let bytes = &whole[..start + at];
            if hit <= 1 {
                let failure = Reader::from_bytes(bytes).err().unwrap();
                assert_eq!(failure.exit, crate::failure::Exit::BadInput, "{failure}");
                continue;
            }
            let (now, damage) = replayed(bytes);
            assert_eq!(now, expected(|lost| lost >= hit), "byte {at} of write {hit}");
            assert!(damage.unfinished);
            assert_eq!((damage.cut_bytes, damage.unread_bytes, damage.lost_frames), (at as u64, 0, 0));
            assert_eq!(damage.lost_details, None, "nobody can know");
        }
        start += write.len();
    }
}

#[test]
fn a_frame_that_is_gone_leaves_a_gap() {
    for gone in 2..writes().len() - 1 {
        let mut writes = writes();
        writes.remove(gone);
        let (now, damage) = replayed(&joined(writes));
        assert_eq!(now, expected(|at| at == gone));
        assert_eq!((damage.lost_frames, damage.unread_bytes), (1, 0));
    }
}

#[test]
fn a_frame_that_occurs_twice_counts_once() {
    for twice in 1..writes().len() - 1 {
        let mut writes = writes();
        writes.insert(twice + 1, writes[twice].clone());
        let (now, damage) = replayed(&joined(writes));
        assert_eq!(now, expected(|_| false));
        assert_eq!((damage.repeated_frames, damage.lost_frames), (1, 0));
    }
}

#[test]
fn foreign_bytes_between_frames_end_the_reading() {
    let forged = b"\xf7bt\x01".repeat(100);
    for foreign in [&[0; 5000][..], &[0xf7; 77], &forged] {
        for at in 3..=writes().len() - 1 {
            let mut writes = writes();
            writes.insert(at, foreign.to_vec());
            let unread: usize = writes[at..].iter().map(Vec::len).sum();
            let (now, damage) = replayed(&joined(writes));
            assert_eq!(now, expected(|lost| lost >= at));
            assert_eq!((damage.unread_bytes, damage.lost_frames), (unread as u64, 0));
        }
    }
}

#[test]
fn both_copies_of_the_session_damaged_is_an_error_that_says_so() {
    let mut writes = writes();
    writes[1][40] ^= 1;
    writes[2][3] ^= 1;
    let failure = Reader::from_bytes(&joined(writes)).err().unwrap();
    assert!(failure.what.contains("who observed"), "{failure}");
}

#[test]
fn of_two_recordings_in_one_file_the_first_is_shown() {
    let first = joined(writes());
    let (now, damage) = replayed(&[first.as_slice(), first.as_slice()].concat());
    assert_eq!(now, expected(|_| false));
    assert!(!damage.unfinished);
    assert_eq!(damage.trailing_bytes, first.len() as u64);

    // The first one was cut. The numbers of the second one's frames start below
    // and end above those of the first one's.
    let mut other = session();
    other.host = "web-2".to_owned();
    let snapshots = (0..20).map(|time| Event::Snapshot(sample::snapshot(time).into()));
    let events: Vec<_> = [Event::Started(other.into())].into_iter().chain(snapshots).collect();
    let second = sample::recorded(&events);
    for kept in 2..writes().len() - 1 {
        let cut = joined(writes().into_iter().take(kept));
        let (now, damage) = replayed(&[cut, second.clone()].concat());
        assert_eq!(now, expected(|at| at >= kept));
        assert!(damage.trailing_bytes == second.len() as u64 && damage.unfinished);
        assert_eq!((damage.lost_frames, damage.repeated_frames), (0, 0));
    }
}

/// Bytes of another recording amid this one, as a file system or a careless
/// copy may leave them: whole frames with numbers that fit.
#[test]
fn frames_of_another_recording_are_left_out_and_told() {
    let other: Vec<Vec<u8>> = sample::writes_as(RecordingId(7));
    for at in 3..writes().len() - 1 {
        let mut writes = writes();
        writes[at] = other[at].clone();
        let (now, damage) = replayed(&joined(writes));
        assert_eq!(now, expected(|lost| lost == at), "{at}");
        assert_eq!((damage.foreign_frames, damage.lost_frames, damage.unread_bytes), (1, 1, 0));
        let sentences = damage.sentences().join("; ");
        assert!(sentences.contains("1 frame is left out that belongs to another recording"), "{sentences}");
    }
    // The front of one, the rest of the other: that one's session is not there.
    let spliced = joined(writes().into_iter().take(5).chain(other.into_iter().skip(5)));
    let (now, damage) = replayed(&spliced);
    assert_eq!(now, expected(|lost| lost >= 5));
    assert!(damage.unfinished && damage.foreign_frames == 5, "{damage:?}");
}

#[test]
fn a_disk_that_cannot_be_read_to_the_end_is_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    let half = joined(writes().into_iter().take(6));
    let mut reader = Reader::from_source(Read::chain(half.as_slice(), Broken), "x").unwrap();
    assert_eq!(seen(reader.by_ref()), expected(|at| at >= 6));
    assert_eq!(reader.damage().unreadable.as_deref(), Some("Input/output error"));

    let failure = Reader::from_source(Broken, "x").err().unwrap();
    assert!(failure.what.contains("cannot read x: Input/output error"), "{failure}");
}
