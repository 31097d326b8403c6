//! A recorder that is killed loses what it had not written, and no more.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::sample::{self, Seen, replayed};
use crate::event::Event;
use crate::trace::{Overwrite, Writer};

const CHILD: &str = "BACKLOG_TRACE_TEST_KILLED_RECORDING";

/// Runs in the child: records, and says which snapshots are written, until it is killed.
#[test]
fn child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut writer = Writer::create(path.as_ref(), Overwrite::Refuse).unwrap();
    writer.write(&Event::Started(Arc::new(sample::session()))).unwrap();
    let mut out = std::io::stdout();
    for number in 0..10_000_000 {
        writer.write(&Event::Details(vec![sample::detail(number); 50])).unwrap();
        writer.write(&Event::Snapshot(Arc::new(sample::snapshot(number)))).unwrap();
        // The parent may stop listening before it kills.
        let _ = writeln!(out, "\nwritten {number}");
    }
}

#[track_caller]
fn check_killed_after(snapshots: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "trace::tests::killed::child_that_is_killed", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(number) = line.unwrap().strip_prefix("written ") {
            told = number.parse::<u64>().unwrap() + 1;
        }
        if told >= snapshots {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told >= snapshots);

    let (shown, damage) = replayed(&std::fs::read(&path).unwrap());
    assert!(damage.unfinished);
    assert!(damage.sentences()[0].contains("the recorder was killed"));
    assert_eq!((damage.damaged_bytes, damage.lost_frames), (0, 0));
    let mut written = 0;
    let mut details = 0;
    for seen in &shown[1..shown.len() - 1] {
        match seen {
            Seen::Snapshot(snapshot) => {
                assert_eq!(*snapshot, sample::snapshot(written));
                written += 1;
            }
            Seen::Detail(detail) => {
                assert_eq!(*detail, sample::detail(details / 50));
                details += 1;
            }
            other => panic!("{other:?} was never written"),
        }
    }
    assert!(written >= told, "{written} snapshots of {told}");
    assert!(details >= 50 * told && details % 50 == 0);
}

#[test]
fn a_killed_recorder_leaves_everything_up_to_its_last_snapshot() {
    for snapshots in [1, 2, 30, 500] {
        check_killed_after(snapshots);
    }
}
