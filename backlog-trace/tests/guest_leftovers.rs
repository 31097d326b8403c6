//! On a kernel that takes every hook: however an observation ends, nothing of
//! it stays attached. Runs in the guests of `cargo xtask test`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backlog_trace_model::failure::Exit;
use rustix::process::{Pid, Signal, kill_process};
use tool::{BTF, Circumstances, Loaded, beside_steps, tool, types_without};

const FENTRY: [&str; 2] = ["--rung", "fentry"];

/// Longer than any kernel takes to verify the programs, also an emulated one.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs it to its end; standard error holds these words, or nothing but the
/// steps of a slow start.
#[track_caller]
fn check(command: &mut Command, exit: Exit, words: &[&str]) {
    let before = Loaded::now();
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let shown = format!("{:?}: {}\n{said}", command.get_args(), output.status);
    assert_eq!(output.status.code(), Some(exit as i32), "{shown}");
    assert_eq!(beside_steps(&said).is_empty(), words.is_empty(), "{shown}");
    for word in words {
        assert!(said.contains(word), "{word} is not said: {shown}");
    }
    before.check_nothing_stayed(&shown);
}

/// Starts an observation without an end and waits until it is attached.
fn attached(directory: &Path, before: &Loaded) -> Child {
    let ready = directory.join("ready");
    let child = tool(&["hist", "--format", "json", "--ready-file", ready.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !ready.exists() {
        assert!(Instant::now() < deadline, "it does not attach");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Otherwise that nothing stays would mean nothing.
    let kinds = before.new_kinds();
    assert_eq!(kinds, ["link", "map", "program"], "what is attached is seen");
    std::fs::remove_file(ready).unwrap();
    child
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn whichever_signal_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    for (signal, code) in [(Signal::INT, Some(0)), (Signal::TERM, Some(0)), (Signal::KILL, None)] {
        let before = Loaded::now();
        let mut child = attached(directory.path(), &before);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), code, "{signal:?}");
        before.check_nothing_stayed(&signal);
    }
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn whatever_fails() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let unread = || std::io::pipe().unwrap().1;
    let brief = ["hist", "--duration", "1s"];
    check(&mut tool(&brief), Exit::Success, &[]);
    check(tool(&brief).stdout(full()), Exit::OutputFailed, &["cannot write to standard output"]);
    check(tool(&["hist"]).stdout(unread()), Exit::Success, &[]);
    check(&mut tool(&["live", "--", "no-such-command"]), Exit::CommandFailed, &["no-such-command"]);
    check(&mut tool(&["live", "--", "sh", "-c", "exit 3"]), Exit::Success, &["exit status: 3"]);
    let ready = ["hist", "--ready-file", "/nonexistent/ready"];
    check(&mut tool(&ready), Exit::OutputFailed, &["/nonexistent/ready"]);
    check(&mut tool(&["check"]), Exit::Success, &[]);
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn a_kernel_that_lacks_a_function() {
    let directory = tempfile::tempdir().unwrap();
    let brief = ["hist", "--duration", "1s"];
    let types = types_without("inet_csk_accept", directory.path());
    let seen = [(types.as_path(), BTF)];
    let missing = ["not visible on this kernel: connections accepted", "; why: backlog-trace check"];
    check(tool(&[&brief[..], &FENTRY].concat()).seeing(&seen), Exit::Success, &missing);
    check(tool(&[&["check"][..], &FENTRY].concat()).seeing(&seen), Exit::Reduced, &[]);
    let why = tool(&[&["check"][..], &FENTRY].concat()).seeing(&seen).output().unwrap().stdout;
    let why = String::from_utf8(why).unwrap();
    assert!(why.contains("this kernel has no function inet_csk_accept"), "{why}");
    // A kprobe needs no type.
    check(tool(&brief).seeing(&seen), Exit::Success, &[]);
    check(tool(&["check"]).seeing(&seen), Exit::Success, &[]);

    let types = types_without("tcp_check_req", directory.path());
    let seen = [(types.as_path(), BTF)];
    let words = ["the ack hook", "no function tcp_check_req"];
    check(tool(&[&brief[..], &FENTRY].concat()).seeing(&seen), Exit::KernelUnable, &words);
    check(tool(&[&["check"][..], &FENTRY].concat()).seeing(&seen), Exit::Nothing, &[]);
    check(tool(&["check"]).seeing(&seen), Exit::Success, &[]);
}

/// Each hook of `check` with the rung that it took.
fn rungs(command: &mut Command) -> Vec<(String, Option<String>)> {
    let output = command.args(["--format", "json"]).output().unwrap();
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let hooks = object["hooks"].as_array().unwrap().iter();
    hooks.map(|hook| (text(&hook["hook"]).unwrap(), text(&hook["rung"]))).collect()
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn the_best_rung_is_taken_unless_one_is_asked_for() {
    let all = |rung: &str, taken: Vec<(String, Option<String>)>| {
        assert!(taken.iter().all(|(_, own)| own.as_deref() == Some(rung)), "{rung}: {taken:?}");
    };
    all("fentry", rungs(&mut tool(&["check"])));
    for rung in ["fentry", "kprobe"] {
        all(rung, rungs(&mut tool(&["check", "--rung", rung])));
    }
}

/// All but accept(), or, on kernels whose tracepoints say too little, that.
#[test]
#[ignore = "for the kernels of the matrix"]
fn the_tracepoint_rung() {
    let tracepoint = ["--rung", "tracepoint"];
    let taken = rungs(&mut tool(&[&["check"], &tracepoint[..]].concat()));
    let on =
        |hook: &str| taken.iter().any(|(name, rung)| name == hook && rung.as_deref() == Some("tracepoint"));
    assert!(on("listen") && on("close") && on("synack") && !on("accept"), "{taken:?}");
    if on("syn") {
        assert!(["ack", "cookie", "request"].into_iter().all(on), "{taken:?}");
        check(&mut tool(&[&["check"], &tracepoint[..]].concat()), Exit::Reduced, &[]);
    } else {
        assert!(!["ack", "cookie", "request"].into_iter().any(on), "{taken:?}");
        let words = ["the syn hook", "consume_skb of this kernel does not say where a packet is freed"];
        check(&mut tool(&[&["hist"], &tracepoint[..]].concat()), Exit::KernelUnable, &words);
    }
}

/// The rung goes by where kernel functions are.
#[test]
#[ignore = "for the kernels of the matrix"]
fn addresses_are_hidden() {
    let directory = tempfile::tempdir().unwrap();
    let hidden = directory.path().join("kallsyms");
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap();
    let shown =
        symbols.lines().filter_map(|line| Some(format!("0000000000000000 {}\n", line.split_once(' ')?.1)));
    std::fs::write(&hidden, shown.collect::<String>()).unwrap();
    let seen = [(hidden.as_path(), "/proc/kallsyms")];
    // No other rung wants them.
    check(tool(&["check"]).seeing(&seen), Exit::Success, &[]);
    check(tool(&["check", "--rung", "tracepoint"]).seeing(&seen), Exit::Nothing, &[]);
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn what_would_be_attached_and_never_run_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let off = directory.path().join("off");
    std::fs::write(&off, "0\n").unwrap();
    let seen = [(off.as_path(), "/proc/sys/kernel/ftrace_enabled")];
    for rung in ["fentry", "kprobe"] {
        let words = ["the listen hook", "switched off: ftrace", "echo 1 > /proc/sys/kernel/ftrace_enabled"];
        check(tool(&["hist", "--rung", rung]).seeing(&seen), Exit::KernelUnable, &words);
        let taken = rungs(tool(&["check", "--rung", rung]).seeing(&seen));
        let attached: Vec<&str> =
            taken.iter().filter(|(_, rung)| rung.is_some()).map(|(hook, _)| hook.as_str()).collect();
        assert_eq!(attached, ["synack"], "{rung}");
    }
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn a_kernel_without_kprobes() {
    let directory = tempfile::tempdir().unwrap();
    let seen = [(directory.path(), "/sys/bus/event_source/devices")];
    check(tool(&["check"]).seeing(&seen), Exit::Success, &[]);
    check(tool(&["check", "--rung", "kprobe"]).seeing(&seen), Exit::Nothing, &[]);
    let words = ["the listen hook", "built without kprobes"];
    check(tool(&["hist", "--rung", "kprobe"]).seeing(&seen), Exit::KernelUnable, &words);
}
