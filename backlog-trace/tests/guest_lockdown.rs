//! What lockdown takes away, in guests that boot with it and without
//! (`cargo xtask test` boots each kernel three times).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::process::Output;

use backlog_trace::Lockdown;
use backlog_trace_model::failure::Exit;
use serde_json::Value;
use tool::{Loaded, tool};

/// Ends with this code; its result holds each pair of a field and a word.
#[track_caller]
fn check(arguments: &[&str], exit: Exit, said: &[&str], rung: Option<&str>) {
    let before = Loaded::now();
    let Output { status, stdout, stderr } = tool(arguments).output().unwrap();
    let text = String::from_utf8(stdout).unwrap();
    let shown = format!("{arguments:?}: {status}\n{text}{}", String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(exit as i32), "{shown}");
    for word in said {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    if let Some(rung) = rung {
        let object: Value = serde_json::from_str(&text).unwrap();
        let hooks = object["hooks"].as_array().unwrap().iter();
        let rungs: Vec<&Value> = hooks.map(|hook| &hook["rung"]).filter(|rung| !rung.is_null()).collect();
        assert!(!rungs.is_empty() && rungs.iter().all(|own| **own == rung), "{shown}");
    }
    before.check_nothing_stayed(&shown);
}

#[test]
#[ignore = "for the kernels of the matrix"]
fn the_right_rung_is_taken_and_the_reason_said() {
    let text = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap();
    let state = Lockdown::parse(&text).unwrap();
    // What the guest was booted with, as the kernel understood it.
    let line = std::fs::read_to_string("/proc/cmdline").unwrap();
    let asked = line.split_whitespace().find_map(|word| word.strip_prefix("lockdown="));
    assert_eq!(Lockdown::parse(&format!("[{}]", asked.unwrap_or("none"))), Some(state), "{line}");

    let brief = ["hist", "--format", "json", "--duration", "500ms"];
    let forced = |rung| [&brief[..], &["--rung", rung]].concat();
    if state == Lockdown::Confidentiality {
        let words = ["locked down (confidentiality)", "programs may not read its memory"];
        check(&["check", "--format", "json"], Exit::Nothing, &words, None);
        check(&brief, Exit::Reduced, &words, Some("counters"));
        check(&forced("fentry"), Exit::KernelUnable, &words, None);
        check(&forced("kprobe"), Exit::KernelUnable, &words, None);
    } else {
        check(&["check", "--format", "json"], Exit::Success, &[], Some("fentry"));
        check(&brief, Exit::Success, &[], Some("fentry"));
        check(&forced("kprobe"), Exit::Success, &[], Some("kprobe"));
    }
    check(&forced("counters"), Exit::Success, &[], Some("counters"));
}
