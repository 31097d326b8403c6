//! What is said beside the result: that filters match nothing, once, at the
//! start, while the observation goes on; and which hooks are missing, once, in one
//! line.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs;
use std::net::TcpListener;
use std::process::Output;

use backlog_trace_model::failure::Exit;
use serde_json::Value;
use tool::skipped::skipped;
use tool::tool;

/// What an observation and `listeners` say of a filter that nothing matches.
#[track_caller]
fn check_nothing_matches(filter: [&str; 2], sentence: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    let record = ["record", "-o", file.to_str().unwrap()];
    for command in [&["live"][..], &["hist"], &record] {
        let mut tool = tool(command);
        tool.args(["--rung", "counters", "--duration", "100ms"]).args(filter);
        let Output { status, stderr, .. } = tool.output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(0), "{command:?}: {said}");
        assert_eq!(said.matches(sentence).count(), 1, "{command:?}: {said}");
        // And at the end, because one that matches might have come.
        assert!(said.trim_end().ends_with("empty for that reason"), "{command:?}: {said}");
        assert_eq!(said.matches("no TCP listener matched the filters:").count(), 1, "{said}");
    }
    let listeners = tool(&["listeners"]).args(filter).output().unwrap();
    let said = String::from_utf8(listeners.stderr).unwrap();
    assert_eq!(listeners.status.code(), Some(Exit::NotFound as i32), "{said}");
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn filters_that_match_nothing_say_so() {
    // Nobody can listen on port 0, nor on an address for documentation.
    check_nothing_matches(["--port", "0"], "nothing listens on port 0 now");
    check_nothing_matches(["--address", "192.0.2.1"], "nothing listens on address 192.0.2.1 now");
    let sentence = "no listener is in a cgroup that matches 'nope' now";
    check_nothing_matches(["--cgroup", "nope"], sentence);
    check_nothing_matches(["--cgroup", "/nope*"], "matches '/nope*' now");
}

/// A listener of this process is found however it is written.
#[test]
fn filters_find_what_is_meant() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut filters = vec![
        ("--port", port.to_string()),
        ("--port", format!("1,{port}")),
        ("--port", format!("{}-{}", port - 1, port.saturating_add(1))),
        ("--cgroup", "/".to_owned()),
    ];
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap();
    if let Some(path) =
        cgroups.lines().find_map(|line| line.strip_prefix("0::/")).filter(|path| !path.is_empty())
    {
        let last = path.rsplit('/').next().unwrap();
        let first = path.split('/').next().unwrap();
        for cgroup in
            [format!("/{path}"), path.to_owned(), last.to_owned(), format!("/{first}*"), "*".to_owned()]
        {
            filters.push(("--cgroup", cgroup));
        }
    }
    for (option, value) in filters {
        let output = tool(&["listeners", "--format", "json", option, &value]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut found = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        assert!(found.any(|line| line["listener"]["port"] == port), "{option} {value}: {text}");
    }
}

/// Why a hook is missing takes some hundred bytes; JSON has them, and `check`.
#[test]
fn missing_hooks_are_told_once_in_one_line() {
    let json = tool(&["hist", "--format", "json", "--duration", "100ms"]).output().unwrap();
    let object: Value = serde_json::from_slice(&json.stdout).unwrap();
    let is_missing = |hook: &&Value| hook["rung"].is_null();
    let missing: Vec<&Value> = object["hooks"].as_array().unwrap().iter().filter(is_missing).collect();
    if object["polled"] == true {
        return skipped("nothing can be hooked here, so that all is polled");
    }
    for command in [&["hist", "--interval", "100ms"][..], &["live"]] {
        let output = tool(command).args(["--duration", "700ms"]).output().unwrap();
        let [printed, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let is_told = |line: &&str| line.contains("not visible on this kernel");
        let lines: Vec<&str> = said.lines().filter(is_told).collect();
        assert_eq!(lines.len(), usize::from(!missing.is_empty()), "{command:?}: {said}");
        assert!(lines.iter().all(|line| line.ends_with("; why: backlog-trace check")), "{said}");
        assert!(!printed.lines().any(|line| is_told(&line)) && !printed.contains("missing"), "{printed}");
        for why in missing.iter().map(|hook| hook["why"].as_str().unwrap()) {
            assert!(!printed.contains(why) && !said.contains(why), "{printed}\n{said}");
        }
    }
}
