//! `backlog-trace report`: recordings through the same views as an observation.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backlog_trace_model::export::HistCsv;
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::view::{HistJson, HistText, LiveJson, LiveText, Screen, View};
use clap::Args;

use super::format::ReportFormat;
use super::observe::{Filters, parse_duration};
use super::{output, replay};

const EXAMPLES: &str = "\
Examples:
  backlog-trace report monday.trace                       what `hist` would have printed
  backlog-trace report --events --port 8080 monday.trace  what `live` would have printed
  backlog-trace report --format json *.trace              one JSON object per recording (docs/json.md)
  backlog-trace report --format csv *.trace               one row per listener of each (docs/csv.md)";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Report {
    /// Recordings to read, one after the other; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print losses second by second as `live` does.
    #[arg(long, conflicts_with = "interval")]
    pub events: bool,
    /// With --events: print each packet on a line of its own.
    #[arg(long, requires = "events")]
    pub every: bool,
    /// Print a histogram of each stretch of this length too, e.g. 5s.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// Print the histograms of every listener, not only of the worst.
    #[arg(long, conflicts_with = "events")]
    pub all: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Which listeners are shown.
    #[command(flatten)]
    pub filters: Filters,
}

/// Runs it.
///
/// # Errors
/// A file is no recording or cannot be read at all, or the output cannot be written.
pub(super) fn run(arguments: &Report) -> Result<Exit> {
    if arguments.events && arguments.format == ReportFormat::Csv {
        return Err(Failure::new(
            Exit::Usage,
            "--format csv does not apply to --events: its rows are reports",
        )
        .advise("leave --events out, or print each loss with --format json"));
    }
    let selection = arguments.filters.selection()?;
    // The time zone is looked up before files are fenced off.
    let screen = output::screen();
    let is_first = Cell::new(true);
    let view = |file: &Path| view(arguments, &selection, &screen, file, is_first.replace(false));
    replay::recordings(&arguments.files, &selection, arguments.interval, view)
}

fn view(
    arguments: &Report,
    selection: &Selection,
    screen: &Screen,
    file: &Path,
    is_first: bool,
) -> Box<dyn View> {
    let out = output::stdout();
    let name = Some(file.display().to_string());
    match (arguments.format, arguments.events) {
        (ReportFormat::Text, true) => {
            Box::new(LiveText::new(out, screen.clone()).of_every_packet(arguments.every).of_recording(name))
        }
        (ReportFormat::Json, true) => Box::new(LiveJson::new(out, selection.clone())),
        (ReportFormat::Text, false) => {
            Box::new(HistText::new(out, screen.clone(), selection).of_recording(name).of_all(arguments.all))
        }
        (ReportFormat::Json, false) => Box::new(HistJson::new(out, selection.clone()).of_recording(name)),
        (ReportFormat::Csv, _) => {
            Box::new(HistCsv::new(out, selection.clone()).of_recording(name).continued(!is_first))
        }
    }
}
