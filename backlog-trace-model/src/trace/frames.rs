//! The frames of a recording, one after the other, and what of them could not
//! be read. It knows no payload.
//!
//! A damaged payload costs its own frame: the header says where the next one
//! begins. A damaged header ends the reading, because nothing else does.

use std::io::Read;

use bytes::Bytes;
use zerocopy::FromBytes;

use super::damage::{Damage, MOST_COUNTED};
use super::format::{
    FILE_HEADER, FILE_MAGIC, FRAME_HEADER, FileHeader, FrameHeader, Kind, Opening, RecordingId, VERSION,
    Version,
};
use super::frame::{self, Undecodable};
use super::window::Window;
use crate::failure::{Exit, Failure, Result};

/// A frame whose checksums are right, decoded, of a kind that this version knows.
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
}

/// Those of one recording, in the order of their numbers.
pub(super) struct Frames<R> {
    window: Window<R>,
    recording: RecordingId,
    /// Number of the frame that should come next.
    expected: u64,
    pub(super) damage: Damage,
}

impl<R: Read> Frames<R> {
    /// Reads the file's header; `name` is what messages call the file.
    pub(super) fn open(source: R, name: &str) -> Result<Self> {
        let mut window = Window::new(source);
        let ahead = window.look(FILE_HEADER);
        let empty = ahead.is_empty();
        let cut_early = ahead.len() < FILE_HEADER && ahead.starts_with(&FILE_MAGIC);
        let opening =
            FileHeader::read_from_prefix(ahead).map_or(Opening::Foreign, |(header, _)| header.opening());
        if let Some(error) = window.failure() {
            return Err(Failure::new(Exit::BadInput, format!("cannot read {name}: {error}"))
                .advise("name a file that backlog-trace record has written"));
        }
        let (version, recording) = match opening {
            Opening::Whole(version, id) if version.major == VERSION.major => (version, id),
            Opening::Whole(version, _) => return Err(wrong_version(name, version)),
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
        };
        window.skip(FILE_HEADER);
        Ok(Self { window, recording, expected: 0, damage: Damage::none(version) })
    }

    /// The next one that could be read.
    pub(super) fn next(&mut self) -> Option<Frame> {
        loop {
            let ahead = self.window.look(FRAME_HEADER);
            let have = ahead.len();
            let joined = ahead.starts_with(&FILE_MAGIC);
            if have < FRAME_HEADER && !joined {
                self.cut(have);
                return None;
            }
            let Some(header) = FrameHeader::parse(ahead).filter(|_| !joined) else {
                let rest = self.window.rest(MOST_COUNTED);
                if joined {
                    self.damage.trailing_bytes = rest;
                } else {
                    self.damage.unread_bytes = rest;
                }
                return None;
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

    /// How many bytes follow, counted up to [`MOST_COUNTED`].
    pub(super) fn rest(&mut self) -> u64 {
        self.window.rest(MOST_COUNTED)
    }

    /// The rest of the file is less than a frame.
    fn cut(&mut self, rest: usize) {
        self.window.skip(rest);
        self.damage.cut_bytes += rest as u64;
        self.damage.unreadable = self.window.failure();
    }

    fn accept(&mut self, header: &FrameHeader, stored: Bytes) -> Option<Frame> {
        if RecordingId(header.recording.get()) != self.recording {
            self.damage.foreign_frames += 1;
            return None;
        }
        let sequence = header.sequence.get();
        if sequence < self.expected {
            self.damage.repeated_frames += 1;
            return None;
        }
        self.damage.lost_frames = self.damage.lost_frames.saturating_add(sequence - self.expected);
        self.expected = sequence.saturating_add(1);
        let kind = Kind::from_number(header.kind);
        if !frame::is_intact(header, &stored) {
            self.damage.lose(kind);
            return None;
        }
        let payload = frame::decode(header, stored);
        match (kind, payload) {
            (Some(kind), Ok(payload)) => Some(Frame { kind, payload }),
            (Some(kind), Err(Undecodable::Corrupt)) => {
                self.damage.lose(Some(kind));
                None
            }
            (None, _) | (Some(_), Err(Undecodable::UnknownCodec)) => {
                self.damage.newer_frames += 1;
                None
            }
        }
    }
}

/// That a recording holds nothing but its header.
pub(super) fn nothing_recorded(name: &str) -> Failure {
    Failure::new(Exit::BadInput, format!("{name} is a recording that ends before anything was recorded"))
        .advise("the recorder was killed, or the disk was full, right at its start: record again")
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
