//! What each command does in circumstances that a host or a container may put
//! it into: one sentence that names the cause and what to do, a documented exit
//! code, within a time; never a panic, an abort, a signal or a hang.
//!
//! Proved elsewhere: capabilities (bad_input.rs, guest_privileges.rs), no /proc,
//! hidepid, no cgroups, no somaxconn, no sock_diag, a PID namespace (sources.rs,
//! guest_sources.rs), hundreds of namespaces at a limit on open files
//! (descriptors.rs), standard output that is closed or full, limits on file
//! sizes, signals (ends.rs), lockdown (guest_lockdown.rs).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod circumstance;
#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use backlog_trace_model::failure::Exit;
use circumstance::{Make, Row, Then, limits, places, sandbox, surroundings};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with};
use rustix::process::{Pid, Signal, kill_process};
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::tool;

/// How long one run may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a person must never read.
const INSIDE: [&str; 5] =
    ["panicked", "RUST_BACKTRACE", "stack overflow", "memory allocation of", "please report"];

/// Of a row, what is expected of a call.
type Expected = fn(&Row) -> Then;

/// A way to call the program, and what is expected of it.
const CALLS: [(&str, Expected); 5] = [
    ("check", |row| row.check),
    ("listeners", |row| row.listeners),
    ("hist --duration 100ms", |row| row.observe),
    ("record --duration 100ms -o NEW", |row| row.record.unwrap_or(row.observe)),
    ("report RECORDING", |row| row.report),
];

/// Its output, or that it took too long.
fn run(command: &mut Command) -> Result<Output, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| format!("could not be started: {error}"))?;
    let pid = Pid::from_child(&child);
    let (sender, ended) = channel();
    let waiting = thread::spawn(move || sender.send(child.wait_with_output()));
    let output = match ended.recv_timeout(PATIENCE) {
        Ok(output) => output.map_err(|error| error.to_string()),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            // It has not been waited for, so the number is still its own.
            let _ = kill_process(pid, Signal::KILL);
            Err(format!("hung for {PATIENCE:?}"))
        }
    };
    let _ = waiting.join();
    output
}

/// What is wrong with how it ended; `usual` is its code without circumstances.
fn fault(call: &str, then: Then, usual: Option<i32>, output: &Output) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    let is_check = call == "check";
    let Some(code) = output.status.code() else { return Some("a signal ended it".to_owned()) };
    if let Some(inside) = INSIDE.iter().find(|inside| said.contains(**inside)) {
        return Some(format!("says '{inside}'"));
    }
    let is = |exit: Exit| code == exit as i32;
    let polled = if is_check { is(Exit::Nothing) } else { is(Exit::Reduced) };
    let failed = is(Exit::NoRoom) && advises(&said);
    let (is_right, words) = match then {
        Then::Works => (Some(code) == usual, &[][..]),
        // Where a source is missing, `check` ends so.
        Then::Says(words) => (Some(code) == usual || is_check && is(Exit::Reduced), words),
        Then::Polls(words) => (polled, words),
        // Without words there is nobody to read them.
        Then::Fails(exit, words) => (is(exit) && (words.is_empty() || advises(&said)), words),
        // At the least, sockets can be listed.
        Then::PollsOrFails(_) if call == "listeners" && is(Exit::Success) => return None,
        Then::PollsOrFails(words) => (polled || failed, words),
    };
    if !is_right {
        return Some(format!("ended with {code}, {then:?} expected, {usual:?} usual"));
    }
    // What `check` finds is its result, in lines as wide as a terminal.
    let all = format!("{printed} {said}").split_whitespace().collect::<Vec<_>>().join(" ");
    let heard = if is_check { all } else { said };
    words.iter().find(|word| !heard.contains(**word)).map(|word| format!("does not say '{word}'"))
}

/// One sentence, and below it what to do.
fn advises(said: &str) -> bool {
    let mut lines = said.lines().skip_while(|line| !line.starts_with("backlog-trace: "));
    lines.next().is_some() && lines.any(|line| line.starts_with("  "))
}

/// Every row, every command; all that is wrong is told at once.
#[track_caller]
fn check(rows: fn() -> Vec<Row>) {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let kept = tempfile::tempdir().unwrap();
    let recording = kept.path().join("kept.trace");
    let made = tool(&["record", "--rung", "counters", "--duration", "100ms", "-o"]).arg(&recording).output();
    assert!(made.unwrap().status.success());
    let call = |text: &str, directory: &Path, make: &Make| {
        let new = directory.join("new.trace").display().to_string();
        let kept = recording.display().to_string();
        let word = |word| match word {
            "NEW" => new.clone(),
            "RECORDING" => kept.clone(),
            other => String::from(other),
        };
        let words: Vec<String> = text.split(' ').map(word).collect();
        run(&mut make(directory, &words.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let usual = CALLS.map(|(text, _)| {
        let directory = tempfile::tempdir().unwrap();
        call(text, directory.path(), &|_, arguments| tool(arguments)).unwrap().status.code()
    });
    let mut faults = Vec::new();
    for row in rows() {
        for ((text, then), usual) in CALLS.into_iter().zip(usual) {
            let directory = tempfile::tempdir().unwrap();
            let fault = match call(text, directory.path(), &*row.make) {
                Ok(output) => fault(text, then(&row), usual, &output).map(|fault| {
                    let shown =
                        |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(1500).collect::<String>();
                    format!("{fault}\n{}\n{}", shown(&output.stderr), shown(&output.stdout))
                }),
                Err(fault) => Some(fault),
            };
            faults.extend(fault.map(|fault| format!("{}, {text}: {fault}", row.name)));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn below_limits() {
    check(limits::rows);
}

#[test]
fn without_places_and_in_namespaces() {
    check(places::rows);
}

#[test]
fn in_sandboxes() {
    check(sandbox::rows);
}

#[test]
fn in_odd_surroundings() {
    check(surroundings::rows);
}

/// The kernel stamps what happens by the host's clock, whichever this process has.
#[test]
fn a_loss_seen_from_a_time_namespace_has_the_hosts_time() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    let arguments = ["live", "--format", "json", "--duration", "2s", "--ready-file", ready.to_str().unwrap()];
    let mut command = places::in_time_namespace(&arguments);
    let losing = thread::spawn(move || {
        let deadline = Instant::now() + PATIENCE;
        while !ready.exists() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let socket = Socket::overflowing();
        thread::sleep(Duration::from_secs(2));
        drop(socket);
    });
    let output = run(&mut command).unwrap();
    losing.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let now = jiff::Timestamp::now();
    let lines = String::from_utf8(output.stdout).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let times: Vec<jiff::Timestamp> =
        objects.filter_map(|object| object["time"].as_str().map(|time| time.parse().unwrap())).collect();
    assert!(!times.is_empty(), "{lines}\n{said}");
    for time in times {
        assert!(now.duration_since(time).abs() < PATIENCE.try_into().unwrap(), "{time} at {now}: {lines}");
    }
}

/// A listener whose accept queue is full, and clients that it refuses.
struct Socket {
    _listener: OwnedFd,
    _clients: Vec<OwnedFd>,
}

impl Socket {
    fn overflowing() -> Self {
        let make =
            || socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        let listener = make();
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        listen(&listener, 0).unwrap();
        let address = getsockname(&listener).unwrap();
        let clients = (0..8).map(|_| {
            let client = make();
            // It goes on by itself.
            let _ = connect(&client, &address);
            client
        });
        Self { _clients: clients.collect(), _listener: listener }
    }
}
