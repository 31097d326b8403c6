//! README.md and ARCHITECTURE.md tell what an attach method does not show, from
//! the one table.
//!
//! `UPDATE=1 cargo test -p backlog-trace-model --test unseen` writes it anew.
#![expect(clippy::unwrap_used, reason = "a document that cannot be read fails the test")]

use std::fs;
use std::path::Path;

use backlog_trace_model::check::unseen::{sentences, table};

#[track_caller]
fn check(document: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("<!-- unseen -->\n").unwrap();
    let (_, after) = after.split_once("<!-- end of unseen -->\n").unwrap();
    let renewed = format!("{before}<!-- unseen -->\n{expected}<!-- end of unseen -->\n{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "{document} lacks:\n{expected}");
}

#[test]
fn the_documents_tell_what_is_not_seen() {
    check("README.md", &sentences());
    check("ARCHITECTURE.md", &table());
}
