//! A view on a standard stream, as a consumer of an observation: an observation
//! cannot be repeated, so its result goes to standard error where standard
//! output does not take it.

use std::io::{self, ErrorKind, Write};

use backlog_trace_model::failure::Result;
use backlog_trace_model::output::{Consumer, End, Output, Wants};
use backlog_trace_model::view::View;

use super::output;
use super::printed::Printed;

/// Prints what is observed.
pub(super) struct Printing {
    view: Box<dyn View>,
    /// Where the view prints.
    printed: Printed,
    reached: Reached,
    /// The last output, as it was printed, and whether all of it was.
    result: Vec<u8>,
    rendered: io::Result<()>,
}

/// What became of the stream.
enum Reached {
    /// The stream took everything.
    Reader,
    /// Whoever read it has gone.
    Nobody,
    /// The stream took no more.
    Refused(io::Error),
}

impl Reached {
    fn of(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe { Self::Nobody } else { Self::Refused(error) }
    }
}

impl Printing {
    /// Prints by a view, which prints to `printed`.
    pub(super) fn new(view: Box<dyn View>, printed: Printed) -> Self {
        Self { view, printed, reached: Reached::Reader, result: Vec::new(), rendered: Ok(()) }
    }

    fn goes_on(&mut self, printed: io::Result<()>) -> Wants {
        match printed {
            Ok(()) => Wants::More,
            Err(error) => {
                self.reached = Reached::of(error);
                Wants::NoMore
            }
        }
    }
}

impl Consumer for Printing {
    fn take(&mut self, output: &Output<'_>) -> Result<Wants> {
        if matches!(output, Output::Ended { .. }) {
            self.printed.hold();
            self.rendered = self.view.take(output).and_then(|()| self.view.flush());
            self.result = self.printed.release();
            return Ok(Wants::NoMore);
        }
        let printed = self.view.take(output);
        Ok(self.goes_on(printed))
    }

    fn flush(&mut self) -> Result<Wants> {
        let flushed = self.view.flush();
        Ok(self.goes_on(flushed))
    }

    /// A run without losses prints nothing, and would not notice otherwise.
    fn tick(&mut self) -> Result<Wants> {
        if self.printed.is_unread() {
            self.reached = Reached::Nobody;
            return Ok(Wants::NoMore);
        }
        let printed = self.view.tick().and_then(|()| self.view.flush());
        Ok(self.goes_on(printed))
    }

    fn end(&mut self, end: End) -> Result<()> {
        let reached = std::mem::replace(&mut self.reached, Reached::Reader);
        let rendered = std::mem::replace(&mut self.rendered, Ok(()));
        let failed = match (reached, rendered) {
            (Reached::Reader, Ok(())) => match self.printed.write_all(&self.result) {
                Ok(()) if end.interrupted && self.printed.is_lost() => ErrorKind::BrokenPipe.into(),
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            (Reached::Nobody, _) => ErrorKind::BrokenPipe.into(),
            (Reached::Reader, Err(error)) | (Reached::Refused(error), _) => error,
        };
        // Whoever closed a pipe wanted no more; after Ctrl-C the whole pipeline has ended.
        if failed.kind() == ErrorKind::BrokenPipe && !end.interrupted {
            return Ok(());
        }
        let mut failure = output::refused(&failed);
        failure.what.push_str(match Printed::error().write_all(&self.result) {
            Ok(()) => "; the result is printed above instead",
            Err(_) => "; the result is lost",
        });
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use backlog_trace_model::event::{Asked, Clock, Session};
    use backlog_trace_model::failure::Exit;
    use backlog_trace_model::output::Pipeline;
    use backlog_trace_model::tally::Selection;

    use super::*;

    /// Prints to something that takes nothing.
    struct Refused(ErrorKind);

    impl View for Refused {
        fn take(&mut self, _output: &Output<'_>) -> io::Result<()> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// How a run ends whose output fails by this, and whether it went on after that.
    fn end(error: ErrorKind, interrupted: bool) -> (Wants, Result<()>) {
        let mut printing = Printing::new(Box::new(Refused(error)), Printed::error());
        let session = Session {
            version: String::new(),
            host: String::new(),
            kernel: String::new(),
            netns: None,
            start: 0,
            clock: Clock { unix_minus_monotonic: 0 },
            zone: None,
            asked: Asked::default(),
            hooks: Vec::new(),
            sources: Vec::new(),
        };
        let wants = printing.take(&Output::Began(&session)).unwrap();
        let pipeline = Pipeline::new(Selection::default(), None, vec![&mut printing]);
        (wants, pipeline.end(&[], End { interrupted }))
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_unless_a_signal_ended_all() {
        let (wants, ended) = end(ErrorKind::BrokenPipe, false);
        assert!(wants == Wants::NoMore && ended.is_ok());
        let (_, ended) = end(ErrorKind::BrokenPipe, true);
        assert!(ended.unwrap_err().what.contains("the result is printed above instead"));
    }

    #[test]
    fn an_output_that_takes_no_more_is_a_failure_with_the_result_elsewhere() {
        let (wants, ended) = end(ErrorKind::StorageFull, false);
        assert_eq!(wants, Wants::NoMore);
        assert_eq!(ended.unwrap_err().exit, Exit::OutputFailed);
    }
}
