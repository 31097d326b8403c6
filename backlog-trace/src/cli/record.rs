//! `backlog-trace record`: an observation into a file, to be looked at later.

use std::path::{Path, PathBuf};

use clap::Args;

use super::drive::{self, Sink};
use super::hist;
use super::observe::Observe;
use crate::confine::as_invoker;
use crate::failure::{Exit, Result};
use crate::trace::format::FILE_HEADER;
use crate::trace::{Overwrite, Writer};

const EXAMPLES: &str = "\
The recording holds the whole host; filters choose what is printed at the end.

Examples:
  backlog-trace record -o monday.trace --duration 1h
  backlog-trace record -o test.trace -- ./load-test
  backlog-trace report test.trace";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Record {
    /// The file to make. It holds addresses of clients, so it is the owner's alone to read.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the file where it exists.
    #[arg(long)]
    pub overwrite: bool,
    /// What to observe.
    #[command(flatten)]
    pub observe: Observe,
}

/// Runs it.
///
/// # Errors
/// Nothing can be attached, or an output cannot be written.
pub fn run(arguments: &Record) -> Result<Exit> {
    let selection = arguments.observe.filters.selection()?;
    let recording = as_invoker(|| Writer::create(&arguments.output, overwrite(arguments)))?;
    let view = hist::view(arguments.observe.format, &selection, None, None);
    let observed =
        drive::run(&arguments.observe, &selection, None, Sink { view, recording: Some(recording) });
    // What failed before is what the user reads; where it was interrupted before it began, nothing did.
    let _ = as_invoker(|| {
        remove_if_bare(&arguments.output);
        Ok(())
    });
    observed
}

/// Nothing was observed: a file with nothing but its header helps nobody.
fn remove_if_bare(path: &Path) {
    if path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= FILE_HEADER as u64)
    {
        // As above.
        let _ = std::fs::remove_file(path);
    }
}

/// An empty file, such as mktemp makes, holds nothing that could be lost.
fn overwrite(arguments: &Record) -> Overwrite {
    if arguments.overwrite || is_empty_file(&arguments.output) {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    }
}

fn is_empty_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}
