//! The JSON contract: field names that programs rely on, and docs/json.md.
//!
//! `UPDATE=1 cargo test --test json_contract` writes the document's examples anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
mod scene;

use std::fs;
use std::path::Path;

use backlog_trace_model::check::{Attempt, Finding, Grade, Hook, Outcome, Trial, Tried};
use backlog_trace_model::event::{Rung, Source, SourceState};
use backlog_trace_model::listener::Filter;
use backlog_trace_model::tally::Selection;
use backlog_trace_model::view::{self, AdviseJson, HistJson, LiveJson};
use scene::shown::{Asked, shown};
use serde_json::Value;

fn hist_line() -> String {
    let listeners = Filter { ports: vec![8080.into()], ..Filter::default() };
    let asked = Asked::only(Selection { listeners, ..Selection::default() });
    let selection = asked.selection.clone();
    shown(&scene::overload(), &asked, |out| Box::new(HistJson::new(out, selection))).trim_end().to_owned()
}

fn advice_line() -> String {
    let printed = shown(&scene::overload(), &Asked::default(), |out| Box::new(AdviseJson::new(out)));
    printed.trim_end().to_owned()
}

fn live_lines() -> Vec<String> {
    let events = scene::oddities(scene::nginx());
    let asked = Asked::default();
    let printed = shown(&events, &asked, |out| Box::new(LiveJson::new(out, Selection::default())));
    printed.lines().map(str::to_owned).collect()
}

fn live_line(kind: &str) -> String {
    live_lines().into_iter().find(|line| json(line)["type"] == kind).unwrap()
}

/// A kernel that lacks the function of one hook.
fn check_line() -> String {
    let hooks = [Hook::Syn, Hook::Accept].into_iter();
    let tried = hooks.map(|hook| {
        let (outcome, why) = match hook.name() {
            "accept" => (Outcome::Absent, Some("this kernel has no function inet_csk_accept".to_owned())),
            _ => (Outcome::Attached, None),
        };
        Tried { hook, attempts: vec![Attempt { rung: Rung::Fentry, outcome, why, advice: None }] }
    });
    let findings = vec![
        Finding::fine("kernel", "kernel 6.12.107"),
        Finding {
            subject: "capabilities",
            grade: Grade::Reduced,
            what: "without CAP_NET_ADMIN selftest cannot make its private network".to_owned(),
            advice: Some("run it as root (sudo backlog-trace …)".to_owned()),
        },
    ];
    let sources = vec![
        SourceState::whole(Source::Netstat),
        SourceState::missing(
            Source::SockDiag,
            "the kernel does not list the sockets (the module tcp_diag is not loaded)".to_owned(),
        ),
    ];
    let trial = Trial { kernel: "6.12.107".to_owned(), findings, hooks: tried.collect(), sources };
    let mut out = Vec::new();
    view::check::json(&trial, &mut out).unwrap();
    String::from_utf8(out).unwrap().trim_end().to_owned()
}

#[test]
fn a_check() {
    let object = json(&check_line());
    check(
        &object,
        &[
            "v",
            "type",
            "verdict",
            "kernel",
            "findings.0.subject",
            "findings.0.grade",
            "findings.0.what",
            "findings.1.advice",
            "hooks.0.hook",
            "hooks.0.rung",
            "hooks.0.state",
            "hooks.0.gives",
            "hooks.0.required",
            "hooks.1.why",
            "hooks.0.tried.0.rung",
            "hooks.0.tried.0.outcome",
            "hooks.1.tried.0.why",
        ],
    );
    assert_eq!(
        (&object["v"], &object["type"], &object["verdict"]),
        (&1.into(), &"check".into(), &"reduced".into())
    );
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn live_of(kind: &str) -> Value {
    json(&live_line(kind))
}

/// `path` leads to a value that is not null; `n` stands for the first of an array.
#[track_caller]
fn check(value: &Value, paths: &[&str]) {
    for path in paths {
        let pointer = format!("/{}", path.replace('.', "/").replace("~", "~1"));
        assert!(value.pointer(&pointer).is_some_and(|found| !found.is_null()), "{path} in {value:#}");
    }
}

const LISTENER: [&str; 11] = [
    "listener.netns",
    "listener.cookie",
    "listener.address",
    "listener.port",
    "listener.inode",
    "listener.owners",
    "listener.owners.0.pid",
    "listener.owners.0.comm",
    "listener.cgroup",
    "listener.unit",
    "listener",
];

#[test]
fn a_loss() {
    let loss = live_of("loss");
    check(&loss, &LISTENER);
    check(
        &loss,
        &[
            "v",
            "type",
            "time",
            "stage",
            "reason",
            "outcome",
            "peer.address",
            "peer.port",
            "accept_queue.length",
            "accept_queue.limit",
            "syn_queue.length",
            "syn_queue.limit",
        ],
    );
    assert_eq!(loss["v"], 1);
    assert_eq!(loss["stage"], "syn");
    assert_eq!(loss["reason"], "accept_queue_full");
    assert_eq!(loss["outcome"], "silent");
    assert_eq!(loss["time"], "2026-11-20T10:00:01.123456000Z");
    assert_eq!(loss["peer"], serde_json::json!({"address": "10.0.0.7", "port": 51344}));
    assert_eq!(loss["accept_queue"], serde_json::json!({"length": 129, "limit": 128}));
}

#[test]
fn the_other_lines_of_live() {
    check(&live_of("cookie"), &["stage", "reason", "peer.port", "listener.port"]);
    let retransmit = live_of("retransmit");
    assert_eq!((&retransmit["cause"], &retransmit["attempt"]), (&"ack_refused".into(), &3.into()));
    assert_eq!(live_of("expired")["cause"], "client_silent");
    check(&live_of("listener"), &["event", "listener.port", "accept_queue.limit"]);
    assert_eq!(live_of("missed")["count"], 12);
    let summary = live_of("summary");
    check(
        &summary,
        &["seconds", "packets", "connections.lost", "audit.0.unaccounted", "hooks.0.rung", "details.missed"],
    );
    assert_eq!(summary["packets"]["syn/cookie_sent"], 2);
    let types: std::collections::BTreeSet<String> =
        live_lines().iter().map(|line| json(line)["type"].as_str().unwrap().to_owned()).collect();
    let known = ["cookie", "expired", "listener", "loss", "missed", "retransmit", "summary"];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), known);
}

#[test]
fn a_histogram() {
    let hist = json(&hist_line());
    check(
        &hist,
        &[
            "v",
            "type",
            "final",
            "seconds",
            "listeners.0.packets",
            "listeners.0.connections.lost",
            "listeners.0.connections.recovered",
            "listeners.0.syns",
            "listeners.0.established",
            "listeners.0.accepted",
            "listeners.0.accept_queue.limit",
            "listeners.0.accept_queue.max",
            "listeners.0.accept_queue.depth",
            "listeners.0.syn_queue.limit",
            "listeners.0.syn_queue.max",
            "listeners.0.syn_queue.depth",
            "listeners.0.accept_wait_us",
            "listeners.0.sk_drops.kernel",
            "listeners.0.sk_drops.attributed",
            "listeners.0.sk_drops.explained",
            "audit.0.netns",
            "sysctls.0.netns",
            "hooks.0.hook",
            "hooks.0.rung",
            "hooks.0.state",
            "details.seen",
            "details.missed",
        ],
    );
    check(&hist["listeners"][0], &LISTENER);
    for part in ["kernel", "attributed", "unaccounted"] {
        for counter in ["ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies"] {
            assert!(hist["audit"][0][part][counter].is_i64(), "{part} {counter}");
        }
    }
    assert_eq!((&hist["type"], &hist["final"]), (&"histogram".into(), &true.into()));
    assert_eq!(hist["seconds"], 10.0);
    let nginx = &hist["listeners"][0];
    let packets = serde_json::json!(
        {"syn/accept_queue_full": 311, "ack/accept_queue_full": 4, "syn/cookie_sent": 0});
    assert_eq!(nginx["packets"], packets);
    assert_eq!((&nginx["connections"]["lost"], &nginx["connections"]["recovered"]), (&90.into(), &12.into()));
    assert_eq!(nginx["accept_queue"]["depth"][2], serde_json::json!([128, 129, 311]));
    assert_eq!(nginx["sk_drops"]["kernel"], 319);
    assert_eq!(nginx["sk_drops"]["attributed"], 319);
    assert_eq!(hist["audit"][0]["kernel"]["ListenDrops"], 315);
    assert_eq!(hist["details"]["seen"], 471);
    let finding = &hist["findings"][0];
    check(
        finding,
        &[
            "kind",
            "severity",
            "certainty",
            "listener.netns",
            "listener.cookie",
            "listener.address",
            "listener.port",
            "verdict",
            "because",
            "evidence.accepts_per_second",
            "actions.0.do",
        ],
    );
    assert_eq!(finding["kind"], "accepts_too_slowly");
    assert_eq!(finding["evidence"]["lost_clients"], 90);
    let sysctls = serde_json::json!({"net.core.somaxconn": 4096, "net.ipv4.tcp_max_syn_backlog": 1024,
        "net.ipv4.tcp_syncookies": 1, "net.ipv4.tcp_abort_on_overflow": 0, "net.ipv4.tcp_synack_retries": 5,
        "net.ipv4.tcp_fastopen": 1});
    assert_eq!(hist["sysctls"][0]["values"], sysctls, "what is unknown is not there");
}

#[test]
fn an_advice() {
    let advice = json(&advice_line());
    check(
        &advice,
        &["host.name", "seconds", "listeners", "findings.0.kind", "audit.0.netns", "details.seen"],
    );
    assert_eq!((&advice["type"], &advice["listeners_with_loss"]), (&"advice".into(), &1.into()));
    assert_eq!(advice["findings"], json(&hist_line())["findings"]);
}

/// Each example of the document is what the views print.
#[test]
fn the_document_shows_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
    let document = fs::read_to_string(&path).unwrap();
    let mut parts = Vec::new();
    let mut rest = document.as_str();
    while let Some((before, after)) = rest.split_once("<!-- example: ") {
        let (name, after) = after
            .split_once(
                " -->
```json
",
            )
            .unwrap();
        let (_, after) = after
            .split_once(
                "```
",
            )
            .unwrap();
        let example = match name {
            "histogram" => hist_line(),
            "check" => check_line(),
            "advice" => advice_line(),
            _ => live_line(name),
        };
        parts.push(format!(
            "{before}<!-- example: {name} -->
```json
{}
```
",
            pretty(&example, 0)
        ));
        rest = after;
    }
    let examples = parts.len();
    let renewed = parts.concat() + rest;
    assert_eq!(examples, 10, "one per type");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "docs/json.md differs; it should be:\n{renewed}");
}

/// Indented, in the order of the line, with whatever fits kept together.
fn pretty(json: &str, indent: usize) -> String {
    let is_nested = json.starts_with(['{', '[']) && json.len() > 2;
    if !is_nested || (indent > 0 && indent + json.len() <= 108) {
        return json.to_owned();
    }
    let (open, rest) = json.split_at(1);
    let (inner, close) = rest.split_at(rest.len() - 1);
    let pad = " ".repeat(indent + 1);
    let parts: Vec<String> = split(inner, ',')
        .into_iter()
        .map(|part| match split(part, ':').as_slice() {
            [name, value] if open == "{" => format!("{pad}{name}: {}", pretty(value, indent + 1)),
            _ => format!("{pad}{}", pretty(part, indent + 1)),
        })
        .collect();
    format!("{open}\n{}\n{}{close}", parts.join(",\n"), " ".repeat(indent))
}

/// Splits at a character where it stands neither in brackets nor in a string.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut depth, mut in_string, mut escaped, mut start) = (0, false, false, 0);
    let mut parts = Vec::new();
    for (here, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if character == at && depth == 0 => {
                parts.push(&text[start..here]);
                start = here + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
