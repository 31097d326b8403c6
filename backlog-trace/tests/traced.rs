//! The observing tool under its user's own hands: with ambient capabilities, as
//! in a unit with `User=` and `AmbientCapabilities=`, other processes of that
//! user must not get at what it may.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::CapabilitySet;
use tool::attack::{REFUSED, attacks};
use tool::skipped::skipped;
use tool::{Circumstances, NOBODY, may_be_nobody, tool};

/// What observing keeps, and nothing that attaching takes.
const KEPT: CapabilitySet = CapabilitySet::SYS_ADMIN;

const PATIENCE: Duration = Duration::from_secs(60);

fn nobodys(command: &mut Command, capabilities: CapabilitySet) -> Child {
    command.as_nobody_with(capabilities).stdout(Stdio::null()).spawn().unwrap()
}

fn end(mut child: Child, signal: Signal) {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap();
}

fn wait_for(what: &Path, child: &mut Child) {
    let deadline = Instant::now() + PATIENCE;
    while !what.exists() {
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(Instant::now() < deadline, "no {}", what.display());
        sleep(Duration::from_millis(10));
    }
}

fn directory_of_nobody() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    directory
}

/// Also of its threads that have given up every capability, and which the
/// kernel would therefore let anybody of the same user trace
/// (`cap_ptrace_access_check()`): they share memory with the one that observes.
#[test]
fn no_process_of_the_same_user_traces_it_or_opens_its_memory() {
    if let Err(why) = may_be_nobody(&tool(&[])) {
        return skipped(why);
    }
    let plain = nobodys(Command::new("/bin/sleep").arg("60"), CapabilitySet::empty());
    let possible = attacks(&plain.id().to_string());
    end(plain, Signal::KILL);
    if possible != (None, None) {
        return skipped(&format!("nobody may not trace any process here: {possible:?}"));
    }
    let directory = directory_of_nobody();
    let ready = directory.path().join("ready");
    let arguments = ["hist", "--rung", "counters", "--ready-file", ready.to_str().unwrap()];
    let mut observes = nobodys(&mut tool(&arguments), KEPT);
    wait_for(&ready, &mut observes);
    // Each thread has given up what it gives up.
    sleep(Duration::from_millis(500));
    let threads: Vec<String> = fs::read_dir(format!("/proc/{}/task", observes.id()))
        .unwrap()
        .map(|thread| thread.unwrap().file_name().into_string().unwrap())
        .collect();
    let got: Vec<_> = threads.iter().map(|thread| attacks(thread)).collect();
    end(observes, Signal::INT);
    assert!(threads.len() >= 3, "{threads:?}");
    assert!(got.iter().all(|got| *got == REFUSED), "{got:?}");
}

/// What the observation is closed to is no concern of the command's: its files
/// in /proc are its user's.
#[test]
fn the_command_can_be_traced_as_without_the_tool() {
    if let Err(why) = may_be_nobody(&tool(&[])) {
        return skipped(why);
    }
    let directory = directory_of_nobody();
    let (tools, commands) = (directory.path().join("tool"), directory.path().join("command"));
    let script = format!(
        "stat -c %u /proc/$PPID/environ >{}; stat -c %u /proc/$$/environ >{}",
        tools.display(),
        commands.display()
    );
    let status = tool(&["hist", "--rung", "counters", "--", "sh", "-c", &script])
        .as_nobody_with(KEPT)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let owner = |path: &Path| fs::read_to_string(path).unwrap().trim().parse::<u32>().unwrap();
    assert_eq!((owner(&tools), owner(&commands)), (0, NOBODY));
}
