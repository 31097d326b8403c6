//! `hist --format csv`: a row per listener of each interval, and of the whole run
//! once more, marked `final`.

use std::io::{self, Write};

use super::column::columns;
use super::row::Row;
use crate::findings::Judged;
use crate::output::Output;
use crate::tally::Selection;
use crate::view::View;

/// Prints reports as CSV (RFC 4180, but that a line ends in a line feed alone).
pub struct HistCsv<W: Write> {
    out: csv::Writer<W>,
    selection: Selection,
    recording: Option<String>,
    /// The line of headings is still to be printed.
    is_headless: bool,
}

impl<W: Write> HistCsv<W> {
    /// Prints to `out` what is selected.
    pub fn new(out: W, selection: Selection) -> Self {
        Self { out: csv::Writer::from_writer(out), selection, recording: None, is_headless: true }
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    /// Goes on below rows that are printed already: without headings.
    #[must_use]
    pub fn continued(mut self, is_continued: bool) -> Self {
        self.is_headless = !is_continued;
        self
    }

    fn print(&mut self, judged: &Judged) -> io::Result<()> {
        for row in Row::all(judged, self.recording.as_deref(), &self.selection) {
            self.out.write_record(columns().map(|column| column.cell(&row).0))?;
        }
        Ok(())
    }
}

impl<W: Write> View for HistCsv<W> {
    fn take(&mut self, output: &Output<'_>) -> io::Result<()> {
        // Also where no row follows: what reads it finds the columns.
        if std::mem::take(&mut self.is_headless) {
            self.out.write_record(columns().map(|column| column.name))?;
        }
        match output {
            Output::Interval(judged) => self.print(judged),
            Output::Ended { rest, whole } => {
                rest.iter().chain([whole]).try_for_each(|judged| self.print(judged))
            }
            Output::Began(_) | Output::Occurred(_) | Output::Missed { .. } | Output::SoFar(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
