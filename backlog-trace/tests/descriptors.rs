//! The limit on open files: raised for the observation, passed on as it was to
//! the command after `--`, and named where it leaves no room for a namespace.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};
use std::thread;

use backlog_trace::recording_file;
use backlog_trace_model::event::Event;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::{Circumstances, tool};

/// More than there is room for below the usual soft limit of 1024, however few
/// descriptors each takes.
const NAMESPACES: usize = 600;

/// A network namespace that lives through this process's descriptor, with a
/// listener in it.
struct Inhabited {
    door: File,
    _listener: TcpListener,
}

impl Inhabited {
    fn make() -> Self {
        let inside = || {
            #[expect(unsafe_code, reason = "unshare has no safe form, though this flag is harmless")]
            // SAFETY: the file table, about which the function warns, is not touched.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            let door = File::open("/proc/thread-self/ns/net").unwrap();
            Self { door, _listener: TcpListener::bind("0.0.0.0:0").unwrap() }
        };
        thread::scope(|scope| scope.spawn(inside).join().unwrap())
    }

    fn inode(&self) -> u32 {
        u32::try_from(self.door.metadata().unwrap().ino()).unwrap()
    }
}

/// As many of them.
fn namespaces() -> Vec<Inhabited> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    (0..NAMESPACES).map(|_| Inhabited::make()).collect()
}

fn with_limits(mut command: Command, soft: u64, hard: u64) -> Command {
    command.in_child(move || {
        setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: Some(hard) }).map_err(Into::into)
    });
    command
}

/// Records for a moment below these limits. Says in how many of the namespaces
/// a listener was seen, and what was said; by hooks, where they were asked for.
#[track_caller]
fn record(rung: &str, inhabited: &[Inhabited], soft: u64, hard: u64) -> (usize, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("descriptors.trace");
    let arguments =
        ["record", "--rung", rung, "--duration", "300ms", "--overwrite", "-o", path.to_str().unwrap()];
    let Output { status, stderr, .. } = with_limits(tool(&arguments), soft, hard).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{rung}, {soft} of {hard}: {status} {said}");
    let reader = recording_file::open(&path).unwrap();
    assert_eq!(reader.session().is_polled(), rung == "counters", "{said}");
    let seen: BTreeSet<u32> = reader
        .filter_map(|event| if let Event::Listener(listener) = event { Some(listener.netns) } else { None })
        .collect();
    (inhabited.iter().filter(|one| seen.contains(&one.inode())).count(), said)
}

#[test]
fn the_soft_limit_is_raised_and_the_hard_one_is_named_where_it_binds() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let inhabited = namespaces();
    for rung in ["tracepoint", "counters"] {
        let (seen, said) = record(rung, &inhabited, 1024, 8192);
        assert_eq!(seen, NAMESPACES, "{rung}: {said}");
        assert!(!said.contains("open files"), "{rung}: {said}");

        let (seen, said) = record(rung, &inhabited, 512, 1024);
        // Two descriptors each, and some for everything else.
        assert!((300..500).contains(&seen), "{rung}: {seen} of {NAMESPACES}\n{said}");
        assert!(said.contains("the limit on open files (ulimit -n) is 1024"), "{rung}: {said}");
        assert!(said.contains("ulimit -Hn"), "{rung}: {said}");
    }
    let check = with_limits(tool(&["check"]), 512, 1024).output().unwrap();
    let printed = String::from_utf8(check.stdout).unwrap();
    let shown = format!("{printed}\n{}\n{} held", String::from_utf8_lossy(&check.stderr), inhabited.len());
    assert!(printed.contains("the limit on open files (ulimit -n) is 1024"), "{shown}");
}

#[test]
fn the_command_has_the_limit_that_the_user_has() {
    let arguments =
        ["hist", "--rung", "counters", "--", "/bin/sh", "-c", "echo limits $(ulimit -Sn) $(ulimit -Hn)"];
    let output = with_limits(tool(&arguments), 300, 1000).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("limits 300 1000"), "{printed}");
}
