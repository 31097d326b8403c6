//! Circumstances that a host may put the program into, and what a person would
//! want of each command there. What is expected is written by hand.

pub(crate) mod limits;
pub(crate) mod places;
pub(crate) mod sandbox;
pub(crate) mod surroundings;

mod control_group;

use std::path::Path;
use std::process::Command;

use backlog_trace_model::failure::Exit;

use crate::tool::tool;

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// It ends as it does without the circumstance.
    Works,
    /// The same, and these words are said.
    Says(&'static [&'static str]),
    /// Nothing can be attached, which is said with these words: an observation
    /// polls and ends with 20, `check` with 21.
    Polls(&'static [&'static str]),
    /// It ends with this code, and a sentence with these words and an advice.
    Fails(Exit, &'static [&'static str]),
    /// Either of the last two: where a limit ends depends on how the program
    /// was built and what else is on the host.
    PollsOrFails(&'static [&'static str]),
}

/// Makes a command of a directory and arguments.
pub(crate) type Make = dyn Fn(&Path, &[&str]) -> Command;

/// A circumstance, and what each command does there.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The program with these arguments; the directory is where a recording is
    /// made.
    pub(crate) make: Box<Make>,
    pub(crate) check: Then,
    pub(crate) listeners: Then,
    /// `hist`, and `record` unless that differs.
    pub(crate) observe: Then,
    pub(crate) record: Option<Then>,
    pub(crate) report: Then,
}

/// One in which everything works, so far.
pub(crate) fn row(name: &'static str, change: fn(&mut Command)) -> Row {
    let make = move |_: &Path, arguments: &[&str]| {
        let mut command = tool(arguments);
        change(&mut command);
        command
    };
    Row {
        name,
        make: Box::new(make),
        check: Then::Works,
        listeners: Then::Works,
        observe: Then::Works,
        record: None,
        report: Then::Works,
    }
}

impl Row {
    /// Every command ends so.
    pub(crate) fn all(self, then: Then) -> Self {
        Self { check: then, listeners: then, observe: then, report: then, ..self }
    }

    /// Nothing can be attached, and that is all.
    pub(crate) fn polls(self, words: &'static [&'static str]) -> Self {
        Self { check: Then::Polls(words), observe: Then::Polls(words), ..self }
    }
}
