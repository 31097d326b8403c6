//! What takes outputs: a text, a recording, later an endpoint or a page. Several
//! run at once, and none knows of the others.

use super::Output;
use crate::event::Event;
use crate::failure::Result;

/// Whether a consumer goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    /// It takes what follows.
    More,
    /// Nobody needs what it makes any more: whoever read it has gone. Where no
    /// consumer goes on, the observation ends.
    NoMore,
}

/// How an observation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// A signal asked for it.
    pub interrupted: bool,
}

/// Takes what comes of an observation.
///
/// A failure ends the observation, and the other consumers still get their end.
pub trait Consumer {
    /// Before anything is observed, and before privileges are given up: opens
    /// files, binds addresses, sets a terminal up.
    ///
    /// # Errors
    /// What the person who started it must change.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Takes an event as it came, before it is added up: for what keeps it, so
    /// that a replay goes through the same tally.
    ///
    /// # Errors
    /// What cannot be made any more.
    fn hear(&mut self, event: &Event) -> Result<Wants> {
        let _ = event;
        Ok(Wants::More)
    }

    /// Takes an output.
    ///
    /// # Errors
    /// What cannot be made any more.
    fn take(&mut self, output: &Output<'_>) -> Result<Wants>;

    /// The outputs of an event have been given: passes on what is kept back.
    ///
    /// # Errors
    /// What cannot be made any more.
    fn flush(&mut self) -> Result<Wants> {
        Ok(Wants::More)
    }

    /// Comes about twice a second, whatever happens: looks whether anybody still
    /// wants what it makes, draws anew.
    ///
    /// # Errors
    /// What cannot be made any more.
    fn tick(&mut self) -> Result<Wants> {
        Ok(Wants::More)
    }

    /// Comes last, after [`Output::Ended`].
    ///
    /// # Errors
    /// What could not be made whole.
    fn end(&mut self, end: End) -> Result<()> {
        let _ = end;
        Ok(())
    }
}
