//! Reads a recording: events as far as they are whole, and what is missing.
//!
//! Any input is survived. Work is linear in its size and memory is bounded: a
//! window of one frame, its payload, and one snapshot.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use zerocopy::FromBytes;

use super::damage::{Damage, MOST_TRAILING};
use super::format::{
    FILE_HEADER, FILE_MAGIC, FRAME_HEADER, FRAME_MAGIC, FileHeader, FrameHeader, Kind, Opening, RecordingId,
    VERSION, Version,
};
use super::frame::{self, Undecodable};
use super::limits::MOST_STATES;
use super::payload::{self, End};
use super::population::{self, Population};
use super::snapshot::Assembly;
use super::window::Window;
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
            None if frames.damage.damaged_bytes == 0 && frames.damage.lost_frames == 0 => {
                Err(nothing_recorded(name))
            }
            Some(Frame { kind: Kind::Session, payload, .. }) => {
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
        while let Some(Frame { kind, payload, whose }) = self.frames.next() {
            let event = match kind {
                Kind::Session => match json::<Session>(&payload) {
                    Some(session) if whose != Whose::Foreign && session == *self.session => {
                        self.frames.damage.repeated_frames += u64::from(whose == Whose::Repeated);
                        continue;
                    }
                    Some(_) => {
                        self.frames.damage.trailing = true;
                        break;
                    }
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
            damage.trailing_bytes = self.frames.window.rest(MOST_TRAILING);
            damage.trailing = damage.trailing_bytes > 0;
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

fn nothing_recorded(name: &str) -> Failure {
    Failure::new(Exit::BadInput, format!("{name} is a recording that ends before anything was recorded"))
        .advise("the recorder was killed, or the disk was full, right at its start: record again")
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

/// A frame whose checksums are right, decoded, of a kind that this version knows.
struct Frame {
    kind: Kind,
    payload: Bytes,
    whose: Whose,
}

/// To whom a frame belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// To this recording, at its place.
    Own,
    /// Its number has been passed: a session, which is looked at all the same.
    Repeated,
    /// To another recording: its session.
    Foreign,
}

/// The sound frames of a file, in the order of their numbers.
struct Frames<R> {
    window: Window<R>,
    /// By the file's header; where that is damaged, by the first frame.
    recording: Option<RecordingId>,
    /// Number of the frame that should come next.
    expected: u64,
    damage: Damage,
}

impl<R: Read> Frames<R> {
    fn open(source: R, name: &str) -> Result<Self> {
        let mut window = Window::new(source);
        let ahead = window.look(FILE_HEADER + FRAME_HEADER);
        let empty = ahead.is_empty();
        let cut_early = ahead.len() < FILE_HEADER && ahead.starts_with(&FILE_MAGIC);
        let opening =
            FileHeader::read_from_prefix(ahead).map_or(Opening::Foreign, |(header, _)| header.opening());
        let frame_follows = ahead.get(FILE_HEADER..).and_then(FrameHeader::parse).is_some();
        if let Some(error) = window.failure() {
            return Err(Failure::new(Exit::BadInput, format!("cannot read {name}: {error}"))
                .advise("name a file that backlog-trace record has written"));
        }
        let mut damage = Damage::none(VERSION);
        let mut recording = None;
        match opening {
            Opening::Whole(version, id) if version.major == VERSION.major => {
                damage.format = version;
                recording = Some(id);
            }
            Opening::Whole(version, _) => return Err(wrong_version(name, version)),
            Opening::Damaged | Opening::Foreign if frame_follows => {
                damage.header = true;
                damage.damaged_bytes = FILE_HEADER as u64;
            }
            Opening::Damaged => {
                return Err(Failure::new(Exit::BadInput, format!("{name} is damaged from its start"))
                    .advise("take another copy of the file, if there is one"));
            }
            Opening::Foreign if cut_early => return Err(nothing_recorded(name)),
            Opening::Foreign => {
                let what = if empty { "is empty" } else { "is no recording of backlog-trace" };
                return Err(Failure::new(Exit::BadInput, format!("{name} {what}")).advise(
                    "name a file that backlog-trace record has written, and decompress it first if it was compressed",
                ));
            }
        }
        window.skip(FILE_HEADER);
        Ok(Self { window, recording, expected: 0, damage })
    }

    fn next(&mut self) -> Option<Frame> {
        loop {
            let ahead = self.window.look(FRAME_HEADER);
            let have = ahead.len();
            if have < FRAME_HEADER {
                self.cut(have);
                return None;
            }
            let Some(header) = FrameHeader::parse(ahead) else {
                self.damage.damaged_bytes += self.window.skip_to(FRAME_MAGIC);
                continue;
            };
            let size = FRAME_HEADER + header.length.get() as usize;
            let have = self.window.look(size).len();
            if have < size {
                self.cut(have);
                return None;
            }
            self.window.skip(FRAME_HEADER);
            let stored = self.window.take(size - FRAME_HEADER);
            if let Some(frame) = self.accept(&header, stored) {
                return Some(frame);
            }
        }
    }

    /// The rest of the file is less than a frame.
    fn cut(&mut self, rest: usize) {
        self.window.skip(rest);
        self.damage.cut_bytes += rest as u64;
        self.damage.unreadable = self.window.failure();
    }

    /// A frame of another recording. What tells who observed that one is looked
    /// at: there it begins.
    fn foreign(&mut self, header: &FrameHeader, kind: Option<Kind>, stored: Bytes) -> Option<Frame> {
        if kind == Some(Kind::Session) {
            let payload = decoded(header, stored)?;
            return Some(Frame { kind: Kind::Session, payload, whose: Whose::Foreign });
        }
        self.damage.foreign_frames += 1;
        None
    }

    fn accept(&mut self, header: &FrameHeader, stored: Bytes) -> Option<Frame> {
        let sequence = header.sequence.get();
        let kind = Kind::from_number(header.kind);
        let recording = RecordingId(header.recording.get());
        if *self.recording.get_or_insert(recording) != recording {
            return self.foreign(header, kind, stored);
        }
        let repeated = sequence < self.expected;
        if repeated && kind != Some(Kind::Session) {
            self.damage.repeated_frames += 1;
            return None;
        }
        let missing = sequence.saturating_sub(self.expected);
        self.damage.lost_frames = self.damage.lost_frames.saturating_add(missing);
        self.expected = self.expected.max(sequence.saturating_add(1));
        if !frame::is_intact(header, &stored) {
            self.damage.damaged_bytes += (FRAME_HEADER + stored.len()) as u64;
            self.damage.lose(kind);
            return None;
        }
        let Some(kind) = kind else {
            self.damage.newer_frames += 1;
            return None;
        };
        match frame::decode(header, stored) {
            Ok(payload) => {
                let whose = if repeated { Whose::Repeated } else { Whose::Own };
                Some(Frame { kind, payload, whose })
            }
            Err(Undecodable::UnknownCodec) => {
                self.damage.newer_frames += 1;
                None
            }
            Err(Undecodable::Corrupt) => {
                self.damage.lose(Some(kind));
                None
            }
        }
    }
}

/// `None` of what only a newer version knows or no version would write.
fn decoded(header: &FrameHeader, stored: Bytes) -> Option<Bytes> {
    frame::is_intact(header, &stored).then(|| frame::decode(header, stored).ok()).flatten()
}

fn wrong_version(name: &str, version: Version) -> Failure {
    let failure = Failure::new(
        Exit::BadInput,
        format!(
            "{name} is a recording in format {version}, and this backlog-trace {} reads format {}.x",
            env!("CARGO_PKG_VERSION"),
            VERSION.major
        ),
    );
    if version.major > VERSION.major {
        failure.advise("read it with the backlog-trace that wrote it, or with a newer one than this")
    } else {
        failure.advise("read it with the backlog-trace that wrote it")
    }
}
