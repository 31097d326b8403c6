//! Says at the end that no listener has matched the filters, so that an empty result
//! is not taken for one without losses. Refuses to end anything: one that matches
//! may come until the last moment.

use backlog_trace_model::event::Event;
use backlog_trace_model::listener::Filter;

/// The filters of a run, until a listener matches.
#[derive(Debug)]
pub(super) struct Unmatched {
    filter: Option<Filter>,
}

impl Unmatched {
    /// Waits for a listener that matches; for none where there is no filter.
    pub(super) fn by(filter: &Filter) -> Self {
        Self { filter: Some(filter.clone()).filter(|filter| !filter.is_empty()) }
    }

    /// Looks whether an event tells of one.
    pub(super) fn take(&mut self, event: &Event) {
        if let Event::Listener(listener) = event {
            self.filter = self.filter.take().filter(|filter| !filter.matches(listener));
        }
    }

    /// What is to be said at the end; `None` where one matched.
    pub(super) fn sentence(&self) -> Option<&'static str> {
        let sentence = "no TCP listener matched the filters: the result is empty for that reason";
        self.filter.is_some().then_some(sentence)
    }
}
