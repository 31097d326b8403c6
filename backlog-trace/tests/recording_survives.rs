//! A recording whose recorder is killed, or whose disk takes no more: what had
//! been written is whole, by real processes and a real file system.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use backlog_trace::recording_file::{self, Overwrite, RecordingFile};
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{Asked, Clock, Event, Met, Occurrence, Peer, Session, Snapshot, What};
use backlog_trace_model::failure::{Exit, Result};
use backlog_trace_model::trace::{Damage, Writer};

const KILLED: &str = "BACKLOG_TRACE_TEST_KILLED_RECORDING";
const LIMITED: &str = "BACKLOG_TRACE_TEST_LIMITED_RECORDING";

/// Details of each step of what is recorded, all of one time.
const DETAILS: usize = 50;

fn session() -> Session {
    Session {
        version: "0.1.0".to_owned(),
        host: "web1".to_owned(),
        kernel: "6.12.107".to_owned(),
        netns: None,
        start: 0,
        clock: Clock { unix_minus_monotonic: 0 },
        zone: None,
        asked: Asked::default(),
        hooks: Vec::new(),
        sources: Vec::new(),
    }
}

/// What happens at a time: refused SYNs of a client that nobody can guess, so
/// that nothing gets smaller by being compressed, and a snapshot.
fn step(time: u64) -> [Event; 2] {
    let mut client = fastrand::Rng::with_seed(time);
    let mut peer = [0; 16];
    client.fill(&mut peer);
    let met = Met { outcome: Outcome::Silent, ..Met::only(Reason::SynAcceptQueueFull) };
    let refused = Occurrence {
        time,
        listener: 4129,
        netns: 1,
        port: 8080,
        peer: Some(Peer { address: peer.into(), port: client.u16(..) }),
        accept_queue: 129,
        syn_queue: 3,
        limit: 128,
        cpu: 0,
        what: What::Met(met),
    };
    let snapshot = Snapshot { time, details_seen: time, ..Snapshot::default() };
    [Event::Details(vec![refused; DETAILS]), Event::Snapshot(Arc::new(snapshot))]
}

/// Records steps until the medium refuses.
fn record(path: &Path, mut written: impl FnMut(u64)) -> Result<()> {
    let mut writer: Writer<RecordingFile> = recording_file::begin(path, Overwrite::Refuse)?;
    writer.write(&Event::Started(Arc::new(session())))?;
    for time in 0..1_000_000 {
        step(time).iter().try_for_each(|event| writer.write(event))?;
        written(time);
    }
    Ok(())
}

/// Checks that a recording holds the steps from the first on without a gap, and
/// how it ends; how many snapshots and details it holds.
#[track_caller]
fn check_whole_steps(path: &Path) -> (u64, u64, Damage) {
    let mut reader = recording_file::open(path).unwrap();
    let (mut snapshots, mut details) = (0, 0);
    for event in reader.by_ref() {
        match event {
            Event::Snapshot(snapshot) => {
                assert_eq!((snapshot.time, snapshot.details_seen), (snapshots, snapshots));
                snapshots += 1;
            }
            Event::Details(told) => {
                for detail in told {
                    let [Event::Details(expected), _] = step(details / DETAILS as u64) else {
                        unreachable!()
                    };
                    assert_eq!(Some(&detail), expected.first());
                    details += 1;
                }
            }
            Event::Started(session) => assert_eq!(*session, self::session()),
            Event::Finished => {}
            other => unreachable!("{other:?} was never written"),
        }
    }
    let damage = reader.damage().clone();
    assert!(damage.unfinished);
    assert_eq!((damage.unread_bytes, damage.lost_frames), (0, 0));
    (snapshots, details, damage)
}

/// Runs in a child: records, and says which steps are written, until it is killed.
#[test]
fn child_that_is_killed() {
    let Some(path) = std::env::var_os(KILLED) else { return };
    let mut out = std::io::stdout();
    // The parent may stop listening before it kills.
    let tell = |step| drop(writeln!(out, "\nwritten {step}"));
    record(path.as_ref(), tell).unwrap();
}

#[track_caller]
fn check_killed_after(steps: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture"])
        .env(KILLED, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(number) = line.unwrap().strip_prefix("written ") {
            told = number.parse::<u64>().unwrap() + 1;
        }
        if told >= steps {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told >= steps);
    let (snapshots, details, damage) = check_whole_steps(&path);
    assert!(damage.sentences()[0].contains("the recorder was killed"));
    assert!(snapshots >= told, "{snapshots} snapshots of {told}");
    assert!(details >= DETAILS as u64 * told && details % DETAILS as u64 == 0);
}

#[test]
fn a_killed_recorder_leaves_everything_up_to_its_last_snapshot() {
    for steps in [1, 2, 30, 500] {
        check_killed_after(steps);
    }
}

/// Runs in a child: records until the kernel refuses.
#[test]
fn child_that_meets_the_limit() {
    let Some(path) = std::env::var_os(LIMITED) else { return };
    let failure = record(path.as_ref(), |_| {}).expect_err("the limit");
    assert_eq!(failure.exit, Exit::OutputFailed);
    assert!(failure.advice.as_deref().unwrap().contains("ulimit"), "{failure}");
}

/// The real refusal of a real file system: RLIMIT_FSIZE, with SIGXFSZ ignored,
/// needs no privilege and takes part of a write, as a full disk does.
#[test]
fn the_kernel_refusing_in_the_middle_of_a_frame_leaves_whole_frames() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    let status = Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" --exact child_that_meets_the_limit"])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, &path)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let (snapshots, _, damage) = check_whole_steps(&path);
    assert!(snapshots > 20, "{snapshots}");
    assert_eq!(damage.cut_bytes, 0);
}
