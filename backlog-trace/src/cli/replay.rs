//! Recordings through the views, one after the other: what `report` and `advise`
//! share.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::output::{Consumer, End, Output, Pipeline, Wants};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::trace::Reader;
use backlog_trace_model::view::View;

use super::missing::Missing;
use super::output::{self, talk};
use super::unmatched::Unmatched;
use crate::{confine, recording_file};

/// Prints each recording by a view of its own; - is standard input. Nothing but
/// these files can be opened from here on.
///
/// # Errors
/// A file is no recording or cannot be read at all, or the output cannot be written.
pub(super) fn recordings(
    files: &[PathBuf],
    selection: &Selection,
    interval: Option<Duration>,
    view: impl Fn(&Path) -> Box<dyn View>,
) -> Result<Exit> {
    confine::reading(files)?;
    for file in files {
        let mut shown = Shown { view: view(file), is_read: true };
        let pipeline = Pipeline::new(selection.clone(), interval, vec![&mut shown]);
        let mut unmatched = Unmatched::by(&selection.listeners);
        if file == Path::new("-") {
            replay(&mut piped()?, pipeline, file, &mut unmatched)?;
        } else {
            replay(&mut recording_file::open(file)?, pipeline, file, &mut unmatched)?;
        }
        if !shown.is_read {
            break;
        }
        if let Some(sentence) = unmatched.sentence() {
            talk(format_args!("{}: {sentence}", file.display()));
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

/// What is missing from a recording is known when it was read to its end.
fn replay<R: io::Read>(
    reader: &mut Reader<R>,
    mut pipeline: Pipeline<'_>,
    file: &Path,
    unmatched: &mut Unmatched,
) -> Result<()> {
    let mut missing = Missing::default();
    pipeline.prepare()?;
    for event in reader.by_ref() {
        missing.replay(&event, file);
        unmatched.take(&event);
        pipeline.take(&event);
        if pipeline.is_over() {
            return pipeline.end(&[], End { interrupted: false });
        }
    }
    reader.within_bounds()?;
    let gaps = if reader.damage().is_none() { Vec::new() } else { reader.damage().sentences() };
    pipeline.end(&gaps, End { interrupted: false })
}
