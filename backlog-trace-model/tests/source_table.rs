//! docs/json.md has the table of what figures are read from.
//!
//! `UPDATE=1 cargo test --test source_table` writes it anew.

use std::fs;
use std::path::Path;

use backlog_trace_model::check::sources;

#[test]
fn the_document_has_every_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, after) = document.split_once("<!-- sources -->\n").unwrap();
    let (_, after) = after.split_once("<!-- end of sources -->\n").unwrap();
    let table = sources::table();
    let renewed = format!("{before}<!-- sources -->\n{table}<!-- end of sources -->\n{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "docs/json.md lacks:\n{table}");
}
