//! Feeds a recording to whoever takes events.

use std::io::Read;

use super::{Damage, Reader};
use crate::event::Event;
use crate::failure::Result;

/// Gives every event of a recording to `sink`, from [`Event::Started`] to
/// [`Event::Finished`], and returns what was missing.
///
/// # Errors
/// The first one of `sink`, such as a closed output; a recording that holds more
/// than any host has ([`Reader::within_bounds`]). A damaged recording is none.
pub fn replay<R: Read>(mut reader: Reader<R>, mut sink: impl FnMut(Event) -> Result<()>) -> Result<Damage> {
    reader.by_ref().try_for_each(&mut sink)?;
    reader.within_bounds()?;
    Ok(reader.damage().clone())
}
