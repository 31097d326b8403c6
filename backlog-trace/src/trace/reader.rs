//! Reads a recording: events as far as they are whole, and what is missing.
//!
//! Any input is survived. Work is linear in its size and memory is bounded: a
//! window of one frame, its payload, and one snapshot.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use zerocopy::FromBytes;

use super::damage::{Damage, MOST_TRAILING};
use super::format::{
    FILE_HEADER, FILE_MAGIC, FRAME_HEADER, FRAME_MAGIC, FileHeader, FrameHeader, Kind, Opening, VERSION,
    Version,
};
use super::frame::{self, Undecodable};
use super::medium;
use super::payload::{self, End};
use super::snapshot::Assembly;
use super::window::Window;
use crate::event::{Event, Session};
use crate::failure::{Exit, Failure, Result};

/// The events of a recording: [`Event::Started`] first, [`Event::Finished`]
/// last, whatever happened to the file.
pub struct Reader<R: Read = File> {
    frames: Frames<R>,
    session: Arc<Session>,
    assembly: Assembly,
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

impl Reader<File> {
    /// Opens a recording.
    ///
    /// # Errors
    /// [`Exit::BadInput`]: it cannot be opened or read, is no recording, is of
    /// a newer major version, or who observed what cannot be told from it.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| {
            Failure::new(Exit::BadInput, format!("cannot read {name}: {}", medium::reason(&error)))
                .advise("name a file that backlog-trace record has written")
        })?;
        Self::from_source(file, &name)
    }
}

impl<'a> Reader<&'a [u8]> {
    /// Reads a recording in memory.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        Self::from_source(bytes, "the recording")
    }
}

impl<R: Read> Reader<R> {
    /// Reads a recording from any source, without seeking; `name` is what
    /// messages call it. No buffering is needed around the source.
    ///
    /// # Errors
    /// As [`Reader::open`].
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
                let Some(session) = json(&payload) else { return Err(uninterpretable(name)) };
                let (state, assembly) = (State::Start, Assembly::default());
                Ok(Self { frames, session: Arc::new(session), assembly, state, details: 0, snapshots: 0 })
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

    fn middle(&mut self) -> Event {
        while let Some(Frame { kind, payload, repeated }) = self.frames.next() {
            let event = match kind {
                Kind::Session => match json::<Session>(&payload) {
                    Some(session) if session == *self.session => {
                        self.frames.damage.repeated_frames += u64::from(repeated);
                        continue;
                    }
                    Some(_) => {
                        self.frames.damage.trailing = true;
                        break;
                    }
                    None => None,
                },
                Kind::Listener => json(&payload).map(|listener| Event::Listener(Arc::new(listener))),
                Kind::Sources => json(&payload).map(|sources| Event::Sources(Arc::new(sources))),
                Kind::Details => payload::details_from_bytes(&payload).map(Event::Details),
                Kind::Snapshot => match json(&payload).map(|part| self.assembly.add(part)) {
                    Some(Some(snapshot)) => Some(Event::Snapshot(Arc::new(snapshot))),
                    Some(None) => continue,
                    None => None,
                },
                Kind::End => {
                    let end = json(&payload);
                    return self.finish(end);
                }
            };
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

/// A frame whose checksums are right, decoded, of a kind that this version knows.
struct Frame {
    kind: Kind,
    payload: Bytes,
    /// A session, and its number has been passed. It is looked at all the
    /// same: where another recording was appended to one that was cut, this is
    /// what tells the frames of the one from those of the other.
    repeated: bool,
}

/// The sound frames of a file, in the order of their numbers.
struct Frames<R> {
    window: Window<R>,
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
        match opening {
            Opening::Whole(version) if version.major == VERSION.major => damage.format = version,
            Opening::Whole(version) => return Err(wrong_version(name, version)),
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
        Ok(Self { window, expected: 0, damage })
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

    fn accept(&mut self, header: &FrameHeader, stored: Bytes) -> Option<Frame> {
        let sequence = header.sequence.get();
        let kind = Kind::from_number(header.kind);
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
            Ok(payload) => Some(Frame { kind, payload, repeated }),
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
