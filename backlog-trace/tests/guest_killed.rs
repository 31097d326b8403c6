//! Killed in the middle of whatever it does, it leaves nothing: no program,
//! map or link, no namespace, no process, no temporary file. Runs in the guests of
//! `cargo xtask test`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tool::{Loaded, tool};

/// Longer than any kernel takes to verify the programs, also an emulated one.
const PATIENCE: Duration = Duration::from_secs(120);

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until something holds of what has come, or of the file system.
#[track_caller]
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills it and looks whether anything is left.
#[track_caller]
fn kill(mut child: Child, before: &Loaded, amid: &str) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it had ended already: {amid}");
    before.check_nothing_stayed(&amid);
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn amid_attaching() {
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    for rung in ["fentry", "kprobe"] {
        for kind in ["map", "program", "link"] {
            let before = Loaded::everything();
            let arguments = ["hist", "--rung", rung, "--ready-file", ready.to_str().unwrap()];
            let child = start(&mut tool(&arguments));
            // A kprobe of a kernel before 5.15 hangs on a descriptor that has no id.
            let kind = if rung == "kprobe" && kind == "link" { "program" } else { kind };
            until(kind, || before.new_kinds().contains(&kind));
            assert!(!ready.exists(), "it is attached already");
            kill(child, &before, &format!("attaching by {rung}, the first {kind}"));
        }
    }
}

/// A listener that is full, and connections to it until it is told to stop.
fn flood(stop: &std::sync::atomic::AtomicBool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        // It is in progress, and most of them are refused.
        let _ = rustix::net::connect(&socket, &address);
        socket
    };
    let _held = [connect(), connect()];
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        drop(connect());
    }
}

#[track_caller]
fn check_amid_flood(arguments: &[&str], amid: &str, ready: &Path, is_under_way: impl FnMut() -> bool) {
    let before = Loaded::everything();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let child = start(&mut tool(arguments));
        until("it is attached", || ready.exists());
        std::fs::remove_file(ready).unwrap();
        scope.spawn(|| flood(&stop));
        until(amid, is_under_way);
        std::thread::sleep(Duration::from_millis(300));
        kill(child, &before, amid);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn amid_a_flood_and_a_recording() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let ready = path("ready");
    for rung in ["fentry", "kprobe", "counters"] {
        let arguments = ["live", "--rung", rung, "--ready-file", ready.to_str().unwrap()];
        check_amid_flood(&arguments, &format!("a flood on {rung}"), &ready, || true);

        let file = path(rung);
        let arguments =
            ["record", "--rung", rung, "-o", file.to_str().unwrap(), "--ready-file", ready.to_str().unwrap()];
        let size = || std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        check_amid_flood(&arguments, &format!("a recording on {rung}"), &ready, || size() > 2000);
        // The recording is no leftover: what is in it can be read.
        let report = tool(&["report", file.to_str().unwrap()]).output().unwrap();
        let text = String::from_utf8(report.stdout).unwrap();
        assert!(report.status.success() && text.contains("incomplete recording: "), "{text}");
    }
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn amid_a_selftest() {
    // Both take seconds: others can be over before they are looked at. From
    // where the tool attaches to where nginx starts and the load has begun.
    for (scenario, moment) in [
        ("demo", 0),
        ("demo", 300),
        ("packaged_server", 0),
        ("packaged_server", 50),
        ("packaged_server", 1000),
    ] {
        let before = Loaded::everything();
        let programs = ["--with", "nginx=/usr/sbin/nginx", "--with", "wrk=/usr/bin/wrk"];
        let child = start(tool(&["selftest", "--rung", "counters"]).args(programs).arg(scenario));
        until("its namespaces", || before.new_kinds().contains(&"namespace"));
        std::thread::sleep(Duration::from_millis(moment));
        kill(child, &before, &format!("the scenario {scenario}, {moment} ms on"));
    }
}
