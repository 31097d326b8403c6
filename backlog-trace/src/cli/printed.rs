//! What an observation prints: by a thread of its own, so that a reader that
//! has stopped reading (a stopped `less`, a hung ssh) cannot hold up its end.
//!
//! A write(2) that blocks cannot be given up by the thread that is in it, and
//! whether one would block is not to be known for a terminal. So another thread
//! writes, and whoever prints waits for it, or, once SIGTERM or SIGHUP asked
//! for the end, no longer than [`PATIENCE`]. This module refuses to know what
//! is printed.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anstream::AutoStream;
use backlog_trace_model::trace::Medium;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;

use super::interrupt::asked;
use super::output::hint;
use crate::confine;
use crate::resource_limits;

/// How long a reader may take nothing, once the end was asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a person who pressed Ctrl-C is told what is waited for.
const SAID_AFTER: Duration = Duration::from_secs(2);

/// How often whoever waits for a reader looks whether the end was asked for.
const GLANCE: Duration = Duration::from_millis(50);

/// Bytes of one write: what a reader must take within [`PATIENCE`].
const PIECE: usize = 16 << 10;

/// A standard stream, shared by a view, which prints to it, and by the run,
/// which sees to it that the result arrives.
#[derive(Clone)]
pub(super) struct Printed(Rc<RefCell<Stream>>);

struct Stream {
    to: Standard,
    thread: Option<Thread>,
    /// What was printed since [`Printed::hold`].
    held: Option<Vec<u8>>,
    /// A write was given up and is still under way: nothing can follow it.
    is_stuck: bool,
}

/// Where it leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standard {
    Output,
    Error,
}

/// The thread that writes.
struct Thread {
    pieces: Sender<Vec<u8>>,
    written: Receiver<io::Result<usize>>,
}

impl Printed {
    /// Standard output.
    pub(super) fn output() -> Self {
        Self::new(Standard::Output)
    }

    /// Standard error: where results go that standard output has no room for.
    pub(super) fn error() -> Self {
        Self::new(Standard::Error)
    }

    fn new(to: Standard) -> Self {
        Self(Rc::new(RefCell::new(Stream { to, thread: None, held: None, is_stuck: false })))
    }

    /// To print to: buffered, colours only on a terminal that wants them.
    pub(super) fn writer(&self) -> io::BufWriter<AutoStream<Box<dyn Write>>> {
        let choice = match self.0.borrow().to {
            Standard::Output => AutoStream::choice(&io::stdout()),
            Standard::Error => AutoStream::choice(&io::stderr()),
        };
        let out: Box<dyn Write> = Box::new(self.clone());
        io::BufWriter::with_capacity(64 << 10, AutoStream::new(out, choice))
    }

    /// Keeps what is printed from now on.
    pub(super) fn hold(&self) {
        self.0.borrow_mut().held.get_or_insert_default();
    }

    /// What was kept. What is printed from now on is written again.
    pub(super) fn release(&self) -> Vec<u8> {
        self.0.borrow_mut().held.take().unwrap_or_default()
    }

    /// Whether whoever read it is gone, if it is standard output.
    pub(super) fn is_unread(&self) -> bool {
        self.0.borrow().to == Standard::Output && is_unread()
    }

    /// Whether whoever read it ended with something unread: a pipe without a
    /// reader that is not empty.
    pub(super) fn is_lost(&self) -> bool {
        self.is_unread() && ioctl_fionread(io::stdout()).is_ok_and(|unread| unread > 0)
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().take(bytes)
    }

    /// Nothing is kept back but what is held.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recording that is piped into something: what it took stays taken.
impl Medium for Printed {
    fn cut(&mut self, _length: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = &mut self.held {
            held.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        if self.is_stuck {
            return Err(ErrorKind::TimedOut.into());
        }
        let to = self.to;
        let thread = match &mut self.thread {
            Some(thread) => thread,
            none => none.insert(Thread::start(to.duplicate()?)?),
        };
        let written = thread.write(bytes.get(..PIECE).unwrap_or(bytes));
        self.is_stuck = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut);
        written
    }
}

impl Standard {
    fn duplicate(self) -> io::Result<File> {
        let descriptor: OwnedFd = match self {
            Self::Output => io::stdout().as_fd().try_clone_to_owned()?,
            Self::Error => io::stderr().as_fd().try_clone_to_owned()?,
        };
        Ok(File::from(descriptor))
    }
}

impl Thread {
    fn start(mut file: File) -> io::Result<Self> {
        let (pieces, taken) = channel::<Vec<u8>>();
        let (done, written) = channel();
        let spawned = thread::Builder::new().name("print".to_owned()).spawn(move || {
            // It needs nothing, so it is not worth a failure.
            if let Err(failure) = confine::printing(false) {
                log::debug!("{failure}");
            }
            for piece in taken {
                // Whoever has given up waiting needs no answer.
                let _ = done.send(file.write(&piece));
            }
        });
        spawned.map_err(|error| {
            io::Error::other(resource_limits::not_made("the thread that prints", &error).what)
        })?;
        Ok(Self { pieces, written })
    }

    fn write(&self, piece: &[u8]) -> io::Result<usize> {
        let gone = || io::Error::other("the thread that prints is gone");
        let begun = Instant::now();
        let mut is_said = false;
        self.pieces.send(piece.to_vec()).map_err(|_| gone())?;
        loop {
            match self.written.recv_timeout(GLANCE) {
                Ok(written) => return written,
                Err(RecvTimeoutError::Timeout) if is_patient(begun) => {
                    let waits = asked().is_some_and(|asked| begun.max(asked.at).elapsed() > SAID_AFTER);
                    if waits && !std::mem::replace(&mut is_said, true) {
                        hint("whoever reads the result has stopped; press Ctrl-C again to give it up");
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }
}

/// Whether a write that began then may go on. A person who pressed Ctrl-C may
/// be reading the result page by page, and can press it again.
fn is_patient(begun: Instant) -> bool {
    asked().is_none_or(|asked| !asked.interrupt.is_final() || begun.max(asked.at).elapsed() < PATIENCE)
}

/// Whether whoever read standard output is gone.
fn is_unread() -> bool {
    has_no_reader(io::stdout().as_fd())
}

/// Whether a descriptor is a pipe or a socket that nobody reads any more.
fn has_no_reader(output: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(output, PollFlags::empty())];
    let polled = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok() && fds.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_unread_once_its_last_reader_is_gone() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert!(!has_no_reader(writer.as_fd()));
        // A reader that takes nothing is one.
        writer.write_all(b"unread").unwrap();
        assert!(!has_no_reader(writer.as_fd()));
        let other = reader.try_clone().unwrap();
        drop(reader);
        assert!(!has_no_reader(writer.as_fd()));
        drop(other);
        assert!(has_no_reader(writer.as_fd()));
    }

    #[test]
    fn what_is_no_pipe_has_no_reader_to_lose() {
        assert!(!has_no_reader(tempfile::tempfile().unwrap().as_fd()));
        assert!(!has_no_reader(File::options().write(true).open("/dev/null").unwrap().as_fd()));
    }
}
