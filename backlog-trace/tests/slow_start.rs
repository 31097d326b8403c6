//! A start that takes long, or for ever, because the kernel answers late: it
//! says what it is doing, and a signal ends it at once, wherever it is.
//!
//! What answers never is a FIFO in the place of a kernel file: to open it
//! waits for a writer.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use backlog_trace_model::failure::Exit;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::{BTF, Circumstances, tool};

const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

/// Longer than a start is silent (2 s).
const LONG: Duration = Duration::from_millis(2_600);

/// How long the end may take on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// Starts it where `file` never answers, waits so long, ends it by the signal:
/// how it ended, how long that took, what it said.
fn interrupted(
    arguments: &[&str],
    file: &str,
    after: Duration,
    signal: Signal,
) -> (ExitStatus, Duration, String) {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut child = tool(arguments)
        .seeing(&[(fifo.as_path(), file)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sleep(after);
    assert!(child.try_wait().unwrap().is_none(), "{arguments:?} does not wait for {file}");
    let asked = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let status = ended(&mut child);
    let took = asked.elapsed();
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    (status, took, said)
}

/// Waits, but not for ever.
fn ended(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap()
}

#[track_caller]
fn check(arguments: &[&str], file: &str, signal: Signal, step: &str) {
    let (status, took, said) = interrupted(arguments, file, LONG, signal);
    let shown = format!("{arguments:?} {signal:?}: {status}\n{said}");
    assert_eq!(status.code(), Some(Exit::Success as i32), "{shown}");
    assert!(took < AT_ONCE, "{took:?} {shown}");
    assert!(said.contains(step), "{step} is not said: {shown}");
    assert!(said.contains("interrupted before everything was attached: nothing was observed"), "{shown}");
}

#[test]
fn it_is_said_what_takes_long_and_a_signal_ends_it() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let hist = ["hist", "--format", "json"];
    let polled = ["live", "--rung", "counters"];
    let filtered = ["live", "--port", "1"];
    check(&hist, BTF, Signal::INT, "reading the kernel's types");
    check(&hist, BTF, Signal::TERM, "reading the kernel's types");
    check(&hist, BTF, Signal::HUP, "reading the kernel's types");
    check(&polled, SOMAXCONN, Signal::INT, "looking for network namespaces");
    // The names of a filter are looked up before anything is attached.
    check(&filtered, SOMAXCONN, Signal::TERM, "looking for network namespaces");
}

#[test]
fn a_short_start_says_nothing() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let (status, _, said) = interrupted(&["hist"], BTF, Duration::from_millis(700), Signal::INT);
    assert!(status.success(), "{status}\n{said}");
    assert!(!said.contains('…'), "{said}");
}

/// Nothing was observed: no file with nothing in it is left behind.
#[test]
fn a_recording_that_never_began_leaves_no_file() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("never.trace");
    let record = ["record", "-o", path.to_str().unwrap()];
    let (status, _, said) = interrupted(&record, BTF, Duration::from_millis(700), Signal::INT);
    assert!(status.success(), "{status}\n{said}");
    assert!(!Path::exists(&path), "{} bytes", fs::metadata(&path).unwrap().len());
}

/// Whoever reads the ready file may come late.
#[test]
fn a_ready_file_that_nobody_reads_yet_can_be_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("ready");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let arguments = ["hist", "--rung", "counters", "--ready-file", fifo.to_str().unwrap()];
    let mut child = tool(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_millis(1_000));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(ended(&mut child).code(), Some(Exit::Success as i32));
}
