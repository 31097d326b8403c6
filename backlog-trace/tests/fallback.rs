//! Where nothing can be attached, sockets and counters are polled: the reason
//! is said and saved, the exit code says that less was seen than asked for,
//! and whoever asks for polling gets it as nobody too.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use backlog_trace_model::failure::Exit;
use rustix::thread::CapabilitySet;
use serde_json::Value;
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::{BTF, Circumstances, Loaded, NOBODY, may_be_nobody, tool};

const NO_BPF: &[CapabilitySet] = &[CapabilitySet::BPF, CapabilitySet::SYS_ADMIN];
const BRIEF: [&str; 5] = ["hist", "--format", "json", "--duration", "300ms"];

/// Ends with this code and polls; these words are said and saved as the
/// reason why, none where it was asked for.
#[track_caller]
fn check(command: &mut Command, exit: Exit, words: &[&str]) {
    let before = Loaded::now();
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    let shown = format!("{:?}: {status}\n{said}", command.get_args());
    assert_eq!(status.code(), Some(exit as i32), "{shown}");
    assert_eq!(said.contains("polled instead"), exit == Exit::Reduced, "{shown}");
    let object: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!((&object["polled"], &object["complete"]), (&true.into(), &true.into()), "{object}");
    for hook in object["hooks"].as_array().unwrap() {
        let (rung, why) = (&hook["rung"], hook["why"].as_str().unwrap_or_default());
        assert!(rung.is_null() || *rung == "counters", "{hook}");
        for word in words {
            assert!(rung.is_null() || why.contains(word), "{word} is not saved: {hook}");
            assert!(said.contains(word), "{word} is not said: {shown}");
        }
    }
    assert!(!object["audit"].as_array().unwrap().is_empty(), "{object}");
    before.check_nothing_stayed(&shown);
}

#[test]
fn whoever_asks_for_it() {
    check(tool(&BRIEF).args(["--rung", "counters"]), Exit::Success, &[]);
    let mut nobody = tool(&BRIEF);
    nobody.args(["--rung", "counters"]).uid(NOBODY).gid(NOBODY);
    if let Err(why) = may_be_nobody(&nobody) {
        return skipped(why);
    }
    check(&mut nobody, Exit::Success, &[]);
}

#[test]
fn a_privilege_is_missing() {
    if !is_root() {
        check(&mut tool(&BRIEF), Exit::Reduced, &["CAP_BPF", "CAP_PERFMON"]);
        return skipped("what root lacks without a capability needs root");
    }
    check(tool(&BRIEF).without(NO_BPF), Exit::Reduced, &["without CAP_BPF"]);
    check(tool(&BRIEF).in_user_namespace(), Exit::Reduced, &["user namespace"]);
    let mut nobody = tool(&BRIEF);
    nobody.uid(NOBODY).gid(NOBODY);
    if let Err(why) = may_be_nobody(&nobody) {
        return skipped(why);
    }
    check(&mut nobody, Exit::Reduced, &["CAP_BPF", "CAP_PERFMON"]);
}

#[test]
fn the_kernel_cannot() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let seen = [(empty.as_path(), "/sys/kernel/btf")];
    check(tool(&BRIEF).seeing(&seen), Exit::Reduced, &["there is no /sys/kernel/btf/vmlinux"]);
    let text = directory.path().join("text");
    fs::write(&text, "no types at all").unwrap();
    check(tool(&BRIEF).seeing(&[(text.as_path(), BTF)]), Exit::Reduced, &["BTF is damaged"]);
    fs::write(&text, "4.19.0-27-amd64\n").unwrap();
    let seen = [(text.as_path(), "/proc/sys/kernel/osrelease")];
    check(tool(&BRIEF).seeing(&seen), Exit::Reduced, &["4.19.0-27-amd64"]);
}

/// A recording of it says the same as the observation did.
#[test]
fn it_is_recorded_as_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("polled.trace");
    let path = path.to_str().unwrap();
    let record = ["record", "--rung", "counters", "--duration", "300ms", "--format", "json", "-o", path];
    check(&mut tool(&record), Exit::Success, &[]);
    check(&mut tool(&["report", "--format", "json", path]), Exit::Success, &[]);
    let text = tool(&["report", path]).output().unwrap();
    assert!(String::from_utf8(text.stdout).unwrap().contains("polled: sockets and counters"));
}
