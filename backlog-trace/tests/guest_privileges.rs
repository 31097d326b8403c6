//! On a kernel that takes every hook: which capabilities it takes to observe,
//! what each of the others adds, and what is left of them afterwards. Runs in
//! the guests of `cargo xtask test`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::{Duration, Instant};

use backlog_trace_model::failure::Exit;
use rustix::thread::CapabilitySet;
use serde_json::Value;
use tool::{Circumstances, tool};

/// Longer than any kernel takes to verify the programs, also an emulated one.
const PATIENCE: Duration = Duration::from_secs(120);

/// What loading and attaching takes; the last one before 5.11 only, where the
/// memory lock limit is 64 KiB.
const ATTACH: CapabilitySet =
    CapabilitySet::BPF.union(CapabilitySet::PERFMON).union(CapabilitySet::SYS_RESOURCE);

/// Runs the command as nobody with these capabilities.
fn run(arguments: &[&str], capabilities: CapabilitySet) -> Output {
    tool(arguments).as_nobody_with(capabilities).output().unwrap()
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn what_attaching_takes() {
    // The audit has a line for each namespace with a listener.
    let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let on = |rung| ["hist", "--format", "json", "--duration", "500ms", "--rung", rung];
    let attached = |rung: &str, output: &Output| {
        assert_eq!(output.status.code(), Some(0), "{rung}: {}", shown(output));
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(object["hooks"].as_array().unwrap().iter().all(|hook| hook["rung"] == rung), "{object}");
        assert!(!object["audit"].as_array().unwrap().is_empty(), "{object}");
    };
    attached("fentry", &run(&on("fentry"), ATTACH));
    for (lacking, name) in [(CapabilitySet::BPF, "CAP_BPF"), (CapabilitySet::PERFMON, "CAP_PERFMON")] {
        let output = run(&on("fentry"), ATTACH.difference(lacking));
        assert_eq!(output.status.code(), Some(Exit::NotPermitted as i32), "{}", shown(&output));
        assert!(shown(&output).contains(&format!("without {name}")), "{}", shown(&output));
    }
    // The matrix has Debian's kernels, which ask for more where
    // kernel.perf_event_paranoid is 3.
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    let output = run(&on("kprobe"), ATTACH);
    if paranoid.trim() == "3" {
        assert_eq!(output.status.code(), Some(Exit::KernelUnable as i32), "{}", shown(&output));
        assert!(shown(&output).contains("without CAP_SYS_ADMIN"), "{}", shown(&output));
    } else {
        attached("kprobe", &output);
    }
    attached("kprobe", &run(&on("kprobe"), ATTACH | CapabilitySet::SYS_ADMIN));
}

/// Without the right to raise it, the memory lock limit is what the kernel
/// says: before 5.11 nothing fits under it.
#[test]
#[ignore = "for the kernels of the matrix"]
fn the_memory_lock_limit() {
    let brief = ["hist", "--format", "json", "--duration", "500ms"];
    let mut command = tool(&brief);
    let output =
        command.with_memlock(64 << 10).as_nobody_with(ATTACH.difference(CapabilitySet::SYS_RESOURCE));
    let output = output.output().unwrap();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if release.starts_with("5.10.") {
        assert_eq!(output.status.code(), Some(Exit::Reduced as i32), "{}", shown(&output));
        assert!(shown(&output).contains("memory lock limit"), "{}", shown(&output));
        assert!(shown(&output).contains("CAP_SYS_RESOURCE"), "{}", shown(&output));
    } else {
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    }
}

/// The owners of root's listener, as nobody sees them with these capabilities.
fn owners(listener: &TcpListener, capabilities: CapabilitySet) -> Vec<u64> {
    let port = listener.local_addr().unwrap().port().to_string();
    let output = run(&["listeners", "--format", "json", "--port", &port], capabilities);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let object: Result<Value, _> = serde_json::from_str(text.lines().next().unwrap_or_default());
    assert!(object.is_ok(), "{}", shown(&output));
    let object = object.unwrap();
    let owners = object["listener"]["owners"].as_array().unwrap();
    owners.iter().map(|owner| owner["pid"].as_u64().unwrap()).collect()
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn what_naming_takes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (own, none) = (vec![u64::from(std::process::id())], Vec::<u64>::new());
    let both = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
    assert_eq!(owners(&listener, CapabilitySet::empty()), none);
    assert_eq!(owners(&listener, CapabilitySet::SYS_PTRACE), none);
    assert_eq!(owners(&listener, CapabilitySet::DAC_READ_SEARCH), none);
    assert_eq!(owners(&listener, both), own);
}

/// What the tool's child may, then what each of the tool's threads may.
const SCRIPT: &str = r#"
grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
sleep 1
for thread in /proc/$PPID/task/*; do
    echo "$(cat $thread/comm) $(grep -E '^(CapPrm|CapEff|NoNewPrivs)' $thread/status | cut -f 2 | tr '\n' ' ')"
done
"#;

/// Each thread of the tool with what it may, while it observes: read by its
/// child, which has kept everything.
#[test]
#[ignore = "for the kernels of the matrix"]
fn what_is_left_of_roots() {
    for rung in ["fentry", "kprobe", "counters"] {
        let output =
            tool(&["hist", "--format", "json", "--rung", rung, "--", "sh", "-c", SCRIPT]).output().unwrap();
        // With JSON, the child's output goes to standard error.
        // Between its lines the tool may say that the machine is slow.
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("backlog-trace: ")).collect();
        assert!(lines.len() >= 5, "{rung}: {}", shown(&output));
        let (effective, confined, threads) = (lines[0], lines[1], &lines[2..]);
        assert!(effective.contains("ffffffff") && confined.ends_with('0'), "the child: {said}");
        for thread in threads {
            let words: Vec<&str> = thread.split_whitespace().collect();
            // The thread that observes may have one in a namespace.
            let expected = match words[0] {
                "observe" | "netns" => ["0000000000280004", "0000000000280004", "1"],
                "signals" => ["0000000000000000", "0000000000000000", "1"],
                _ => ["0000000000000020", "0000000000000020", "1"],
            };
            assert_eq!(words[1..], expected, "{rung}: {said}");
        }
    }
}

/// It goes on counting and naming with what is left.
#[test]
#[ignore = "for the kernels of the matrix"]
fn nobody_with_everything_it_takes_sees_as_much_as_root() {
    let capabilities =
        ATTACH | CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let ready = directory.path().join("ready");
    let arguments = ["hist", "--format", "json", "--duration", "3s", "--ready-file", ready.to_str().unwrap()];
    let is_ready = ready.clone();
    let client = std::thread::spawn(move || {
        let deadline = Instant::now() + PATIENCE;
        while !is_ready.exists() {
            assert!(Instant::now() < deadline, "it does not attach");
            std::thread::sleep(Duration::from_millis(10));
        }
        for _ in 0..3 {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            drop((listener.accept().unwrap(), client));
        }
        // It must not close before it is named.
        listener
    });
    let output = run(&arguments, capabilities);
    let listener = client.join().unwrap();
    drop(listener);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = object["listeners"].as_array().unwrap().iter().find(|row| row["listener"]["port"] == port);
    assert!(row.is_some(), "{}", shown(&output));
    let row = row.unwrap();
    assert_eq!((&row["syns"], &row["accepted"]), (&3.into(), &3.into()), "{row}");
    assert_eq!(row["listener"]["owners"][0]["pid"], std::process::id(), "{row}");
}

/// CAP_BPF goes too, unless reading maps takes it: the kernel is asked.
#[test]
#[ignore = "for the kernels of the matrix"]
fn what_is_left_of_the_least() {
    let output = run(&["hist", "--format", "json", "--rung", "fentry", "--", "sh", "-c", SCRIPT], ATTACH);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let observes = said.lines().find(|line| line.starts_with("observe ")).unwrap();
    // Debian sets kernel.unprivileged_bpf_disabled to 2; what that covers was
    // narrowed in 5.19.
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let kept = if release.starts_with("5.10.") { "0000008000000000" } else { "0000000000000000" };
    assert_eq!(observes, format!("observe {kept} {kept} 1 "), "{said}");
}
