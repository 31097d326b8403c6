//! Without the module `tcp_diag`: it is taken out of the guest's kernel, which
//! cannot load it again by itself, and put back at the end. On each attach
//! method a figure is then what happened, or it is unknown and that is said.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use backlog_trace_model::failure::Exit;
use serde_json::Value;
use tool::tool;

/// Longer than any kernel takes to verify the programs, also an emulated one.
const PATIENCE: Duration = Duration::from_secs(120);

/// Puts the module back, whatever becomes of the test.
struct Unloaded;

impl Unloaded {
    fn now() -> Self {
        assert!(Command::new("rmmod").arg("tcp_diag").status().unwrap().success());
        Self
    }
}

impl Drop for Unloaded {
    fn drop(&mut self) {
        // Those that are there already are refused.
        for module in std::fs::read_to_string("/modules/order").unwrap_or_default().lines() {
            let _ = Command::new("insmod").arg(module).output();
        }
    }
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn state(object: &Value) -> &Value {
    let sources = object["sources"].as_array().unwrap().iter();
    &sources.clone().find(|source| source["source"] == "sock_diag").unwrap()["state"]
}

/// Three connections finish while it observes, one is accepted: what it says.
fn observed(rung: &str) -> (Value, Output, u16) {
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    let arguments = ["hist", "--format", "json", "--rung", rung, "--duration", "2s", "--interval", "500ms"];
    let mut command = tool(&arguments);
    command.arg("--ready-file").arg(&ready);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        wait_for(&ready);
        let waiting = [0; 3].map(|_| TcpStream::connect(address).unwrap());
        drop(listener.accept().unwrap());
        // What waits must not be gone before it was looked at for the last time.
        std::thread::sleep(Duration::from_secs(3));
        (waiting, listener)
    });
    let output = command.output().unwrap();
    let _ = client.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().map(|line| serde_json::from_str(line).unwrap());
    (last.unwrap_or(Value::Null), output, address.port())
}

fn wait_for(ready: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !ready.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn a_figure_is_what_happened_or_unknown() {
    let _unloaded = Unloaded::now();
    let waiting = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(waiting.local_addr().unwrap()).unwrap();

    let check = tool(&["check", "--format", "json"]).output().unwrap();
    assert_eq!(check.status.code(), Some(Exit::Reduced as i32), "{}", shown(&check));
    let object: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!((state(&object), &object["verdict"]), (&"missing".into(), &"reduced".into()), "{object:#}");

    let listed = tool(&["listeners", "--format", "json"]).output().unwrap();
    let row: Value =
        serde_json::from_str(String::from_utf8_lossy(&listed.stdout).lines().next().unwrap()).unwrap();
    assert_eq!(row["accept_queue"], serde_json::json!({"length": 1, "limit": null}), "{row}");
    assert!(row["drops"].is_null() && row["limited_by"].is_null(), "{row}");
    assert!(shown(&listed).contains("the module tcp_diag is not loaded"), "{}", shown(&listed));

    for rung in ["fentry", "kprobe", "tracepoint", "counters"] {
        let (object, output, port) = observed(rung);
        if output.status.code() == Some(Exit::KernelUnable as i32) {
            // By tracepoints before 6.12.
            assert_eq!(rung, "tracepoint", "{}", shown(&output));
            continue;
        }
        assert_eq!(state(&object), "missing", "{rung}: {object:#}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.matches("tcp_diag is not loaded").count(), 1, "{rung}: {said}");
        let rows = object["listeners"].as_array().unwrap();
        let row = rows.iter().find(|row| row["listener"]["port"] == port).unwrap();
        for (figure, happened) in [("established", 3), ("accepted", 1), ("syns", 3)] {
            assert!(row[figure].is_null() || row[figure] == happened, "{rung}, {figure}: {row:#}");
        }
        let queue = &row["accept_queue"];
        assert!(queue["max"].is_null() || queue["max"] == 2 || queue["max"] == 3, "{rung}: {row:#}");
        assert!(queue["limit"].is_null() || queue["limit"] == 128, "{rung}: {row:#}");
        let drops = &row["sk_drops"]["kernel"];
        assert!(drops.is_null() || *drops == 0, "{rung}: {row:#}");
    }

    // A scenario that cannot be compared says why, and does not fail.
    let played = tool(&["selftest", "--rung", "counters", "--format", "json", "syn_accept_queue_full"])
        .output()
        .unwrap();
    assert!(shown(&played).contains("tcp_diag is not loaded"), "{}", shown(&played));
    assert_eq!(played.status.code(), Some(0), "{}", shown(&played));
}
