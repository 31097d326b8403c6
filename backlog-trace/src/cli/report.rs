//! `backlog-trace report`: recordings through the same views as an observation.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::output::{Consumer, End, Output, Pipeline, Wants};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::trace::Reader;
use backlog_trace_model::view::{HistJson, HistText, LiveJson, LiveText, Screen, View};
use clap::Args;

use super::missing::Missing;
use super::observe::{Filters, parse_duration};
use super::{Format, output};
use crate::{confine, recording_file};

const EXAMPLES: &str = "\
Examples:
  backlog-trace report monday.trace                       what `hist` would have printed
  backlog-trace report --events --port 8080 monday.trace  what `live` would have printed
  backlog-trace report --format json *.trace              one JSON object per recording (docs/json.md)";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Report {
    /// Recordings to read, one after the other; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print every loss as `live` does.
    #[arg(long, conflicts_with = "interval")]
    pub events: bool,
    /// Print a histogram of each stretch of this length too, e.g. 5s.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which listeners are shown.
    #[command(flatten)]
    pub filters: Filters,
}

/// Runs it.
///
/// # Errors
/// A file is no recording or cannot be read at all, or the output cannot be written.
pub fn run(arguments: &Report) -> Result<Exit> {
    let selection = arguments.filters.selection()?;
    // The time zone is looked up before files are fenced off.
    let screen = output::screen();
    confine::reading(&arguments.files)?;
    for file in &arguments.files {
        let mut shown = Shown { view: view(arguments, &selection, &screen, file), is_read: true };
        let pipeline = Pipeline::new(selection.clone(), arguments.interval, vec![&mut shown]);
        if file == Path::new("-") {
            replay(&mut piped()?, pipeline, file)?;
        } else {
            replay(&mut recording_file::open(file)?, pipeline, file)?;
        }
        if !shown.is_read {
            break;
        }
    }
    Ok(Exit::Success)
}

/// A view on standard output, as the consumer of a replay.
struct Shown {
    view: Box<dyn View>,
    is_read: bool,
}

impl Shown {
    fn goes_on(&mut self, printed: io::Result<()>) -> Result<Wants> {
        match printed {
            Ok(()) => Ok(Wants::More),
            Err(error) => {
                self.is_read = false;
                output::failure(&error).map_or(Ok(Wants::NoMore), Err)
            }
        }
    }
}

impl Consumer for Shown {
    fn take(&mut self, output: &Output<'_>) -> Result<Wants> {
        if !self.is_read {
            return Ok(Wants::NoMore);
        }
        let printed = self.view.take(output);
        self.goes_on(printed)
    }

    fn flush(&mut self) -> Result<Wants> {
        let flushed = self.view.flush();
        self.goes_on(flushed)
    }

    fn end(&mut self, _end: End) -> Result<()> {
        if self.is_read { self.flush().map(drop) } else { Ok(()) }
    }
}

/// The recording on standard input.
fn piped() -> Result<Reader<io::StdinLock<'static>>> {
    if io::stdin().is_terminal() {
        return Err(Failure::new(Exit::BadInput, "standard input is a terminal, not a recording")
            .advise("pipe a recording into it: backlog-trace record -o - | backlog-trace report -"));
    }
    Reader::from_source(io::stdin().lock(), "standard input")
}

fn view(arguments: &Report, selection: &Selection, screen: &Screen, file: &Path) -> Box<dyn View> {
    let out = output::stdout();
    let name = Some(file.display().to_string());
    match (arguments.events, arguments.format) {
        (true, Format::Text) => Box::new(LiveText::new(out, screen.clone()).of_recording(name)),
        (true, Format::Json) => Box::new(LiveJson::new(out, selection.clone())),
        (false, Format::Text) => Box::new(HistText::new(out, screen.clone(), selection).of_recording(name)),
        (false, Format::Json) => Box::new(HistJson::new(out, selection.clone()).of_recording(name)),
    }
}

/// What is missing from a recording is known when it was read to its end.
fn replay<R: io::Read>(reader: &mut Reader<R>, mut pipeline: Pipeline<'_>, file: &Path) -> Result<()> {
    let mut missing = Missing::default();
    pipeline.prepare()?;
    for event in reader.by_ref() {
        missing.replay(&event, file);
        pipeline.take(&event);
        if pipeline.is_over() {
            return pipeline.end(&[], End { interrupted: false });
        }
    }
    reader.within_bounds()?;
    let gaps = if reader.damage().is_none() { Vec::new() } else { reader.damage().sentences() };
    pipeline.end(&gaps, End { interrupted: false })
}
