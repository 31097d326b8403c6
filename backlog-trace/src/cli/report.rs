//! `backlog-trace report`: recordings through the same views as an observation.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use backlog_trace_model::failure::{Exit, Failure, Result};
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
        let view = |file| view(arguments, &selection, &screen, file);
        let replayed = if file == Path::new("-") {
            replay(&mut piped()?, view(file), file)?
        } else {
            replay(&mut recording_file::open(file)?, view(file), file)?
        };
        if let Err(error) = replayed {
            return output::failure(&error).map_or(Ok(Exit::Success), Err);
        }
    }
    Ok(Exit::Success)
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
    let (out, selection) = (output::stdout(), selection.clone());
    let name = Some(file.display().to_string());
    match (arguments.events, arguments.format) {
        (true, Format::Text) => Box::new(LiveText::new(out, screen.clone(), selection).of_recording(name)),
        (true, Format::Json) => Box::new(LiveJson::new(out, selection)),
        (false, Format::Text) => {
            Box::new(HistText::new(out, screen.clone(), selection, arguments.interval).of_recording(name))
        }
        (false, Format::Json) => {
            Box::new(HistJson::new(out, selection, arguments.interval).of_recording(name))
        }
    }
}

/// What is missing from a recording is known when it was read to its end; what
/// the output did, inside.
fn replay<R: io::Read>(
    reader: &mut Reader<R>,
    mut view: Box<dyn View>,
    file: &Path,
) -> Result<io::Result<()>> {
    let mut missing = Missing::default();
    for event in reader.by_ref() {
        missing.replay(&event, file);
        if let Err(error) = view.take(&event) {
            return Ok(Err(error));
        }
    }
    reader.within_bounds()?;
    if !reader.damage().is_none() {
        view.lacks(reader.damage().sentences());
    }
    Ok(view.end())
}
