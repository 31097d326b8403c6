//! `backlog-trace record`: an observation into a file, to be looked at later.

use std::fs::Metadata;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::trace::format::FILE_HEADER;
use backlog_trace_model::trace::{Medium, Writer};
use clap::Args;

use super::drive::{self, Sink};
use super::hist;
use super::observe::Observe;
use super::printed::Printed;
use crate::confine::as_invoker;
use crate::recording_file::{Overwrite, RecordingFile};

const EXAMPLES: &str = "\
The recording holds the whole host; filters choose what is printed at the end.
With -o - the recording goes to standard output, and what is printed to standard error; -o ./-
names a file.

Examples:
  backlog-trace record -o monday.trace --duration 1h
  backlog-trace record -o test.trace -- ./load-test
  backlog-trace report test.trace
  ssh HOST backlog-trace record -o - --duration 1m | backlog-trace report -";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Record {
    /// The file to make, or - for standard output. It holds addresses of clients, so it is the
    /// owner's alone to read.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the file where it exists.
    #[arg(long)]
    pub overwrite: bool,
    /// What to observe.
    #[command(flatten)]
    pub observe: Observe,
}

/// Runs it.
///
/// # Errors
/// Nothing can be attached, or an output cannot be written.
pub fn run(arguments: &Record) -> Result<Exit> {
    let selection = arguments.observe.filters.selection()?;
    let to_output = arguments.output == Path::new("-");
    let (recording, made) = if to_output { (piped()?, None) } else { file(arguments)? };
    let printed = if to_output { Printed::error() } else { Printed::output() };
    let view = hist::view(arguments.observe.format, &selection, None, &printed);
    let sink = Sink { view, printed, recording: Some(recording), output_is_recording: to_output };
    let observed = drive::run(&arguments.observe, &selection, None, sink);
    if let Some(made) = made {
        // What failed before is what the user reads; where it was interrupted before it began, nothing did.
        let _ = as_invoker(|| {
            remove_if_bare(&arguments.output, made);
            Ok(())
        });
    }
    observed
}

/// Writes it, wherever it goes.
type Recording = Writer<Box<dyn Medium>>;

/// Which file it is: device and inode number.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// The recording as a file, and which one it is.
fn file(arguments: &Record) -> Result<(Recording, Option<Identity>)> {
    let path = &arguments.output;
    let file = as_invoker(|| RecordingFile::create(path, overwrite(arguments)))?;
    let made = file.file().metadata().ok().as_ref().map(identity);
    let medium: Box<dyn Medium> = Box::new(file);
    Ok((Writer::begin(medium, path.display().to_string())?, made))
}

/// The recording on standard output.
fn piped() -> Result<Recording> {
    if io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, "a recording is not for a terminal to show")
            .advise("pipe it into a file or a program, or name a file (-o FILE)"));
    }
    Writer::begin(Box::new(Printed::output()), "on standard output")
}

/// Nothing was observed: a file with nothing but its header helps nobody. If it
/// is the one that was made: the path may lead to somebody else's by now.
fn remove_if_bare(path: &Path, made: Identity) {
    let is_bare =
        |found: &Metadata| found.is_file() && identity(found) == made && found.len() <= FILE_HEADER as u64;
    if path.symlink_metadata().is_ok_and(|found| is_bare(&found)) {
        // As above.
        let _ = std::fs::remove_file(path);
    }
}

/// An empty file, such as mktemp makes, holds nothing that could be lost.
fn overwrite(arguments: &Record) -> Overwrite {
    if arguments.overwrite || is_empty_file(&arguments.output) {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    }
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
        remove_if_bare(&path, first);
        assert!(path.exists());
        std::fs::write(&path, [0; FILE_HEADER + 1]).unwrap();
        remove_if_bare(&path, second);
        assert!(path.exists());
        remove_if_bare(&path, made());
        assert!(!path.exists());
    }

    /// Whether a file of so many bytes is still there afterwards.
    fn stays(bytes: usize) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        std::fs::write(&path, vec![0; bytes]).unwrap();
        remove_if_bare(&path, identity(&path.symlink_metadata().unwrap()));
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
            remove_if_bare(other, identity(&other.symlink_metadata().unwrap()));
            assert!(other.symlink_metadata().is_ok(), "{}", other.display());
        }
        assert!(empty.exists());
        remove_if_bare(&directory.path().join("absent"), identity(&empty.symlink_metadata().unwrap()));
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
