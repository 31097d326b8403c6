//! A host with more listeners than the channel between observation and view
//! has room for: every observing command starts, sees all of them and ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use backlog_trace::recording_file;
use backlog_trace_model::event::Event;
use rustix::process::{Resource, getrlimit, setrlimit};
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::tool;

/// More than the 1,024 events for which the channel has room.
const LISTENERS: usize = 1_100;

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Listeners on ports of the kernel's choice.
fn open() -> Vec<TcpListener> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    (0..LISTENERS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
}

/// Observes for a moment with all of them open; the recording has every port.
#[track_caller]
fn check(rung: &str) {
    let listeners = open();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("many.trace");
    let path = path.to_str().unwrap();
    let arguments = ["record", "--rung", rung, "--duration", "300ms", "-o", path];
    let mut child = tool(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Ends nothing but one that hangs.
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{LISTENERS} listeners by {rung}: {} {said}", output.status);
    let recorded: BTreeSet<u16> = recording_file::open(path.as_ref())
        .unwrap()
        .filter_map(|event| if let Event::Listener(listener) = event { Some(listener.port) } else { None })
        .collect();
    let opened = listeners.iter().map(|listener| listener.local_addr().unwrap().port());
    let missing: Vec<u16> = opened.filter(|port| !recorded.contains(port)).collect();
    assert!(missing.is_empty(), "{rung}: ports that are not recorded: {missing:?}");
}

#[test]
fn polling_begins_with_more_listeners_than_its_channel_has_room_for() {
    check("counters");
}

#[test]
fn hooks_begin_with_more_listeners_than_their_channel_has_room_for() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    check("tracepoint");
}
