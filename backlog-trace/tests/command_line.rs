//! The program itself: what it prints and where, as far as that needs no
//! kernel. What it cannot do is in `bad_input`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
#[path = "../../backlog-trace-model/tests/scene/mod.rs"]
mod scene;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use backlog_trace::recording_file::{self, Overwrite};
use backlog_trace_model::event::Event;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backlog-trace"));
    command.args(arguments).env("TZ", "UTC").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn record(path: &Path, events: &[Event]) {
    let mut writer = recording_file::begin(path, Overwrite::Refuse).unwrap();
    events.iter().for_each(|event| writer.write(event).unwrap());
    writer.finish().unwrap();
}

fn golden(name: &str) -> String {
    std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../backlog-trace-model/tests/golden").join(name),
    )
    .unwrap()
}

#[test]
fn a_recording_is_printed_as_the_observation_would_have_been() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overload.trace");
    record(&path, &scene::overload());
    let file = path.to_str().unwrap();
    let output = run(&["report", file]);
    let text = String::from_utf8(output.stdout).unwrap();
    let told = format!("{file}: recorded on web1 (6.12.107), ");
    // An observation names its host behind the stretch, a recording's report before it.
    let observed = golden("hist.txt").replacen(" (10 s), web1\n", " (10 s)\n", 1);
    assert_eq!(text.replace(&told, ""), observed, "no colours in a pipe");
    assert!(text.starts_with(&format!("{told}2026-11-20 10:00:00 to 10:00:10 UTC (10 s)\n")), "{text}");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));

    let json = String::from_utf8(run(&["report", "--format", "json", file]).stdout).unwrap();
    assert_eq!(json.replace(&format!("\"recording\":\"{file}\","), ""), golden("hist.json"));

    let odd = directory.path().join("odd.trace");
    record(&odd, &scene::oddities(scene::evil()));
    let odd = odd.to_str().unwrap();
    let events = String::from_utf8(run(&["report", "--events", odd]).stdout).unwrap();
    let (title, events) = events.split_once('\n').unwrap();
    assert_eq!(title, format!("{odd}: recorded on web1 (6.12.107), from 2026-11-20 10:00:00 UTC"));
    let expected = golden("live_replayed.txt");
    assert_eq!(events, expected.split_once('\n').unwrap().1);
    let events = run(&["report", "--events", "--format", "json", odd]);
    assert_eq!(String::from_utf8(events.stdout).unwrap(), golden("live.json"));
}

/// One file of several recordings: the headings stand in it once.
#[test]
fn recordings_become_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overload.trace");
    record(&path, &scene::overload());
    let file = path.to_str().unwrap();
    let csv = |arguments: &[&str]| {
        let output = run(&[&["report", "--format", "csv"], arguments].concat());
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
        String::from_utf8(output.stdout).unwrap().replace(file, "")
    };
    assert_eq!(csv(&[file]), golden("hist.csv"));
    assert_eq!(csv(&["--interval", "5s", file]), golden("hist_intervals.csv"));
    let whole = golden("hist.csv");
    let (_, rows) = whole.split_once('\n').unwrap();
    assert_eq!(csv(&[file, file]), format!("{whole}{rows}"));

    let events = run(&["report", "--events", "--format", "csv", file]);
    assert_eq!(events.status.code(), Some(2));
    let said = String::from_utf8(events.stderr).unwrap();
    assert!(said.contains("--format csv does not apply to --events"), "{said}");
    for command in ["live", "advise", "listeners", "check"] {
        let refused = run(&[command, "--format", "csv"]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("[possible values: text, json]"), "{command}: {said}");
    }
}

#[test]
fn a_cut_recording_is_printed_with_what_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.trace");
    record(&path, &scene::overload());
    let length = path.metadata().unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(length - 20).unwrap();
    let file = path.to_str().unwrap();
    let output = run(&["report", file]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("incomplete recording: "), "{text}");
    assert!(text.contains("315 packets, 90 connections lost"), "{text}");
    assert_eq!(output.status.code(), Some(0));
    let json = String::from_utf8(run(&["report", "--format", "json", file]).stdout).unwrap();
    assert!(json.contains("\"complete\":false,\"gaps\":[\"its last frame is missing"), "{json}");
}

#[test]
fn a_reader_that_goes_away_is_success_in_silence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long.trace");
    let mut events = scene::overload();
    // More than a pipe holds.
    let details: Vec<Event> = events.iter().filter(|e| matches!(e, Event::Details(_))).cloned().collect();
    for _ in 0..30 {
        events.splice(3..3, details.iter().cloned());
    }
    record(&path, &events);
    for format in ["text", "json"] {
        let mut child = program(&["report", "--events", "--format", format, path.to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{format}");
    }
}

/// Where a time zone is named, text is in it, whether or not the host has the
/// zones' files; one that is not known is told.
#[test]
fn time_zones() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overload.trace");
    record(&path, &scene::overload());
    for (zone, told, said) in [
        ("UTC", "2026-11-20 10:00:00 to 10:00:10 UTC", ""),
        ("America/New_York", "2026-11-20 05:00:00 to 05:00:10 America/New_York (-05:00)", ""),
        (":Asia/Kolkata", "2026-11-20 15:30:00 to 15:30:10 Asia/Kolkata (+05:30)", ""),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-11-20 11:00:00 to 11:00:10 CET (+01:00)", ""),
        (
            "Mars/Olympus",
            "2026-11-20 10:00:00 to 10:00:10 UTC",
            "backlog-trace: TZ=Mars/Olympus names no time zone: times are in UTC\n",
        ),
    ] {
        for files in ["/usr/share/zoneinfo", "/nonexistent"] {
            let mut report = program(&["report", path.to_str().unwrap(), path.to_str().unwrap()]);
            let output = report.env("TZ", zone).env("TZDIR", files).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.matches(told).count(), 2, "{zone}, {files}: {text}");
            assert_eq!(String::from_utf8(output.stderr).unwrap(), said, "{zone}, {files}");
        }
    }
}
