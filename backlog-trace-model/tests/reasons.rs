//! docs/reasons.md lists every reason, and which hook counts it.
//!
//! `UPDATE=1 cargo test --test reasons` writes its table anew.

use std::fs;
use std::path::Path;

use backlog_trace_common::reason::{Class, Row, Stage, TABLE};
use backlog_trace_model::check::Hook;

const BEGIN: &str = "<!-- reasons -->\n";
const END: &str = "<!-- end of reasons -->\n";

#[test]
fn the_document_lists_every_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reasons.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let table = table();
    let renewed = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "docs/reasons.md lacks:\n{table}");
}

fn table() -> String {
    let head = "| reason | number | class | meaning | audited counters that it moves | hook |\n\
                |---|---:|---|---|---|---|\n";
    let lines: String = TABLE.iter().map(line).collect();
    format!("{head}{lines}")
}

fn line(row: &Row) -> String {
    let counters: Vec<&str> = row.counters.iter().map(|counter| counter.name()).collect();
    let counters = if counters.is_empty() { "none".to_owned() } else { counters.join(", ") };
    let (number, class, hook) = (row.reason.index(), class(row.class), hook(row));
    format!("| `{}` | {number} | {class} | {} | {counters} | {hook} |\n", row.name, row.meaning)
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Loss => "loss",
        Class::Cookie => "cookie",
        Class::Retransmit => "retransmit",
        Class::Expired => "expired",
        Class::Harmless => "harmless",
    }
}

fn hook(row: &Row) -> &'static str {
    if row.stage == Stage::Unknown {
        return "none: polled";
    }
    Hook::all().find(|hook| hook.row().reasons.contains(&row.reason)).map_or("none yet", Hook::name)
}
