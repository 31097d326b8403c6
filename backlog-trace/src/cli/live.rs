//! `backlog-trace live`: one line per loss as it happens.

use backlog_trace_model::failure::{Exit, Result};
use backlog_trace_model::view::{LiveJson, LiveText, View};
use clap::Args;

use super::Format;
use super::drive::{self, Sink};
use super::observe::Observe;
use super::output;
use super::printed::Printed;

const EXAMPLES: &str = "\
Examples:
  backlog-trace live                                every loss on this host, until Ctrl-C
  backlog-trace live --port 8080 --reason ack       connections of port 8080 that the client believes it has
  backlog-trace live --format json --duration 1m    one JSON object a line, for a minute (docs/json.md)
  backlog-trace live -- wrk -c 2000 http://10.0.0.7:8080/";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Live {
    /// What to observe.
    #[command(flatten)]
    pub observe: Observe,
}

/// Runs it.
///
/// # Errors
/// Nothing can be attached, or an output cannot be written.
pub fn run(arguments: &Live) -> Result<Exit> {
    let selection = arguments.observe.filters.selection()?;
    let printed = Printed::output();
    let view: Box<dyn View> = match arguments.observe.format {
        Format::Text => Box::new(LiveText::new(printed.writer(), output::screen(), selection.clone())),
        Format::Json => Box::new(LiveJson::new(printed.writer(), selection.clone())),
    };
    let sink = Sink { view, printed, recording: None, output_is_recording: false };
    drive::run(&arguments.observe, &selection, None, sink)
}
