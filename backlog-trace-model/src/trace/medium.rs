//! What a recording is written to, and what its errors are called.

use std::io::{self, ErrorKind, Write};

/// Takes a recording's bytes, and can drop the last of them again.
pub trait Medium: Write {
    /// Cuts off everything after the first `length` bytes and goes on from there.
    ///
    /// # Errors
    /// Those of the file system.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Returns when what was written would survive a loss of power.
    ///
    /// # Errors
    /// Those of the file system, also for data written earlier.
    fn sync(&mut self) -> io::Result<()>;
}

/// Whichever it is.
impl Medium for Box<dyn Medium> {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        (**self).cut(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
}

/// A recording in memory.
impl Medium for Vec<u8> {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The operating system's words for an error, without its number.
pub fn reason(error: &io::Error) -> String {
    let text = match error.kind() {
        ErrorKind::TimedOut => "nobody reads it".to_owned(),
        _ => error.to_string(),
    };
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// What to do about an error of an output.
pub fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AlreadyExists => "name another file, or let this one be replaced (--overwrite)",
        ErrorKind::NotFound => "make the directory first, or name a file in one that exists",
        ErrorKind::PermissionDenied => "name a file in a directory that you may write to",
        ErrorKind::ReadOnlyFilesystem => "name a file on a file system that is not read-only",
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => "name a file in a directory",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room, or name a file on another file system, and record again"
        }
        ErrorKind::BrokenPipe | ErrorKind::TimedOut => {
            "keep alive and reading what it is piped into, and record again"
        }
        ErrorKind::FileTooLarge => "raise the limit on the size of a file (ulimit -f), and record again",
        _ => "name a file on another file system",
    }
}
