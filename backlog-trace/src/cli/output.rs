//! Standard output and standard error, as every command uses them: results
//! on the one, talk on the other.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::AsFd;

use anstream::AutoStream;
use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;

use crate::failure::{Exit, Failure};
use crate::view::Screen;

/// Where results go: buffered, colours only on a terminal that wants them.
pub(super) fn stdout() -> io::BufWriter<AutoStream<io::Stdout>> {
    io::BufWriter::with_capacity(64 << 10, AutoStream::auto(io::stdout()))
}

/// What text looks like there.
pub(super) fn screen() -> Screen {
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0);
    Screen { columns: size.map(|size| usize::from(size.ws_col)), zone: TimeZone::system() }
}

/// Whether whoever read standard output is gone.
pub(super) fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
    let polled = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok() && fds.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}

/// What an error of standard output means: nothing where its reader went away.
pub(super) fn failure(error: &io::Error) -> Option<Failure> {
    (error.kind() != ErrorKind::BrokenPipe).then(|| {
        Failure::new(Exit::OutputFailed, format!("cannot write to standard output: {error}"))
            .advise("make room where it leads to, or send it elsewhere")
    })
}

/// Says something to the person.
pub(super) fn talk(sentence: impl fmt::Display) {
    anstream::eprintln!("backlog-trace: {sentence}");
}

/// Says something that only a person at the terminal needs.
pub(super) fn hint(sentence: impl fmt::Display) {
    if io::stderr().is_terminal() {
        talk(sentence);
    }
}
