//! What figures are read from is taken away, one source at a time: what is
//! read there is then unknown, in JSON `null` and in text '-', never 0; it is
//! said once; and `check` and recordings say the same.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

use backlog_trace_model::check::sources::SOURCES;
use backlog_trace_model::failure::Exit;
use rustix::thread::CapabilitySet;
use serde_json::Value;
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::{Circumstances, NOBODY, may_be_nobody, tool};

/// What a source's absence does to a command.
type Change = fn(&mut Command);

/// Three intervals, and the whole run.
const HIST: [&str; 8] =
    ["hist", "--rung", "counters", "--format", "json", "--duration", "900ms", "--interval=300ms"];

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn run(arguments: &[&str], change: Change) -> Output {
    let mut command = tool(arguments);
    change(&mut command);
    command.output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn state<'a>(object: &'a Value, source: &str) -> &'a Value {
    let sources = object["sources"].as_array().unwrap();
    let found = sources.iter().find(|entry| entry["source"] == source);
    found.map_or(&Value::Null, |entry| &entry["state"])
}

/// Every line of an observation says that this source is in this state, standard
/// error says so once, `check` lists it, and so does a recording's report.
#[track_caller]
fn check(change: Change, source: &str, expected: &str) {
    let row = SOURCES.iter().find(|row| row.name == source).unwrap();
    let output = run(&HIST, change);
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let objects = lines(&output);
    assert!(objects.len() >= 2, "{}", shown(&output));
    for object in &objects {
        assert_eq!(state(object, source), expected, "{object:#}");
    }
    assert_eq!(said.matches(row.lost).count(), 1, "{}", shown(&output));

    let output = run(&["check", "--rung", "counters", "--format", "json"], change);
    let object = lines(&output).remove(0);
    assert_eq!(state(&object, source), expected, "{object:#}");
    assert_eq!(object["verdict"], "reduced", "{object:#}");
    let output = run(&["check", "--rung", "counters"], change);
    assert!(shown(&output).contains(&format!("{source} is {expected}:")), "{}", shown(&output));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.trace");
    let path = path.to_str().unwrap();
    let record = ["record", "--rung", "counters", "--duration", "300ms", "-o", path];
    let output = run(&record, change);
    assert!(output.status.success(), "{}", shown(&output));
    // Whoever reads it later lacks nothing.
    let report = tool(&["report", "--format", "json", path]).output().unwrap();
    assert_eq!(state(&lines(&report)[0], source), expected, "{}", shown(&report));
    assert_eq!(String::from_utf8_lossy(&report.stderr).matches(row.lost).count(), 1, "{}", shown(&report));
}

/// What `listeners` says of the listener on a port.
#[track_caller]
fn standing(port: u16, change: Change) -> (Value, String) {
    let output = run(&["listeners", "--format", "json"], change);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let row = lines(&output).into_iter().find(|row| row["listener"]["port"] == port);
    assert!(row.is_some(), "{}", shown(&output));
    let text = run(&["listeners"], change);
    let text = String::from_utf8(text.stdout).unwrap();
    let line = text.lines().find(|line| line.contains(&format!(":{port} "))).unwrap().to_owned();
    (row.unwrap(), line)
}

fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// The same, from a process of nobody's that holds it.
fn sleeper(change: Change) -> Held {
    let mut command = Command::new("sleep");
    command.arg("60").stdin(Stdio::null());
    change(&mut command);
    Held(command.spawn().unwrap())
}

/// Ends with the test.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_sock_diag_the_queue_is_read_from_proc_and_the_rest_unknown() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let change: Change = |command| {
        command.without_sock_diag();
    };
    check(change, "sock_diag", "missing");
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let _wait = [0; 3].map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (row, line) = standing(port, change);
        assert_eq!(row["accept_queue"], serde_json::json!({"length": 3, "limit": null}));
        assert_eq!(row["syn_queue"]["length"], 0, "{row}");
        assert_eq!(row["listener"]["address"], listener.local_addr().unwrap().ip().to_string());
        assert_eq!(row["listener"]["owners"][0]["pid"], std::process::id(), "{row}");
        for field in ["drops", "limited_by"] {
            assert!(row[field].is_null(), "{field}: {row}");
        }
        assert!(row["listener"]["cookie"].is_null(), "{row}");
        assert!(line.contains(" 3/- ") && !line.contains("/0"), "{line}");

        let output = run(&HIST, change);
        let objects = lines(&output);
        let last = objects.last().unwrap();
        let rows = last["listeners"].as_array().unwrap();
        let row = rows.iter().find(|row| row["listener"]["port"] == port).unwrap();
        assert_eq!((&row["accept_queue"]["max"], &row["accept_queue"]["limit"]), (&3.into(), &Value::Null));
        assert!(row["sk_drops"]["kernel"].is_null(), "{row}");
    }
}

/// By hooks, a figure is what happened or it is `null`.
#[test]
fn without_sock_diag_what_hooks_do_not_count_is_unknown() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let (listener, port) = listening();
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    let ready_file = ready.to_str().unwrap().to_owned();
    let client = std::thread::spawn(move || {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !ready.exists() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let waiting = [0; 3].map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        drop(listener.accept().unwrap());
        (listener, waiting)
    });
    let mut command = tool(&["hist", "--format", "json", "--duration", "3s", "--ready-file", &ready_file]);
    let output = command.without_sock_diag().output().unwrap();
    let _kept = client.join().unwrap();
    let object = lines(&output).pop().unwrap();
    if object["polled"] == true {
        return skipped("nothing can be hooked here, so that all is polled");
    }
    assert_eq!(state(&object, "sock_diag"), "missing", "{object:#}");
    let rows = object["listeners"].as_array().unwrap();
    let row = rows.iter().find(|row| row["listener"]["port"] == port).unwrap();
    for (figure, happened) in [("established", 3), ("accepted", 1)] {
        assert!(row[figure].is_null() || row[figure] == happened, "{figure}: {row:#}");
    }
    let longest = &row["accept_queue"]["max"];
    assert!(longest.is_null() || *longest == 3, "{row:#}");
}

#[test]
fn without_proc_nothing_is_claimed() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    for arguments in [&["listeners"][..], &["listeners", "--port", "1"], &HIST, &["hist", "--duration", "1s"]]
    {
        let output = tool(arguments).with_proc(None).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(Exit::KernelUnable as i32),
            "{arguments:?}: {}",
            shown(&output)
        );
        let said = shown(&output);
        assert!(said.contains("mount proc on /proc") && !said.contains("no TCP listener"), "{said}");
    }
    let output = tool(&["check", "--format", "json"]).with_proc(None).output().unwrap();
    let object = lines(&output).remove(0);
    assert!(SOURCES.iter().all(|row| state(&object, row.name) == "missing"), "{object:#}");
    let played = tool(&["selftest", "syn_accept_queue_full"]).with_proc(None).output().unwrap();
    assert_eq!(played.status.code(), Some(Exit::KernelUnable as i32), "{}", shown(&played));
}

#[test]
fn where_proc_hides_processes_an_empty_list_is_not_called_complete() {
    let hidden: Change = |command| {
        command.with_proc(Some(c"hidepid=2")).as_nobody_with(CapabilitySet::empty());
    };
    if let Err(why) = may_be_nobody(&tool(&[])) {
        return skipped(why);
    }
    let listeners = |change: Change| {
        let mut command = tool(&["listeners"]);
        command.in_network_namespace();
        change(&mut command);
        command.output().unwrap()
    };
    let output = listeners(hidden);
    assert_eq!(output.status.code(), Some(Exit::Reduced as i32), "{}", shown(&output));
    assert!(shown(&output).contains("no TCP listener can be seen"), "{}", shown(&output));
    // Root sees every process there is, and /proc hides none from it.
    let output = listeners(|_| {});
    assert!(!shown(&output).contains("hidepid"), "{}", shown(&output));

    let output = run(&["check", "--rung", "counters", "--format", "json"], hidden);
    assert_eq!(state(&lines(&output)[0], "processes"), "partial", "{}", shown(&output));
    let output = run(&HIST, hidden);
    assert_eq!(shown(&output).matches("(hidepid)").count() - lines(&output).len(), 1, "{}", shown(&output));
}

#[test]
fn a_namespace_that_cannot_be_entered_is_named() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let inside = sleeper(|command| {
        command.in_network_namespace();
    });
    let link = std::fs::read_link(format!("/proc/{}/ns/net", inside.0.id())).unwrap();
    let inode: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let change: Change = |command| {
        command.without(&[CapabilitySet::SYS_ADMIN]);
    };
    check(change, "namespaces", "partial");
    let output = run(&["listeners"], change);
    assert!(shown(&output).contains("cannot be looked into"), "{}", shown(&output));
    let output = run(&["check", "--rung", "counters", "--format", "json"], change);
    let text = shown(&output);
    assert!(text.contains(&inode) || text.contains(" more cannot"), "{inode}: {text}");
}

#[test]
fn without_somaxconn_who_limits_is_unknown() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let empty = tempfile::tempdir().unwrap();
    let (_listener, port) = listening();
    let mut command = tool(&["listeners", "--format", "json", "--port", &port.to_string()]);
    let output = command.seeing(&[(empty.path(), "/proc/sys/net/core")]).output().unwrap();
    let row = lines(&output).remove(0);
    assert!(row["somaxconn"].is_null() && row["limited_by"].is_null(), "{row}");
    assert_eq!(row["accept_queue"]["limit"], 128);
    assert!(shown(&output).contains("who limits a queue"), "{}", shown(&output));
    let mut command = tool(&HIST);
    let output = command.seeing(&[(empty.path(), "/proc/sys/net/core")]).output().unwrap();
    // A namespace that another test has made at this moment has a file of its own.
    assert_ne!(state(&lines(&output)[0], "somaxconn"), "whole", "{}", shown(&output));
}

#[test]
fn without_cgroups_a_listener_has_none_and_it_is_said() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let empty = tempfile::tempdir().unwrap();
    let mut command = tool(&HIST);
    let output = command.seeing(&[(empty.path(), "/sys/fs/cgroup")]).output().unwrap();
    assert_eq!(state(&lines(&output)[0], "cgroups"), "partial", "{}", shown(&output));
    assert_eq!(shown(&output).matches("no cgroup2 hierarchy").count() - lines(&output).len(), 1);
}

#[test]
fn owners_that_may_not_be_looked_for_are_said() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let _other = sleeper(|command| {
        command.uid(NOBODY).gid(NOBODY);
    });
    check(
        |command| {
            command.without(&[CapabilitySet::SYS_PTRACE]);
        },
        "descriptors",
        "partial",
    );
}

/// As in a container without --pid=host.
#[test]
fn a_pid_namespace_of_its_own_is_said() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc"]).arg(tool(&[]).get_program()).args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let (_listener, port) = listening();
    let output = inside(&["listeners", "--format", "json", "--port", &port.to_string()]);
    let row = lines(&output).remove(0);
    // It is this process, which is outside.
    assert_eq!(row["listener"]["owners"], serde_json::json!([]), "{row}");
    assert!(shown(&output).contains("PID namespace below the host's"), "{}", shown(&output));
    let output = inside(&HIST);
    assert_eq!(state(&lines(&output)[0], "pid_namespace"), "partial", "{}", shown(&output));
}
