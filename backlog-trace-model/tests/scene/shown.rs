//! Events on their way into a view: as a replay takes them.

use std::time::Duration;

use backlog_trace_model::event::Event;
use backlog_trace_model::output::{Output, Reporter};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::view::View;

/// What is asked for, and what a recording lacks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) selection: Selection,
    pub(crate) interval: Option<Duration>,
    pub(crate) gaps: Vec<String>,
}

impl Asked {
    /// What is selected, in one piece.
    pub(crate) fn only(selection: Selection) -> Self {
        Self { selection, ..Self::default() }
    }

    /// Everything, in intervals of this length.
    pub(crate) fn every(length: Duration) -> Self {
        Self { interval: Some(length), ..Self::default() }
    }
}

/// What a view prints of these events.
pub(crate) fn shown(
    events: &[Event],
    asked: &Asked,
    make: impl FnOnce(&mut Vec<u8>) -> Box<dyn View + '_>,
) -> String {
    let mut out = Vec::new();
    let mut view = make(&mut out);
    let mut reporter = Reporter::new(asked.selection.clone(), asked.interval);
    let mut give = |output: &Output<'_>| view.take(output).unwrap();
    events.iter().for_each(|event| reporter.take(event, &mut give));
    reporter.end(&asked.gaps, &mut give);
    view.flush().unwrap();
    drop(view);
    String::from_utf8(out).unwrap()
}
