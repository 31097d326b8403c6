//! docs/exit-codes.md lists the codes of the program.
//!
//! `UPDATE=1 cargo test --test exit_codes` writes its table anew.

use std::fs;
use std::path::Path;

use backlog_trace::cli;

#[test]
fn the_document_lists_every_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/exit-codes.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, after) = document.split_once("<!-- codes -->\n").unwrap();
    let (_, after) = after.split_once("<!-- end of codes -->\n").unwrap();
    let table = cli::exit_codes::table();
    let renewed = format!("{before}<!-- codes -->\n{table}<!-- end of codes -->\n{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "docs/exit-codes.md lacks:\n{table}");
}

#[test]
fn help_lists_every_code_and_has_examples() {
    let mut command = cli::command();
    let help = command.render_long_help().to_string();
    for code in cli::exit_codes::CODES {
        assert!(help.contains(cli::exit_codes::meaning(code)), "{help}");
    }
    for name in ["live", "hist", "record", "report", "check"] {
        let help = command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
        assert!(help.contains("Examples:\n"), "{name}: {help}");
    }
}
