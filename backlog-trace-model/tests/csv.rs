//! `hist --format csv`: golden files, what a reader of RFC 4180 finds, what Python
//! reads back, and docs/csv.md.
//!
//! `UPDATE=1 cargo test -p backlog-trace-model --test csv` writes the golden files and
//! the document's table anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
mod scene;
#[expect(dead_code, reason = "no test here needs root")]
#[path = "../../backlog-trace/tests/tool/skipped.rs"]
mod skipped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use backlog_trace_common::reason::TABLE;
use backlog_trace_model::event::Event;
use backlog_trace_model::export::{HistCsv, columns};
use backlog_trace_model::listener::{Listener, Owner};
use backlog_trace_model::tally::{ReasonFilter, Selection};
use backlog_trace_model::view::HistJson;
use scene::shown::{Asked, shown};
use serde_json::Value;
use skipped::skipped;

const EVERY: Duration = Duration::from_secs(5);

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn csv(events: &[Event], asked: &Asked) -> String {
    shown(events, asked, |out| Box::new(HistCsv::new(out, asked.selection.clone())))
}

/// Each row by its headings.
fn rows(printed: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(printed.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[track_caller]
fn check(name: &str, printed: &str) {
    let path = manifest().join("tests/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, printed).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(printed == expected, "{name} differs; it is now:\n{printed}");
}

#[test]
fn golden_files() {
    check("hist.csv", &csv(&scene::overload(), &Asked::default()));
    check("hist_intervals.csv", &csv(&scene::overload(), &Asked::every(EVERY)));
    check("hist_oddities.csv", &csv(&scene::oddities(scene::evil()), &Asked::default()));
    check("namespaces.csv", &csv(&scene::namespaces::three(), &Asked::default()));
    check("polled.csv", &csv(&scene::polled::overload(), &Asked::default()));
    check("sightless.csv", &csv(&scene::sightless::sightless(), &Asked::default()));
    let nothing = [scene::overload().swap_remove(0), Event::Finished];
    check("hist_nothing.csv", &csv(&nothing, &Asked::default()));
}

/// The same columns whatever was observed, so that files can be put together.
#[test]
fn every_output_has_the_same_columns() {
    let heading = columns().map(|column| column.name).collect::<Vec<_>>().join(",");
    assert!(heading.ends_with(&TABLE.iter().map(|row| row.name).collect::<Vec<_>>().join(",")));
    for printed in [
        csv(&scene::overload(), &Asked::every(EVERY)),
        csv(&scene::polled::overload(), &Asked::default()),
        csv(&[scene::overload().swap_remove(0)], &Asked::default()),
    ] {
        assert_eq!(printed.lines().next().unwrap(), heading);
        rows(&printed);
    }
    let continued = shown(&scene::overload(), &Asked::default(), |out| {
        Box::new(HistCsv::new(out, Selection::default()).continued(true))
    });
    let whole = csv(&scene::overload(), &Asked::default());
    assert_eq!(format!("{heading}\n{continued}"), whole);
}

/// What the scene is built of: 311 SYNs and 4 final ACKs of 90 clients, of which 12
/// get in.
#[test]
fn numbers_are_those_of_the_scene() {
    let printed = rows(&csv(&scene::overload(), &Asked::every(EVERY)));
    let (whole, parts): (Vec<_>, Vec<_>) = printed.iter().partition(|row| row["final"] == "true");
    let nginx = whole.iter().find(|row| row["port"] == "8080").unwrap();
    for (column, expected) in [
        ("start", "2026-11-20T10:00:00.000000000Z"),
        ("end", "2026-11-20T10:00:10.000000000Z"),
        ("complete", "true"),
        ("recording", ""),
        ("host", "web1"),
        ("netns", "4026531840"),
        ("netns_name", ""),
        ("address", "0.0.0.0"),
        ("cookie", "4129"),
        ("closed_listeners", ""),
        ("pid", "812"),
        ("comm", "nginx"),
        ("unit", "nginx.service"),
        ("container", ""),
        ("limit", "128"),
        ("somaxconn", "4096"),
        ("limited_by", "application"),
        ("accepted", "180"),
        ("accept_queue_max", "129"),
        ("connections_lost", "90"),
        ("connections_recovered", "12"),
        ("sk_drops_kernel", "319"),
        ("sk_drops_unaccounted", "0"),
        ("verdict", "accepts_too_slowly"),
        ("syn/accept_queue_full", "311"),
        ("ack/accept_queue_full", "4"),
        ("syn/syn_queue_full", "0"),
        // The scene has no hook that would show these.
        ("listener/closed", ""),
        ("syn/no_memory", ""),
    ] {
        assert_eq!(nginx[column], expected, "{column}");
    }
    let of_parts = parts.iter().filter(|row| row["port"] == "8080");
    let refused: u64 = of_parts.map(|row| row["syn/accept_queue_full"].parse::<u64>().unwrap()).sum();
    assert_eq!(refused, 311, "intervals add up to the whole run");
}

/// Each number of JSON that has a column is in it, and what is `null` there is empty.
#[test]
fn rows_say_what_json_says() {
    let fields = [
        ("netns", "/listener/netns"),
        ("address", "/listener/address"),
        ("port", "/listener/port"),
        ("cookie", "/listener/cookie"),
        ("unit", "/listener/unit"),
        ("limit", "/accept_queue/limit"),
        ("limited_by", "/accept_queue/limited_by"),
        ("syns", "/syns"),
        ("established", "/established"),
        ("established_by_cookie", "/established_by_cookie"),
        ("accepted", "/accepted"),
        ("accept_queue_max", "/accept_queue/max"),
        ("syn_queue_max", "/syn_queue/max"),
        ("connections_lost", "/connections/lost"),
        ("connections_recovered", "/connections/recovered"),
        ("connections_believed", "/connections/believed"),
        ("sk_drops_kernel", "/sk_drops/kernel"),
        ("sk_drops_attributed", "/sk_drops/attributed"),
        ("sk_drops_unaccounted", "/sk_drops/unaccounted"),
    ];
    for events in [scene::overload(), scene::polled::overload(), scene::sightless::sightless()] {
        let rows = rows(&csv(&events, &Asked::default()));
        let json =
            shown(&events, &Asked::default(), |out| Box::new(HistJson::new(out, Selection::default())));
        let object: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
        let listeners = object["listeners"].as_array().unwrap();
        assert_eq!(rows.len(), listeners.len());
        for (row, listener) in rows.iter().zip(listeners) {
            for (column, pointer) in fields {
                let value = listener.pointer(pointer).filter(|value| !value.is_null());
                let value = value.map_or_else(String::new, |value| value.to_string().replace('"', ""));
                assert_eq!(row[column], value, "{column} in {listener}");
            }
            for (reason, count) in listener["packets"].as_object().unwrap() {
                assert_eq!(row[reason], count.to_string(), "{reason}");
            }
        }
    }
}

#[test]
fn what_is_not_known_is_empty() {
    let polled = rows(&csv(&scene::polled::overload(), &Asked::default()));
    for row in &polled {
        assert_eq!(row["syns"], "");
        assert!(TABLE.iter().all(|reason| row[reason.name] != "0"), "{row:?}");
    }
    let reasons = ReasonFilter::parse(&["ack".to_owned()]).unwrap();
    let asked = Asked::only(Selection { reasons, ..Selection::default() });
    for row in rows(&csv(&scene::overload(), &asked)) {
        assert_eq!(row["syn/accept_queue_full"], "", "it was left out");
        assert_ne!(row["ack/child_failed"], "");
    }
}

/// Whoever may name a process, a cgroup or a file writes neither cells nor formulas.
#[test]
fn names_stay_in_their_cells() {
    for (name, cell) in [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("a,b\"c\"", "a,b\"c\""),
        ("a\r\nb,\u{1b}[2J", "a\\r\\nb,\\u{1b}[2J"),
        ("\u{202e}", "\\u{202e}"),
        ("-", "'-"),
        ("", ""),
    ] {
        let listener = Listener {
            owners: vec![Owner::new(9, name)],
            netns_name: Some(name.to_owned()),
            ..scene::nginx()
        };
        let events = scene::oddities(listener);
        let printed = shown(&events, &Asked::default(), |out| {
            let view = HistCsv::new(out, Selection::default());
            Box::new(view.of_recording(Some(name.to_owned())))
        });
        assert!(!printed.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{printed:?}");
        let rows = rows(&printed);
        let row = rows.iter().find(|row| row["port"] == "8080").unwrap();
        for column in ["comm", "netns_name", "recording"] {
            assert_eq!(row[column], cell, "{column}");
        }
        assert_eq!(row["unit"], "nginx.service", "what follows is in its column");
    }
}

/// Read by a program: the sum of a column, and how many of its cells are empty.
const BY_PANDAS: &str = "
import sys, pandas
rows = pandas.read_csv(sys.argv[1])
final = rows[rows['final']]
print(len(rows.columns), len(rows), final['syn/accept_queue_full'].sum(), rows['listener/closed'].isna().sum())
";
const BY_DUCKDB: &str = "
import sys, duckdb
rows = duckdb.read_csv(sys.argv[1])
total = duckdb.sql('select sum(\"syn/accept_queue_full\")::bigint from rows where final').fetchall()[0][0]
empty = duckdb.sql('select count(*) from rows where \"listener/closed\" is null').fetchall()[0][0]
print(len(rows.columns), duckdb.sql('select count(*) from rows').fetchall()[0][0], total, empty)
";

#[test]
fn pandas_and_duckdb_read_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let file: PathBuf = directory.path().join("hist.csv");
    fs::write(&file, csv(&scene::overload(), &Asked::every(EVERY))).unwrap();
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    for (library, program) in [("pandas", BY_PANDAS), ("duckdb", BY_DUCKDB)] {
        let import = Command::new(&python).args(["-c", &format!("import {library}")]).output();
        if !import.is_ok_and(|output| output.status.success()) {
            skipped(&format!("needs python3 with {library}"));
            continue;
        }
        let output = Command::new(&python).args(["-c", program]).arg(&file).output().unwrap();
        let (read, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // Two intervals and the whole run, of two listeners.
        assert_eq!(read.trim(), format!("{} 6 311 6", columns().count()), "{library}: {said}");
    }
}

const BEGIN: &str = "<!-- columns -->\n";
const END: &str = "<!-- end of columns -->\n";

#[test]
fn the_document_lists_every_column() {
    let path = manifest().join("../docs/csv.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let lines: String =
        columns().map(|column| format!("| `{}` | {} |\n", column.name, column.means)).collect();
    let renewed = format!("{before}{BEGIN}| column | what it is |\n|---|---|\n{lines}{END}{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "docs/csv.md lacks:\n{lines}");
}
