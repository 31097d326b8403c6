//! `backlog-trace hist`: what was lost and how deep the queues were, per listener.

use std::time::Duration;

use backlog_trace_model::export::HistCsv;
use backlog_trace_model::failure::{Exit, Result};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::view::{HistJson, HistText, View};
use clap::Args;

use super::drive::{self, Observation};
use super::format::ReportFormat;
use super::observe::{Observe, parse_duration};
use super::output;
use super::printed::Printed;
use super::printing::Printing;

const EXAMPLES: &str = "\
Examples:
  backlog-trace hist                                until Ctrl-C, then what is wrong, with the worst's histograms
  backlog-trace hist --all                          and those of every listener
  backlog-trace hist --duration 10s --port 8080
  backlog-trace hist --interval 5s                  one every five seconds, and one of the whole run
  backlog-trace hist --format json -- ./load-test   what the load test lost, as JSON (docs/json.md)
  backlog-trace hist --format csv --interval 10s    rows for a database or a spreadsheet (docs/csv.md)
  pkill -USR1 -x backlog-trace                      a running one prints what it saw since the last time, and goes on";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Hist {
    /// Print a histogram of each stretch of this length too, e.g. 5s.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// Print the histograms of every listener, not only of the worst.
    #[arg(long)]
    pub all: bool,
    /// What to observe.
    #[command(flatten)]
    pub observe: Observe<ReportFormat>,
}

/// Runs it.
///
/// # Errors
/// Nothing can be attached, or an output cannot be written.
pub(super) fn run(arguments: &Hist) -> Result<Exit> {
    let selection = arguments.observe.filters.selection()?;
    let mut printing = printing(arguments.observe.format, &selection, arguments.all, Printed::output());
    let observation = Observation {
        arguments: &arguments.observe,
        selection,
        interval: arguments.interval,
        label: None,
        output_is_data: arguments.observe.format != ReportFormat::Text,
    };
    drive::run(observation, vec![&mut printing])
}

/// The histogram of an observation.
pub(super) fn printing(format: ReportFormat, selection: &Selection, all: bool, printed: Printed) -> Printing {
    let out = printed.writer();
    let view: Box<dyn View> = match format {
        ReportFormat::Text => Box::new(HistText::new(out, output::screen(), selection).of_all(all)),
        ReportFormat::Json => Box::new(HistJson::new(out, selection.clone())),
        ReportFormat::Csv => Box::new(HistCsv::new(out, selection.clone())),
    };
    Printing::new(view, printed)
}
