//! Writes a recording.
//!
//! Synchronous: who calls decides on which thread. It adds no delay of its own
//! but that of the disk, about once a second (see `SYNC_EVERY`).
//!
//! After any kind of end the file is a sequence of whole frames: a frame is one
//! write, and one that did not fit is cut off again. A kill loses at most the
//! details since the last other event (at most 4095), a loss of power at most
//! what was written since the last sync.

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::Serialize;
use zerocopy::IntoBytes;

use super::format::{FILE_HEADER, FileHeader, Kind, RecordingId, VERSION};
use super::payload::{self, BATCH, End};
use super::{Medium, frame, medium, snapshot};
use crate::event::{Event, Occurrence, Snapshot};
use crate::failure::{Exit, Failure, Result};

/// How long a recording may go without being forced to the disk, at snapshots.
///
/// fdatasync() takes from under a millisecond to some hundred, during which the
/// ring buffer fills: each snapshot would be too often where the interval is
/// short, and never would lose up to 30 s (the kernel's own write-back) with
/// the power. A tenth below one second, so that an interval of one second that
/// ticks a little early is not synced at every second tick only.
const SYNC_EVERY: Duration = Duration::from_millis(900);

/// How much of an observation is in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Saved {
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Details of single packets.
    pub details: u64,
    /// Snapshots of the counts.
    pub snapshots: u64,
    /// The last frame is written: nothing that was given to the writer is missing.
    pub complete: bool,
}

/// Writes events into a recording.
#[derive(Debug)]
pub struct Writer<M: Medium> {
    medium: M,
    name: String,
    recording: RecordingId,
    sequence: u64,
    saved: Saved,
    pending: Vec<Occurrence>,
    frame: BytesMut,
    synced: Instant,
    stopped: bool,
}

impl<M: Medium> Writer<M> {
    /// Begins a recording on a medium; `name` is what messages call it.
    ///
    /// # Errors
    /// [`Exit::OutputFailed`]: the medium took no header.
    pub fn begin(medium: M, name: impl Into<String>) -> Result<Self> {
        Self::begin_as(RecordingId::draw(), medium, name)
    }

    /// The same with a number that was drawn already.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_as(recording: RecordingId, medium: M, name: impl Into<String>) -> Result<Self> {
        let mut writer = Self {
            medium,
            name: name.into(),
            recording,
            sequence: 0,
            saved: Saved::default(),
            pending: Vec::with_capacity(BATCH),
            frame: BytesMut::new(),
            synced: Instant::now(),
            stopped: false,
        };
        writer.frame.extend_from_slice(FileHeader::new(VERSION, recording).as_bytes());
        writer.put_frame()?;
        Ok(writer)
    }

    /// Writes one event. Details are collected until another event comes or
    /// 4096 of them are together.
    ///
    /// # Errors
    /// [`Exit::OutputFailed`], once, when the medium takes no more: the file
    /// then holds everything up to its last whole frame, and whatever is
    /// written later is ignored.
    pub fn write(&mut self, event: &Event) -> Result<()> {
        if !matches!(event, Event::Details(_)) {
            self.put_details()?;
        }
        match event {
            Event::Details(details) => self.collect(details),
            Event::Started(session) => {
                let json = payload::session_json(session).map_err(|error| self.unfit(error))?;
                self.put(Kind::Session, &json)?;
                self.put(Kind::Session, &json)
            }
            Event::Listener(listener) => {
                let json = payload::listener_json(listener).map_err(|error| self.unfit(error))?;
                self.put(Kind::Listener, &json)
            }
            Event::Sources(sources) => {
                let json = self.json(sources.as_ref())?;
                self.put(Kind::Sources, &json)
            }
            Event::Snapshot(snapshot) => self.snapshot(snapshot),
            Event::Mark => Ok(()),
            Event::Finished => self.end(),
        }
    }

    /// Writes what is pending and the last frame, unless [`Event::Finished`]
    /// was written already, and waits until all is on the disk.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn finish(mut self) -> Result<Saved> {
        self.put_details()?;
        self.end()?;
        Ok(self.saved)
    }

    /// What is in the file by now.
    pub const fn saved(&self) -> Saved {
        self.saved
    }

    /// Whether the medium failed: nothing is written any more.
    pub const fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// The medium, with the recording as far as it was written: without
    /// pending details, and without its last frame unless
    /// [`Event::Finished`] was written.
    pub fn into_medium(self) -> M {
        self.medium
    }

    fn collect(&mut self, mut details: &[Occurrence]) -> Result<()> {
        while !details.is_empty() && !self.stopped {
            let room = BATCH - self.pending.len().min(BATCH);
            let (now, later) = details.split_at_checked(room).unwrap_or((details, &[]));
            self.pending.extend_from_slice(now);
            details = later;
            if self.pending.len() >= BATCH {
                self.put_details()?;
            }
        }
        Ok(())
    }

    fn put_details(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let result = self.put(Kind::Details, &payload::details_as_bytes(&pending));
        if result.is_ok() && !self.stopped {
            self.saved.details += pending.len() as u64;
        }
        self.pending = pending;
        self.pending.clear();
        result
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        let parts = snapshot::parts(snapshot)
            .ok_or_else(|| self.unfit(format_args!("{} listeners are too many", snapshot.listeners.len())))?;
        for part in parts {
            let json = self.json(&part)?;
            self.put(Kind::Snapshot, &json)?;
        }
        if self.stopped {
            return Ok(());
        }
        self.saved.snapshots += 1;
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<()> {
        if self.stopped || self.saved.complete {
            return Ok(());
        }
        let json = self.json(&End { details: self.saved.details, snapshots: self.saved.snapshots })?;
        self.put(Kind::End, &json)?;
        self.sync()?;
        self.saved.complete = true;
        Ok(())
    }

    fn json(&self, value: &impl Serialize) -> Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(|error| self.unfit(error))
    }

    fn put(&mut self, kind: Kind, payload: &[u8]) -> Result<()> {
        if self.stopped {
            return Ok(());
        }
        let mut frame = std::mem::take(&mut self.frame);
        let encoded = frame::encode(kind, (self.recording, self.sequence), payload, &mut frame);
        self.frame = frame;
        encoded.map_err(|_| self.unfit(format_args!("{kind:?} of {} bytes", payload.len())))?;
        self.put_frame()?;
        self.sequence += 1;
        Ok(())
    }

    /// Writes `self.frame`, or stops at the end of the one before it.
    fn put_frame(&mut self) -> Result<()> {
        match self.medium.write_all(&self.frame) {
            Ok(()) => {
                self.saved.bytes += self.frame.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Where even this fails, the reader drops the part by its checksum.
                let _ = self.medium.cut(self.saved.bytes);
                Err(self.stop(&error))
            }
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.synced = Instant::now();
        self.medium.sync().map_err(|error| self.stop(&error))
    }

    fn stop(&mut self, error: &io::Error) -> Failure {
        self.stopped = true;
        let Saved { bytes, details, snapshots, .. } = self.saved;
        let kept = if bytes > FILE_HEADER as u64 {
            format!("{snapshots} snapshots and {details} details up to then are in it and can be replayed")
        } else {
            "nothing is in it".to_owned()
        };
        Failure::new(
            Exit::OutputFailed,
            format!("cannot go on writing the recording {}: {}; {kept}", self.name, medium::reason(error)),
        )
        .advise(medium::advice(error.kind()))
    }

    fn unfit(&self, why: impl std::fmt::Display) -> Failure {
        Failure::internal(format!("an event does not fit into the recording {}", self.name), why)
    }
}

#[cfg(test)]
mod cadence_tests;
