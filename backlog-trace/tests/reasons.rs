//! docs/reasons.md lists every reason, and which hook counts it.
//!
//! `UPDATE=1 cargo test --test reasons` writes its table anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use backlog_trace::probe::HOOKS;
use backlog_trace_common::reason::{Class, Row, TABLE};

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
    let mut text = "| reason | number | class | meaning | the kernel counts it in | hook |\n\
                    |---|---:|---|---|---|---|\n"
        .to_owned();
    for row in TABLE {
        let counters: Vec<&str> = row.counters.iter().map(|counter| counter.name()).collect();
        let counters = if counters.is_empty() { "nothing".to_owned() } else { counters.join(", ") };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {counters} | {} |",
            row.name,
            row.reason.index(),
            class(row.class),
            row.meaning,
            hook(row)
        )
        .unwrap();
    }
    text
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
    HOOKS.iter().find(|hook| hook.reasons.contains(&row.reason)).map_or("none yet", |hook| hook.name)
}
