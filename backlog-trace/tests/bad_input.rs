//! What the program cannot do: each case gives one clear sentence with what to
//! do, its documented exit code, and leaves nothing in the kernel.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
#[path = "../../backlog-trace-model/tests/scene/mod.rs"]
mod scene;
#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use backlog_trace::RUNGS;
use backlog_trace::recording_file::{self, Overwrite};
use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::Exit;
use backlog_trace_model::trace::format::{FILE_HEADER, FileHeader, RecordingId, VERSION, Version};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::thread::CapabilitySet;
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::{BTF, Circumstances, Loaded, NOBODY, beside_steps, may_be_nobody, tool, types_without};
use zerocopy::IntoBytes;

/// An observation that must not fall back to polling.
const HOOKED: &[&str] = &["hist", "--rung", "fentry"];

/// What a person must never read: traces of the program's inside.
const INSIDE: [&str; 9] =
    ["panicked", "RUST_BACKTRACE", "Failure {", "Os {", "Error {", "Some(", "Err(", "{ kind:", "unwrap"];

/// Fails with this code, prints no result, and says one sentence with these
/// words and one line of advice.
#[track_caller]
fn check(command: &mut Command, exit: Exit, words: &[&str]) {
    let before = Loaded::now();
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = beside_steps(&String::from_utf8(stderr).unwrap());
    let shown = format!("{:?}: {status}\n{said}", command.get_args());
    assert_eq!(status.code(), Some(exit as i32), "{shown}");
    assert_eq!(String::from_utf8(stdout).unwrap(), "", "{shown}");
    check_sentence(&said, exit, &shown);
    for word in words {
        assert!(said.contains(word), "{word} is not said: {shown}");
    }
    before.check_nothing_stayed(&shown);
}

#[track_caller]
fn check_sentence(said: &str, exit: Exit, shown: &str) {
    for trace in INSIDE {
        assert!(!said.contains(trace), "{trace} is said: {shown}");
    }
    if said.starts_with("error: ") {
        assert_eq!(exit, Exit::Usage, "clap speaks of the command line alone: {shown}");
        assert!(said.contains("--help"), "no advice: {shown}");
        return;
    }
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("backlog-trace: ") && !lines[0].ends_with('.'), "{shown}");
    let advice = &lines[1..];
    assert!(!advice.is_empty(), "no advice: {shown}");
    assert!(advice.iter().all(|line| line.starts_with("  ") && !line.trim().is_empty()), "{shown}");
}

#[test]
fn the_command_line() {
    for (arguments, words) in [
        (&["hist", "--reason", "sin"][..], &["\"sin\"", "did you mean syn?", "--help"][..]),
        (&["live", "--reason", "syn/queue_full"], &["syn/queue_full", "did you mean syn/syn_queue_full?"]),
        (&["listeners", "--reason", "syn"], &["--reason syn"]),
        (&["live", "--duration", "10"], &["10s, 5m or 1h"]),
        (&["hist", "--duration", "soon"], &["'soon'"]),
        (&["hist", "--duration=-1s"], &["above 0"]),
        (&["hist", "--interval", "0s"], &["above 0"]),
        (&["hist", "--port", "99999"], &["'99999' is no port: ports end at 65535"]),
        (&["hist", "--port", "80,htp"], &["'htp' is no port", "8000-8100"]),
        (&["listeners", "--port", "8100-8000"], &["write 8000-8100"]),
        (&["hist", "--address", "localhost"], &["'localhost' is no address", "10.0.0.7"]),
        (&["hist", "--pid", "nginx"], &["'nginx' is no process number"]),
        (&["hist", "--cgroup", "a["], &["'a[' is no pattern"]),
        (&["report", "--port", "ftps-"], &["'ftps-' is no port"]),
        (&["live", "--ring-mib", "3"], &["power of two"]),
        (&["live", "--ring-mib", "4096"], &["power of two"]),
        (&["live", "--rung", "uprobe"], &["fentry, kprobe, tracepoint, counters"]),
        (&["live", "--format", "xml"], &["text, json"]),
        (&["record"], &["--output <FILE>"]),
        (&["report"], &["FILE"]),
        (&["hsit"], &["hist"]),
        (&["selftest", "no-such-scenario"], &["no-such-scenario"]),
    ] {
        check(&mut tool(arguments), Exit::Usage, words);
    }
}

#[test]
fn a_rung_that_this_build_lacks() {
    let lacks = |rung: &&Rung| !RUNGS.contains(rung) && **rung != Rung::Counters;
    for rung in Rung::ALL.iter().filter(lacks) {
        let words = [rung.name(), "it has: fentry, kprobe, tracepoint"];
        check(&mut tool(&["hist", "--rung", rung.name()]), Exit::KernelUnable, &words);
    }
}

#[test]
fn what_is_named_and_does_not_exist() {
    for command in ["live", "hist", "listeners"] {
        // Above the highest pid that a kernel gives.
        check(&mut tool(&[command, "--pid", "4194305"]), Exit::NotFound, &["process 4194305"]);
        check(&mut tool(&[command, "--netns", "1"]), Exit::NotFound, &["namespace 1"]);
        check(&mut tool(&[command, "--netns", "no-such"]), Exit::NotFound, &["no-such"]);
        check(&mut tool(&[command, "--netns", "/etc/passwd"]), Exit::NotFound, &["/etc/passwd"]);
    }
}

#[test]
fn a_command_that_cannot_be_run() {
    check(&mut tool(&["live", "--", "no-such-command"]), Exit::CommandFailed, &["no-such-command"]);
    check(&mut tool(&["hist", "--format", "json", "--", "./no-such"]), Exit::CommandFailed, &["./no-such"]);
    check(&mut tool(&["hist", "--", "/etc/passwd"]), Exit::CommandFailed, &["not executable"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.trace");
    let record = ["record", "-o", path.to_str().unwrap(), "--", "no-such-command"];
    check(&mut tool(&record), Exit::CommandFailed, &["no-such-command"]);
    assert!(!path.exists(), "an empty recording is left");
}

#[test]
fn a_recording_that_cannot_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let precious = directory.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    // What is no regular file; not one of /dev, which a fault could remove.
    let pipe = directory.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let (folder, file) = (directory.path().to_str().unwrap(), precious.to_str().unwrap());
    for (path, word) in [
        ("/nonexistent/x", "No such file or directory"),
        (folder, "is a directory"),
        (file, "File exists"),
        ("/etc/passwd/x", "Not a directory"),
        (pipe.to_str().unwrap(), "File exists"),
    ] {
        check(&mut tool(&["record", "-o", path]), Exit::OutputFailed, &[path, word]);
    }
    check(&mut tool(&["record", "--overwrite", "-o", folder]), Exit::OutputFailed, &["is a directory"]);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(pipe.exists());
}

/// A recording that lasted ten seconds.
fn recording(directory: &Path) -> PathBuf {
    let path = directory.join("overload.trace");
    let mut writer = recording_file::begin(&path, Overwrite::Refuse).unwrap();
    scene::overload().iter().for_each(|event| writer.write(event).unwrap());
    writer.finish().unwrap();
    path
}

#[test]
fn a_file_that_is_no_recording() {
    let directory = tempfile::tempdir().unwrap();
    let whole = fs::read(recording(directory.path())).unwrap();
    let header = FileHeader::new(Version { major: VERSION.major + 1, minor: 0 }, RecordingId(1));
    let newer = [header.as_bytes(), &whole[FILE_HEADER..]].concat();
    for (name, content, word) in [
        ("empty", &b""[..], "is empty"),
        ("text", b"10:00:01 0.0.0.0:8080 nginx\n", "is no recording"),
        ("newer", &newer, "reads format 1.x"),
        ("header", &whole[..FILE_HEADER], "ends before anything was recorded"),
        ("cut", &whole[..FILE_HEADER + 40], "ends before anything was recorded"),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        check(
            &mut tool(&["report", path.to_str().unwrap()]),
            Exit::BadInput,
            &[path.to_str().unwrap(), word],
        );
    }
    check(&mut tool(&["report", "/no/such/file"]), Exit::BadInput, &["/no/such/file", "No such file"]);
    check(&mut tool(&["report", "/dev/null"]), Exit::BadInput, &["/dev/null is empty"]);
    // Nothing is piped in.
    check(&mut tool(&["report", "-"]), Exit::BadInput, &["standard input is empty"]);
    check(&mut tool(&["report", "/"]), Exit::BadInput, &["Is a directory"]);
    check(&mut tool(&["report", env!("CARGO_BIN_EXE_backlog-trace")]), Exit::BadInput, &["no recording"]);
}

/// Whatever is cut off a recording, what is left is printed with what it lacks.
#[test]
fn a_truncated_recording() {
    let directory = tempfile::tempdir().unwrap();
    let path = recording(directory.path());
    let whole = fs::read(&path).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, whole.len() / 3] {
        fs::write(&path, &whole[..length]).unwrap();
        let output = tool(&["report", path.to_str().unwrap()]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{length}: {text}");
        assert!(text.contains("incomplete recording: "), "{length}: {text}");
    }
}

/// Commands that print without anything attached.
fn printing(directory: &Path) -> Vec<Vec<String>> {
    let file = recording(directory).to_str().unwrap().to_owned();
    ["--help", "--version", "hist --help", "listeners", "listeners --format json", "selftest --list", "check"]
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .into_iter()
        .chain([
            vec!["report".to_owned(), file.clone()],
            vec!["report".to_owned(), "--events".to_owned(), file],
        ])
        .collect()
}

#[test]
fn an_output_that_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in printing(directory.path()) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = tool(&arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let shown = format!("{arguments:?}: {}\n{said}", output.status);
        assert_eq!(output.status.code(), Some(Exit::OutputFailed as i32), "{shown}");
        // `listeners` may say before what it could not see.
        let from = said.find("backlog-trace: cannot write to standard output: No space").unwrap_or(0);
        check_sentence(&said[from..], Exit::OutputFailed, &shown);
    }
}

#[test]
fn an_output_that_nobody_reads() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in printing(directory.path()) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = tool(&arguments).stdout(writer).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        // What `check` found out is worth its code, whoever reads the rest.
        let expected = [0, 20, 21].map(Some);
        let allowed = if arguments == ["check"] { &expected[..] } else { &expected[..1] };
        assert!(allowed.contains(&output.status.code()), "{arguments:?}: {}\n{said}", output.status);
        // What could not be read is said all the same, with what to do.
        let quiet = said.lines().all(|line| {
            line.contains("hidden: owners show as '-'")
                || line.contains("may not be looked into")
                || line.starts_with("  ")
        });
        assert!(quiet, "{arguments:?}: {said}");
    }
}

#[test]
fn privileges_that_are_missing() {
    const NO_BPF: &[CapabilitySet] = &[CapabilitySet::BPF, CapabilitySet::SYS_ADMIN];
    const NO_PERFMON: &[CapabilitySet] = &[CapabilitySet::PERFMON, CapabilitySet::SYS_ADMIN];
    if !is_root() {
        check(&mut tool(HOOKED), Exit::NotPermitted, &["CAP_BPF", "CAP_PERFMON", "root"]);
        return skipped("what root lacks without a capability needs root");
    }
    for command in ["live", "hist"] {
        let hooked = || tool(&[command, "--rung", "fentry"]);
        check(hooked().without(NO_BPF), Exit::NotPermitted, &["CAP_BPF", "root"]);
        check(hooked().without(NO_PERFMON), Exit::NotPermitted, &["CAP_PERFMON", "root"]);
        check(hooked().in_user_namespace(), Exit::NotPermitted, &["user namespace", "host"]);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.trace");
    let record = ["record", "--rung", "fentry", "-o", path.to_str().unwrap()];
    check(tool(&record).without(NO_BPF), Exit::NotPermitted, &["CAP_BPF"]);
    assert!(!path.exists(), "an empty recording is left");
    check_trial(tool(&["check", "--format", "json"]).without(NO_BPF), Exit::Nothing, &["CAP_BPF", "untried"]);
}

#[test]
fn nobody() {
    let mut command = tool(HOOKED);
    command.uid(NOBODY).gid(NOBODY);
    if let Err(why) = may_be_nobody(&command) {
        return skipped(why);
    }
    check(&mut command, Exit::NotPermitted, &["CAP_BPF", "CAP_PERFMON", "root"]);
    let mut command = tool(&["check", "--format", "json"]);
    check_trial(
        command.uid(NOBODY).gid(NOBODY),
        Exit::Nothing,
        &["CAP_PERFMON", "untried", "CAP_SYS_PTRACE"],
    );
    let listeners = tool(&["listeners"]).uid(NOBODY).gid(NOBODY).output().unwrap();
    assert_eq!(listeners.status.code(), Some(0), "it needs no privilege: {listeners:?}");
}

#[test]
fn kernels_that_cannot() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let folder = directory.path().join("empty");
    fs::create_dir(&folder).unwrap();
    let bare =
        [&0xeb9f_u16.to_le_bytes()[..], &[1, 0], &24_u32.to_le_bytes(), &[0; 12], &1_u32.to_le_bytes(), &[0]];
    let release = "/proc/sys/kernel/osrelease";
    for (path, place, words) in [
        (folder, "/sys/kernel/btf", &["there is no /sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"][..]),
        (file("nothing", b""), BTF, &["BTF is damaged"]),
        (file("text", b"no types at all"), BTF, &["BTF is damaged"]),
        (file("bare", &bare.concat()), BTF, &["types are not as expected", "struct sock"]),
        (types_without("sk_ack_backlog", directory.path()), BTF, &["sk_ack_backlog", "uname -a"]),
        (file("old", b"4.19.0-27-amd64\n"), release, &["4.19.0-27-amd64", "5.10"]),
    ] {
        let seen = [(path.as_path(), place)];
        check(tool(HOOKED).seeing(&seen), Exit::KernelUnable, words);
        check_trial(tool(&["check"]).seeing(&seen), Exit::Nothing, &words[..1]);
    }
}

/// `check` prints what it found, in whatever circumstances, and nothing else.
#[track_caller]
fn check_trial(command: &mut Command, exit: Exit, words: &[&str]) {
    let before = Loaded::now();
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap();
    let shown = format!("{status}\n{text}{}", String::from_utf8(stderr.clone()).unwrap());
    assert_eq!((status.code(), stderr.len()), (Some(exit as i32), 0), "{shown}");
    for word in words.iter().chain(&["kernel", "listen", "synack"]) {
        assert!(text.contains(word), "{word} is not said: {shown}");
    }
    before.check_nothing_stayed(&shown);
}

#[test]
fn a_check_of_this_machine_leaves_nothing() {
    let before = Loaded::now();
    let output = tool(&["check", "--format", "json"]).output().unwrap();
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = ["full", "reduced", "nothing"].into_iter().zip([0, 20, 21]);
    let expected = verdict.into_iter().find(|(verdict, _)| object["verdict"] == *verdict);
    assert_eq!(output.status.code(), expected.map(|(_, code)| code), "{object}");
    assert!(output.stderr.is_empty(), "{output:?}");
    before.check_nothing_stayed(&object);
}
