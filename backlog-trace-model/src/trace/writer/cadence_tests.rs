//! When a recording is forced to the disk: at snapshots, about once a second,
//! and at its end. The clock is set by hand, so that no machine is too slow.

use std::io;
use std::sync::Arc;

use super::*;
use crate::trace::tests::sample;

/// Counts how often it is forced to the disk.
#[derive(Default)]
struct Synced(u32);

impl io::Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Synced {
    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0 += 1;
        Ok(())
    }
}

/// How often it was synced by one event, the last time having been so long ago;
/// negative: it lies ahead, as no time at all goes by.
#[track_caller]
fn check(event: &Event, ago: Option<Duration>, expected: u32) -> Writer<Synced> {
    let mut writer = Writer::begin(Synced::default(), "nowhere").unwrap();
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    let last = ago.map_or_else(|| now + hour, |ago| now.checked_sub(ago).expect("an uptime above a second"));
    writer.synced = last;
    writer.write(event).unwrap();
    assert_eq!(writer.medium.0, expected, "{ago:?} after the last: {event:?}");
    assert_eq!(writer.synced != last, expected > 0, "the time is taken anew where it was synced");
    writer
}

#[test]
fn a_snapshot_is_forced_to_the_disk_once_that_is_due() {
    let snapshot = Event::Snapshot(Arc::new(Snapshot::default()));
    check(&snapshot, None, 0);
    check(&snapshot, Some(SYNC_EVERY), 1);
    assert!(SYNC_EVERY < Duration::from_secs(1), "each second's snapshot is synced");
    assert!(SYNC_EVERY > Duration::from_millis(500), "and no two of one second");
}

#[test]
fn nothing_else_than_a_snapshot_or_the_end_waits_for_the_disk() {
    let details = Event::Details(vec![sample::detail(1); BATCH]);
    for event in [details, Event::Sources(Arc::new(Vec::new())), Event::Mark] {
        check(&event, Some(SYNC_EVERY), 0);
    }
}

#[test]
fn the_end_is_forced_to_the_disk_once_however_soon_it_comes() {
    let mut writer = check(&Event::Finished, None, 1);
    assert!(writer.saved().complete);
    writer.write(&Event::Finished).unwrap();
    assert_eq!(writer.medium.0, 1);
}
