//! Says what cannot be read, and what is not known for that reason: one
//! sentence for each source, once, however often it comes and goes.

use std::collections::HashSet;
use std::path::Path;

use backlog_trace_model::event::{Event, Reach, Source, SourceState};

use super::output::{talk, talk_with_advice};

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Missing {
    said: HashSet<(Source, Reach)>,
}

impl Missing {
    /// Says what an observation's event tells of sources that are missing.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Started(session) => self.say(&session.sources),
            Event::Sources(sources) => self.say(sources),
            _ => {}
        }
    }

    /// Says what a recording tells of sources that were missing, without advice: what
    /// to do about it helps nobody now.
    pub(super) fn replay(&mut self, event: &Event, name: &Path) {
        match event {
            Event::Started(session) => self.say_of(&session.sources, name),
            Event::Sources(sources) => self.say_of(sources, name),
            _ => {}
        }
    }

    /// Says what is missing of these, with what to do about it.
    pub(super) fn say(&mut self, sources: &[SourceState]) {
        for (sentence, advice) in self.unsaid(sources) {
            talk_with_advice(sentence, advice);
        }
    }

    fn say_of(&mut self, sources: &[SourceState], name: &Path) {
        for (sentence, _) in self.unsaid(sources) {
            talk(format_args!("{}: {sentence}", name.display()));
        }
    }

    /// Sentences that were not said yet, with what to do.
    fn unsaid(&mut self, sources: &[SourceState]) -> Vec<(String, &'static str)> {
        let is_new = |state: &&SourceState| self.said.insert((state.source, state.state));
        let said = |state: &SourceState| Some((state.sentence()?, state.source.row()?.advice));
        sources.iter().filter(is_new).filter_map(said).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_said_once_and_again_where_it_gets_worse() {
        let mut missing = Missing::default();
        let partial = SourceState::partial(Source::Netstat, "in one namespace".to_owned());
        let whole = SourceState::whole(Source::Netstat);
        let gone = SourceState::missing(Source::Netstat, "everywhere".to_owned());
        for (state, said) in [(&whole, 0), (&partial, 1), (&whole, 0), (&partial, 0), (&gone, 1), (&gone, 0)]
        {
            assert_eq!(missing.unsaid(std::slice::from_ref(state)).len(), said, "{state:?}");
        }
    }
}
