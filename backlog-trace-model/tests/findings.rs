//! docs/findings.md lists every finding, and every application whose backlog is known.
//!
//! `UPDATE=1 cargo test --test findings` writes its tables anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use backlog_trace_model::findings::{APPLICATIONS, Severity, TABLE};

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md")
}

/// The document with a table between its marks.
fn with(document: &str, marks: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {marks} -->\n"), format!("<!-- end of {marks} -->\n"));
    let (before, rest) = document.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{table}{end}{after}")
}

fn kinds() -> String {
    let severity = |severity| match severity {
        Severity::Loss => "loss",
        Severity::Risk => "risk",
        Severity::Fine => "fine",
    };
    let line = |row: &backlog_trace_model::findings::Row| {
        format!("| `{}` | {} | {} | {} |\n", row.name, severity(row.severity), row.verdict, row.found)
    };
    let lines: String = TABLE.iter().map(line).collect();
    format!("| kind | severity | verdict | when |\n|---|---|---|---|\n{lines}")
}

fn applications() -> String {
    let line = |application: &backlog_trace_model::findings::Application| {
        let processes: Vec<String> =
            application.processes.iter().map(|process| format!("`{process}`")).collect();
        format!(
            "| {} | {} | `{}` | {} | {} |\n",
            application.name,
            processes.join(", "),
            application.line,
            application.takes_effect,
            application.source
        )
    };
    let lines: String = APPLICATIONS.iter().map(line).collect();
    format!("| application | processes | line | takes effect | source |\n|---|---|---|---|---|\n{lines}")
}

#[test]
fn the_document_lists_every_finding_and_application() {
    let document = fs::read_to_string(path()).unwrap();
    let renewed = with(&with(&document, "kinds", &kinds()), "applications", &applications());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(), &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(path()).unwrap(), "docs/findings.md is not what the tables say");
}
