//! `backlog-trace record`: an observation into a file, to be looked at later.

use std::path::{Path, PathBuf};

use backlog_trace_model::failure::{Exit, Result};
use clap::Args;

use super::drive::{self, Observation};
use super::observe::Observe;
use super::printed::Printed;
use super::recording::{Goal, Recording};
use super::{Format, hist};
use crate::recording_file::Overwrite;

const EXAMPLES: &str = "\
The recording holds the whole host; filters choose what is printed at the end.
With -o - the recording goes to standard output, and what is printed to standard error; -o ./-
names a file.

Examples:
  backlog-trace record -o monday.trace --duration 1h
  backlog-trace record -o test.trace -- ./load-test
  backlog-trace report test.trace
  ssh HOST backlog-trace record -o - --duration 1m | backlog-trace report -";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Record {
    /// The file to make, or - for standard output. It holds addresses of clients, so it is the
    /// owner's alone to read.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the file where it exists.
    #[arg(long)]
    pub overwrite: bool,
    /// A name for what is recorded, which the recording keeps, e.g. 'backlog 512'.
    #[arg(long, value_name = "TEXT", value_parser = parse_label)]
    pub label: Option<String>,
    /// What to observe.
    #[command(flatten)]
    pub observe: Observe,
}

/// Bytes of a label: one line of a report.
const LONGEST_LABEL: usize = 200;

fn parse_label(text: &str) -> std::result::Result<String, String> {
    if text.len() <= LONGEST_LABEL {
        return Ok(text.to_owned());
    }
    Err(format!("a label has at most {LONGEST_LABEL} bytes, and this one has {}", text.len()))
}

/// Runs it.
///
/// # Errors
/// Nothing can be attached, or an output cannot be written.
pub(super) fn run(arguments: &Record) -> Result<Exit> {
    let selection = arguments.observe.filters.selection()?;
    let format = arguments.observe.format;
    let to_output = arguments.output == Path::new("-");
    let (goal, printed) = if to_output {
        (Goal::Output, Printed::error())
    } else {
        let overwrite = if arguments.overwrite { Overwrite::Replace } else { Overwrite::Refuse };
        (Goal::File(arguments.output.clone(), overwrite), Printed::output())
    };
    let mut recording = Recording::new(goal);
    let mut printing = hist::printing(format.into(), &selection, false, printed);
    let observation = Observation {
        arguments: &arguments.observe,
        selection,
        interval: None,
        label: arguments.label.clone(),
        output_is_data: to_output || format == Format::Json,
    };
    let observed = drive::run(observation, vec![&mut recording, &mut printing]);
    recording.remove_if_bare();
    observed
}
