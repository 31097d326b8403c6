//! An output that takes no more keeps what it took, in whole frames.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::sample::{self, replayed, small};
use crate::event::Event;
use crate::failure::Exit;
use crate::trace::{Medium, Saved, Writer};

/// Takes a number of bytes in all, like a disk that has so much room.
struct Room {
    bytes: Vec<u8>,
    limit: usize,
    can_cut: bool,
    sync_fails: bool,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.limit - self.bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Room {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        if !self.can_cut {
            return Err(ErrorKind::Other.into());
        }
        self.bytes.cut(length)
    }
    fn sync(&mut self) -> io::Result<()> {
        if self.sync_fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

fn events() -> Vec<Event> {
    let started = Event::Started(Arc::new(sample::session()));
    [started].into_iter().chain(small().into_iter().filter_map(|(_, event)| event)).collect()
}

#[test]
fn a_disk_that_fills_up_at_any_byte_keeps_whole_frames_and_is_told_once() {
    let writes: Vec<Vec<u8>> = small().into_iter().map(|(bytes, _)| bytes).collect();
    let header = writes[0].len();
    let total: usize = writes.iter().map(Vec::len).sum();
    for limit in 0..total {
        let can_cut = limit % 2 == 0;
        let room = Room { bytes: Vec::new(), limit, can_cut, sync_fails: false };
        let writer = Writer::begin_as(sample::ID, room, "file");
        if limit < header {
            assert_eq!(writer.err().unwrap().exit, Exit::OutputFailed);
            continue;
        }
        let mut writer = writer.unwrap();
        let failures: Vec<_> = events().iter().filter_map(|event| writer.write(event).err()).collect();
        let [failure] = failures.try_into().unwrap();
        assert_eq!(failure.exit, Exit::OutputFailed);
        assert!(writer.has_stopped() && failure.advice.is_some());

        let saved = writer.saved();
        let whole: Vec<u8> = whole_writes(&writes, limit);
        assert_eq!((saved.bytes, saved.complete), (whole.len() as u64, false));
        let bytes = writer.into_medium().bytes;
        assert!(bytes.starts_with(&whole));
        assert_eq!(bytes.len(), if can_cut { whole.len() } else { limit });
        if whole.len() >= header + writes[1].len() {
            let (shown, damage) = replayed(&bytes);
            assert!(damage.unfinished && damage.unread_bytes == 0);
            check_counts(&shown, saved);
            let said = format!("{} snapshots and {} details", saved.snapshots, saved.details);
            assert!(failure.what.contains(&said), "{failure}");
        }
    }
}

/// The writes that fit as a whole, in order.
fn whole_writes(writes: &[Vec<u8>], limit: usize) -> Vec<u8> {
    let mut whole = Vec::new();
    for write in writes {
        if whole.len() + write.len() > limit {
            break;
        }
        whole.extend_from_slice(write);
    }
    whole
}

#[track_caller]
fn check_counts(shown: &[sample::Seen], saved: Saved) {
    let details = shown.iter().filter(|seen| matches!(seen, sample::Seen::Detail(_))).count();
    let snapshots = shown.iter().filter(|seen| matches!(seen, sample::Seen::Snapshot(_))).count();
    assert_eq!((details as u64, snapshots as u64), (saved.details, saved.snapshots));
}

#[test]
fn an_error_that_shows_only_when_synced_is_told() {
    let room = Room { bytes: Vec::new(), limit: usize::MAX, can_cut: true, sync_fails: true };
    let mut writer = Writer::begin(room, "file").unwrap();
    let failures: Vec<_> = events().iter().filter_map(|event| writer.write(event).err()).collect();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].what.contains("file: Input/output error"), "{}", failures[0]);
    assert!(!writer.saved().complete);
}

#[test]
fn finishing_after_a_failure_fails_no_second_time() {
    let room = Room { bytes: Vec::new(), limit: 40, can_cut: true, sync_fails: false };
    let mut writer = Writer::begin(room, "file").unwrap();
    assert!(writer.write(&events()[0]).is_err());
    let saved = writer.finish().unwrap();
    assert_eq!((saved.bytes, saved.complete), (32, false));
}
