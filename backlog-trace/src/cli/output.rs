//! Standard output and standard error, as every command uses them: results
//! on the one, talk on the other. Talk that nobody takes is dropped: no write
//! to standard error fails, panics or blocks for good.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// What an error of standard output means: nothing where its reader went away.
pub(super) fn failure(error: &io::Error) -> Option<Failure> {
    (error.kind() != ErrorKind::BrokenPipe).then(|| refused(error))
}

/// That standard output did not take what was printed.
pub(super) fn refused(error: &io::Error) -> Failure {
    let (why, advice) = match error.kind() {
        ErrorKind::TimedOut => {
            ("nobody reads it".to_owned(), "let whoever reads it go on, or send it to a file")
        }
        ErrorKind::BrokenPipe => (
            "whoever read it ended first".to_owned(),
            "Ctrl-C ends every program of a pipeline; 'tee -i' stays and takes the result",
        ),
        ErrorKind::FileTooLarge => {
            (error.to_string(), "raise the limit on the size of a file (ulimit -f), or send it elsewhere")
        }
        _ => (error.to_string(), "make room where it leads to, or send it elsewhere"),
    };
    Failure::new(Exit::OutputFailed, format!("cannot write to standard output: {why}")).advise(advice)
}

/// Says something to the person.
pub(super) fn talk(sentence: impl fmt::Display) {
    // There is nowhere left to say that it could not be said.
    let _ = Talk.write_all(format!("backlog-trace: {sentence}\n").as_bytes());
}

/// Says something that only a person at the terminal needs.
pub(super) fn hint(sentence: impl fmt::Display) {
    if io::stderr().is_terminal() {
        talk(sentence);
    }
}

/// Standard error for a few lines: where it takes none within a second, they
/// and all that follow are dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk;

/// Standard error was seen to take nothing.
static IS_STUCK: AtomicBool = AtomicBool::new(false);

impl Write for Talk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if takes_something() {
            AutoStream::auto(io::stderr().lock()).write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether standard error has room. A pipe that has any takes 4096 bytes, more
/// than any sentence, without blocking (`pipe_poll()`, fs/pipe.c, 5.10 to 7.2).
fn takes_something() -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
    let seconds = i64::from(!IS_STUCK.load(Ordering::Relaxed));
    let takes = poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })) != Ok(0);
    IS_STUCK.store(!takes, Ordering::Relaxed);
    takes
}
