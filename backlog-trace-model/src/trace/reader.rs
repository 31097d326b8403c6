//! Reads a recording: events as far as they are whole, and what is missing.
//!
//! Any input is survived. Work is linear in its size and memory is bounded: a
//! window of one frame, its payload, and one snapshot.

use std::io::Read;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::damage::Damage;
use super::format::Kind;
use super::frames::{Frame, Frames, nothing_recorded};
use super::limits::MOST_STATES;
use super::payload::{self, End};
use super::population::{self, Population};
use super::snapshot::Assembly;
use crate::event::{Event, Session};
use crate::failure::{Exit, Failure, Result};

/// The events of a recording: [`Event::Started`] first, [`Event::Finished`]
/// last, whatever happened to the file.
pub struct Reader<R: Read> {
    frames: Frames<R>,
    session: Arc<Session>,
    assembly: Assembly,
    population: Population,
    name: String,
    state: State,
    details: u64,
    snapshots: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Middle,
    Over,
}

impl<'a> Reader<&'a [u8]> {
    /// Reads a recording in memory.
    ///
    /// # Errors
    /// As [`Reader::from_source`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        Self::from_source(bytes, "the recording")
    }
}

impl<R: Read> Reader<R> {
    /// Reads a recording from any source, without seeking; `name` is what
    /// messages call it. No buffering is needed around the source.
    ///
    /// # Errors
    /// [`Exit::BadInput`]: it cannot be read, is no recording, is of a newer
    /// major version, or who observed what cannot be told from it.
    pub fn from_source(source: R, name: &str) -> Result<Self> {
        let mut frames = Frames::open(source, name)?;
        let first = frames.next();
        if let Some(error) = &frames.damage.unreadable {
            return Err(Failure::new(Exit::BadInput, format!("cannot read {name}: {error}")));
        }
        match first {
            None if frames.damage.unread_bytes == 0 && frames.damage.lost_frames == 0 => {
                Err(nothing_recorded(name))
            }
            Some(Frame { kind: Kind::Session, payload }) => {
                let session = json(&payload).filter(population::is_session);
                let Some(session) = session else { return Err(uninterpretable(name)) };
                Ok(Self {
                    frames,
                    session: Arc::new(session),
                    assembly: Assembly::default(),
                    population: Population::default(),
                    name: name.to_owned(),
                    state: State::Start,
                    details: 0,
                    snapshots: 0,
                })
            }
            _ => Err(uninterpretable(name)),
        }
    }

    /// Who observed what; also the first event.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What was missing so far; complete once the iterator has ended.
    pub fn damage(&self) -> &Damage {
        &self.frames.damage
    }

    /// Why the events end, where the recording holds more than any host has:
    /// what was read of it is no result then.
    ///
    /// # Errors
    /// [`Exit::BadInput`].
    pub fn within_bounds(&self) -> Result<()> {
        self.population.too_many().map_or(Ok(()), |what| Err(too_many(&self.name, what)))
    }

    fn middle(&mut self) -> Event {
        while let Some(Frame { kind, payload }) = self.frames.next() {
            let event = match kind {
                // The second copy.
                Kind::Session => match json::<Session>(&payload) {
                    Some(_) => continue,
                    None => None,
                },
                Kind::Listener => json(&payload).filter(population::is_listener).map(|listener| {
                    self.population.introduce(listener.id);
                    Event::Listener(Arc::new(listener))
                }),
                Kind::Sources => json(&payload)
                    .filter(|sources: &Vec<_>| sources.len() <= MOST_STATES)
                    .map(|sources| Event::Sources(Arc::new(sources))),
                Kind::Details => payload::details_from_bytes(&payload).map(|(details, newer)| {
                    self.details += newer;
                    self.frames.damage.newer_details += newer;
                    Event::Details(details)
                }),
                Kind::Snapshot => {
                    match json(&payload).map(|part| self.assembly.add(part, &mut self.population)) {
                        Some(Some(snapshot)) => Some(Event::Snapshot(Arc::new(snapshot))),
                        Some(None) => continue,
                        None => None,
                    }
                }
                Kind::End => {
                    let end = json(&payload);
                    return self.finish(end);
                }
            };
            if self.population.too_many().is_some() {
                break;
            }
            match event {
                Some(event) => return self.count(event),
                None => self.frames.damage.lose(Some(kind)),
            }
        }
        self.finish(None)
    }

    fn count(&mut self, event: Event) -> Event {
        match &event {
            Event::Details(details) => self.details += details.len() as u64,
            Event::Snapshot(_) => self.snapshots += 1,
            Event::Started(_) | Event::Listener(_) | Event::Sources(_) | Event::Mark | Event::Finished => (),
        }
        event
    }

    fn finish(&mut self, end: Option<End>) -> Event {
        self.state = State::Over;
        self.assembly.end();
        let damage = &mut self.frames.damage;
        damage.incomplete_snapshots = self.assembly.incomplete;
        damage.unnamed_counts = self.assembly.unnamed;
        damage.unfinished = end.is_none();
        if let Some(end) = end {
            damage.lost_details = Some(end.details.saturating_sub(self.details));
            damage.lost_snapshots = Some(end.snapshots.saturating_sub(self.snapshots));
            self.frames.damage.trailing_bytes = self.frames.rest();
        }
        Event::Finished
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        match self.state {
            State::Start => {
                self.state = State::Middle;
                Some(Event::Started(Arc::clone(&self.session)))
            }
            State::Middle => Some(self.middle()),
            State::Over => None,
        }
    }
}

/// `None` where it is no JSON, or not of this type.
fn json<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

fn uninterpretable(name: &str) -> Failure {
    Failure::new(
        Exit::BadInput,
        format!(
            "{name} is damaged at its start, in both copies of what says who observed and by which clock: \
             nothing else in it can be interpreted"
        ),
    )
    .advise("take another copy of the file, if there is one")
}

fn too_many(name: &str, what: &str) -> Failure {
    Failure::new(Exit::BadInput, format!("{name} holds {what}, which no host has: it is forged or damaged"))
        .advise("take another copy of the file, if there is one")
}
