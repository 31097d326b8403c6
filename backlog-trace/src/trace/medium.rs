//! What a recording is written to, and how the file is made.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::{Exit, Failure, Result};

/// What to do where the file exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overwrite {
    /// Leave it and fail.
    #[default]
    Refuse,
    /// Replace it, if it is a regular file.
    Replace,
}

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

impl Medium for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        io::Seek::seek(self, io::SeekFrom::Start(length)).map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The size is what fdatasync() writes of the metadata, the times are not.
        self.sync_data()
    }
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

/// Makes the file of a recording.
///
/// # Errors
/// [`Exit::OutputFailed`]: it exists and is not to be replaced, or cannot be made.
pub fn create(path: &Path, overwrite: Overwrite) -> Result<File> {
    let failed = |error: &io::Error| {
        Failure::new(
            Exit::OutputFailed,
            format!("cannot make the recording {}: {}", path.display(), reason(error)),
        )
        .advise(advice(error.kind()))
    };
    match open_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Err(Failure::new(
            Exit::OutputFailed,
            format!("cannot make the recording {}: it is a directory", path.display()),
        )
        .advise("name a file in it")),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && overwrite == Overwrite::Replace => {
            // Removed and made anew rather than truncated: a link that somebody
            // else put there is not followed, and who reads or writes the old
            // file keeps it.
            let metadata = std::fs::symlink_metadata(path).map_err(|error| failed(&error))?;
            if !metadata.is_file() {
                return Err(Failure::new(
                    Exit::OutputFailed,
                    format!("will not replace {}: it is not a regular file", path.display()),
                )
                .advise("name another file"));
            }
            std::fs::remove_file(path).map_err(|error| failed(&error))?;
            open_new(path).map_err(|error| failed(&error))
        }
        other => other.map_err(|error| failed(&error)),
    }
}

fn open_new(path: &Path) -> io::Result<File> {
    // For the owner alone: it holds the addresses of clients.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The operating system's words for an error, without its number.
pub(super) fn reason(error: &io::Error) -> String {
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
pub(super) fn advice(kind: ErrorKind) -> &'static str {
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

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[track_caller]
    fn check_refused(path: &Path, overwrite: Overwrite, word: &str) {
        let failure = create(path, overwrite).unwrap_err();
        assert_eq!(failure.exit, Exit::OutputFailed);
        assert!(failure.what.contains(path.to_str().unwrap()) && failure.what.contains(word), "{failure}");
        assert!(failure.advice.is_some(), "{failure}");
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        check_refused(&file, Overwrite::Refuse, "File exists");
        check_refused(&dir.path().join("no/such"), Overwrite::Refuse, "No such file");
        check_refused(&file.join("below"), Overwrite::Refuse, "Not a directory");
        check_refused(dir.path(), Overwrite::Refuse, "is a directory");
        check_refused(dir.path(), Overwrite::Replace, "is a directory");
        // Not /dev/full: what fails here would remove it.
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        check_refused(&pipe, Overwrite::Replace, "not a regular file");
        assert!(pipe.exists());
        check_refused(Path::new("/proc/recording"), Overwrite::Refuse, "");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        check_refused(&link, Overwrite::Refuse, "File exists");
        check_refused(&link, Overwrite::Replace, "not a regular file");
        std::os::unix::fs::symlink(dir.path().join("absent"), dir.path().join("dangling")).unwrap();
        check_refused(&dir.path().join("dangling"), Overwrite::Refuse, "File exists");
        assert!(!dir.path().join("absent").exists());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn replacing_leaves_the_old_file_to_who_has_it_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let mut old = File::open(&path).unwrap();
        let mut new = create(&path, Overwrite::Replace).unwrap();
        new.write_all(b"new").unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut old, &mut text).unwrap();
        assert_eq!(text, "old");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_cut_file_goes_on_where_it_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = create(&path, Overwrite::Refuse).unwrap();
        file.write_all(b"whole+part").unwrap();
        file.cut(5).unwrap();
        file.write_all(b"!").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole!");
    }
}
