//! A recording as a consumer of an observation: it keeps events as they come,
//! whoever prints them.

use std::fs::Metadata;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use backlog_trace_model::event::Event;
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::output::{Consumer, End, Output, Wants};
use backlog_trace_model::trace::format::FILE_HEADER;
use backlog_trace_model::trace::{Medium, Writer};

use super::printed::Printed;
use crate::confine::as_invoker;
use crate::recording_file::{Overwrite, RecordingFile};

/// Where a recording goes.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// Standard output.
    Output,
    /// A file of this name, and what to do where there is one.
    File(PathBuf, Overwrite),
}

/// Which file it is: device and inode number.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Keeps what is observed.
pub(super) struct Recording {
    goal: Goal,
    writer: Option<Writer<Box<dyn Medium>>>,
    /// The file that was made.
    made: Option<Identity>,
}

impl Recording {
    /// A recording that is not begun yet and will go to `goal`.
    pub(super) fn new(goal: Goal) -> Self {
        Self { goal, writer: None, made: None }
    }

    /// Nothing was observed: a file with nothing but its header helps nobody.
    pub(super) fn remove_if_bare(&self) {
        if let (Goal::File(path, _), Some(made)) = (&self.goal, self.made) {
            // What failed before is what the user reads; where it was interrupted before it began, nothing did.
            let _ = as_invoker(|| {
                remove_bare(path, made);
                Ok(())
            });
        }
    }
}

impl Consumer for Recording {
    fn prepare(&mut self) -> Result<()> {
        let (medium, name): (Box<dyn Medium>, String) = match &self.goal {
            Goal::Output if io::stdout().is_terminal() => {
                return Err(Failure::new(Exit::Usage, "a recording is not for a terminal to show")
                    .advise("pipe it into a file or a program, or name a file (-o FILE)"));
            }
            Goal::Output => (Box::new(Printed::output()), "on standard output".to_owned()),
            Goal::File(path, overwrite) => {
                let file = as_invoker(|| RecordingFile::create(path, unless_empty(path, *overwrite)))?;
                self.made = file.file().metadata().ok().as_ref().map(identity);
                (Box::new(file), path.display().to_string())
            }
        };
        self.writer = Some(Writer::begin(medium, name)?);
        Ok(())
    }

    fn hear(&mut self, event: &Event) -> Result<Wants> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.write(event))?;
        Ok(Wants::More)
    }

    fn take(&mut self, _output: &Output<'_>) -> Result<Wants> {
        Ok(Wants::More)
    }

    fn end(&mut self, _end: End) -> Result<()> {
        self.writer.take().map_or(Ok(()), |writer| writer.finish().map(drop))
    }
}

/// If it is the file that was made: the path may lead to somebody else's by now.
fn remove_bare(path: &Path, made: Identity) {
    let is_bare =
        |found: &Metadata| found.is_file() && identity(found) == made && found.len() <= FILE_HEADER as u64;
    if path.symlink_metadata().is_ok_and(|found| is_bare(&found)) {
        // Nobody is told: see `remove_if_bare`.
        let _ = std::fs::remove_file(path);
    }
}

/// An empty file, such as mktemp makes, holds nothing that could be lost.
fn unless_empty(path: &Path, overwrite: Overwrite) -> Overwrite {
    if is_empty_file(path) { Overwrite::Replace } else { overwrite }
}

fn is_empty_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_that_was_made_is_removed_and_only_while_it_is_bare() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        let made = || {
            std::fs::write(&path, [0; FILE_HEADER]).unwrap();
            identity(&path.symlink_metadata().unwrap())
        };
        let first = made();
        // The other's inode number is no other's while both are there.
        std::fs::rename(&path, directory.path().join("away")).unwrap();
        let second = made();
        remove_bare(&path, first);
        assert!(path.exists());
        std::fs::write(&path, [0; FILE_HEADER + 1]).unwrap();
        remove_bare(&path, second);
        assert!(path.exists());
        remove_bare(&path, made());
        assert!(!path.exists());
    }

    /// Whether a file of so many bytes is still there afterwards.
    fn stays(bytes: usize) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        std::fs::write(&path, vec![0; bytes]).unwrap();
        remove_bare(&path, identity(&path.symlink_metadata().unwrap()));
        path.exists()
    }

    #[test]
    fn a_recording_of_nothing_is_removed_and_one_of_anything_is_not() {
        assert!(!stays(0));
        assert!(!stays(FILE_HEADER));
        assert!(stays(FILE_HEADER + 1));
        assert!(stays(100_000));
    }

    /// Somebody else put it there since: it is not this recording.
    #[test]
    fn what_is_no_file_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (empty, link) = (directory.path().join("empty"), directory.path().join("link"));
        std::fs::write(&empty, "").unwrap();
        std::os::unix::fs::symlink(&empty, &link).unwrap();
        let folder = directory.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        for other in [&link, &folder] {
            remove_bare(other, identity(&other.symlink_metadata().unwrap()));
            assert!(other.symlink_metadata().is_ok(), "{}", other.display());
        }
        assert!(empty.exists());
        remove_bare(&directory.path().join("absent"), identity(&empty.symlink_metadata().unwrap()));
    }

    #[test]
    fn only_an_empty_file_is_replaced_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let [empty, full, link, absent] =
            ["empty", "full", "link", "absent"].map(|name| directory.path().join(name));
        std::fs::write(&empty, "").unwrap();
        std::fs::write(&full, ".").unwrap();
        std::os::unix::fs::symlink(&empty, &link).unwrap();
        assert!(is_empty_file(&empty));
        for other in [full, link, absent, directory.path().to_owned()] {
            assert!(!is_empty_file(&other), "{}", other.display());
        }
    }
}
