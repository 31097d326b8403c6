//! `backlog-trace advise`: what is wrong and what to change, from recordings or
//! after observing for a while.

use std::path::{Path, PathBuf};
use std::time::Duration;

use backlog_trace_model::failure::{Exit, Result};
use backlog_trace_model::view::{AdviseJson, AdviseText, Screen, View};
use clap::Args;

use super::drive::{self, Observation};
use super::observe::Observe;
use super::printed::Printed;
use super::printing::Printing;
use super::{Format, output, replay};

/// How long it observes unless it is told otherwise: long enough for a client's
/// first four tries (after 1, 3, 7 and 15 s), by which it is seen who gets in.
const WHILE: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  backlog-trace advise                        observes for 20 s, then says what to change
  backlog-trace advise --port 443 --duration 5m
  backlog-trace advise -- ./load-test         observes for as long as the load test runs
  backlog-trace advise monday.trace           says it of a recording
  backlog-trace advise --format json          as JSON (docs/json.md)";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Advise {
    /// Recordings to read instead of observing; - is standard input.
    #[arg(value_name = "FILE", conflicts_with_all = ["duration", "command", "rung", "causes"])]
    files: Vec<PathBuf>,
    /// What to observe.
    #[command(flatten)]
    observe: Observe,
}

/// Runs it.
///
/// # Errors
/// Nothing can be attached, a file is no recording, or the output cannot be written.
pub(super) fn run(arguments: &Advise) -> Result<Exit> {
    let selection = arguments.observe.filters.selection()?;
    let format = arguments.observe.format;
    if !arguments.files.is_empty() {
        // The time zone is looked up before files are fenced off.
        let screen = output::screen();
        return replay::recordings(&arguments.files, &selection, None, |file| {
            recorded(format, &screen, file)
        });
    }
    let mut observe = arguments.observe.clone();
    if observe.command.is_empty() {
        observe.duration.get_or_insert(WHILE);
    }
    let printed = Printed::output();
    let out = printed.writer();
    let view: Box<dyn View> = match format {
        Format::Text => Box::new(AdviseText::new(out, output::screen())),
        Format::Json => Box::new(AdviseJson::new(out)),
    };
    let mut printing = Printing::new(view, printed);
    let observation = Observation {
        arguments: &observe,
        selection,
        interval: None,
        label: None,
        output_is_data: format == Format::Json,
    };
    drive::run(observation, vec![&mut printing])
}

fn recorded(format: Format, screen: &Screen, file: &Path) -> Box<dyn View> {
    let (out, name) = (output::stdout(), Some(file.display().to_string()));
    match format {
        Format::Text => Box::new(AdviseText::new(out, screen.clone()).of_recording(name)),
        Format::Json => Box::new(AdviseJson::new(out).of_recording(name)),
    }
}
