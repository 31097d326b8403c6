//! Standard output and standard error, as every command uses them: results
//! on the one, talk on the other. Talk that nobody takes is dropped: no write
//! to standard error fails, panics or blocks for good. Nothing passes that
//! could steer a terminal, whoever has named what is talked of.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::AutoStream;
use backlog_trace_model::escape::{Sanitized, SanitizedLines};
use backlog_trace_model::failure::{Exit, Failure};
use backlog_trace_model::view::{Screen, fitted};
use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;

/// Where results go: buffered, colours only on a terminal that wants them.
pub(super) fn stdout() -> io::BufWriter<AutoStream<io::Stdout>> {
    io::BufWriter::with_capacity(64 << 10, AutoStream::auto(io::stdout()))
}

/// What text looks like there.
pub(super) fn screen() -> Screen {
    Screen { columns: columns(), zone: zone() }
}

/// Columns of the terminal that standard output is; none where it is no terminal.
pub(super) fn columns() -> Option<usize> {
    columns_of(io::stdout())
}

/// A terminal that does not know its size, such as a serial line, has what
/// COLUMNS says, or 80.
fn columns_of(stream: impl AsFd + IsTerminal) -> Option<usize> {
    stream.is_terminal().then(|| {
        let size = tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
        let told = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
        if size > 0 { size } else { told().unwrap_or(80) }
    })
}

/// The zone that TZ or /etc/localtime names; UTC where neither does.
fn zone() -> TimeZone {
    static SAID: Once = Once::new();
    TimeZone::try_system().unwrap_or_else(|_| {
        // A host without /etc/localtime keeps UTC; who sets TZ wants something.
        if let Some(named) = std::env::var_os("TZ").filter(|named| !named.is_empty()) {
            SAID.call_once(|| {
                let named = named.to_string_lossy();
                talk(format_args!("TZ={named} names no time zone: times are in UTC"));
            });
        }
        TimeZone::UTC
    })
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

/// Says something to the person: one sentence, which is one line whatever it names.
pub(super) fn talk(sentence: impl fmt::Display) {
    say(Sanitized(&sentence.to_string()));
}

/// Says something, and in a second line what to do about it.
pub(super) fn talk_with_advice(sentence: impl fmt::Display, advice: impl fmt::Display) {
    let (sentence, advice) = (sentence.to_string(), advice.to_string());
    say(format_args!("{}\n  {}", Sanitized(&sentence), Sanitized(&advice)));
}

/// Says what failed.
pub(super) fn talk_of(failure: &Failure) {
    say(failure);
}

/// Prints lines of which each part is escaped.
fn say(lines: impl fmt::Display) {
    let lines = format!("backlog-trace: {lines}");
    // There is nowhere left to say that it could not be said.
    let _ = Talk.write_all(fitted(&lines, columns_of(io::stderr())).as_bytes());
}

/// Says something that only a person at the terminal needs.
pub(super) fn hint(sentence: impl fmt::Display) {
    if io::stderr().is_terminal() {
        talk(sentence);
    }
}

/// Standard error for a few lines of text without colours: where it takes none
/// within a second, they and all that follow are dropped. The log comes here too,
/// with what other crates report of files and of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk;

/// Standard error was seen to take nothing.
static IS_STUCK: AtomicBool = AtomicBool::new(false);

impl Write for Talk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if takes_something() {
            let text = String::from_utf8_lossy(bytes);
            let shown = SanitizedLines(&text).to_string();
            io::stderr().lock().write_all(shown.as_bytes())?;
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
    let mut wait = || poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 }));
    // A signal that comes meanwhile says nothing of the reader; a second one that
    // does is taken for no room, because signals ask for an end.
    let takes = match wait() {
        Err(Errno::INTR) => matches!(wait(), Ok(1..)),
        polled => polled != Ok(0),
    };
    IS_STUCK.store(!takes, Ordering::Relaxed);
    takes
}
