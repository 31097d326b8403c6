//! Root lent by sudo, on a host that opens processes which change their user
//! (`fs.suid_dumpable` at 1): the thread that makes files as the user who called
//! sudo is no way for that user into the rest. Runs in the guests of
//! `cargo xtask test`, because the setting is the whole host's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tool::attack::{REFUSED, attacks};
use tool::{NOBODY, tool};

const SETTING: &str = "/proc/sys/fs/suid_dumpable";

const PATIENCE: Duration = Duration::from_secs(120);

/// The thread that is nobody's: it waits for a reader of the ready file.
fn thread_of_nobody(child: &mut Child) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert_eq!(child.try_wait().unwrap(), None);
        for thread in fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().flatten() {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            if status.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}")) {
                return thread.file_name().into_string().unwrap();
            }
        }
        assert!(Instant::now() < deadline, "no thread makes the ready file");
        sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn the_thread_that_makes_files_is_closed_to_the_user_it_makes_them_for() {
    let before = fs::read_to_string(SETTING).unwrap();
    fs::write(SETTING, "1").unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let fifo = directory.path().join("ready");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for path in [fifo.as_path(), directory.path()] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut command = tool(&["hist", "--rung", "counters", "--ready-file", fifo.to_str().unwrap()]);
    command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let thread = thread_of_nobody(&mut child);
    // It has become nobody, and is about to wait.
    sleep(Duration::from_millis(500));
    let got = attacks(&thread);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(SETTING, before.trim()).unwrap();
    assert_eq!(got, REFUSED);
}
