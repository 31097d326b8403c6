//! `backlog-trace live`: losses as they happen, second by second or packet by packet.

use backlog_trace_model::failure::{Exit, Result};
use backlog_trace_model::view::{LiveJson, LiveText, View};
use clap::Args;

use super::Format;
use super::drive::{self, Observation};
use super::observe::Observe;
use super::output;
use super::printed::Printed;
use super::printing::Printing;

const EXAMPLES: &str = "\
Examples:
  backlog-trace live                                every loss on this host, until Ctrl-C
  backlog-trace live --every                        and a line of its own for each packet, with its client
  backlog-trace live --port 8080 --reason ack       connections of port 8080 that the client believes it has
  backlog-trace live --format json --duration 1m    one JSON object a line, for a minute (docs/json.md)
  backlog-trace live -- wrk -c 2000 http://10.0.0.7:8080/";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Live {
    /// Print each packet on a line of its own, not one line for all that met the same within a second.
    #[arg(long)]
    pub every: bool,
    /// What to observe.
    #[command(flatten)]
    pub observe: Observe,
}

/// Runs it.
///
/// # Errors
/// Nothing can be attached, or an output cannot be written.
pub(super) fn run(arguments: &Live) -> Result<Exit> {
    let selection = arguments.observe.filters.selection()?;
    let format = arguments.observe.format;
    let printed = Printed::output();
    let view: Box<dyn View> = match format {
        Format::Text => {
            Box::new(LiveText::new(printed.writer(), output::screen()).of_every_packet(arguments.every))
        }
        Format::Json => Box::new(LiveJson::new(printed.writer(), selection.clone())),
    };
    let observation = Observation {
        arguments: &arguments.observe,
        selection,
        interval: None,
        label: None,
        output_is_data: format == Format::Json,
    };
    drive::run(observation, vec![&mut Printing::new(view, printed)])
}
