//! The file of a recording: made for its owner alone, opened to be read.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::trace::{Medium, Reader, Writer, advice, reason};

/// What to do where the file exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overwrite {
    /// Leave it and fail.
    #[default]
    Refuse,
    /// Replace it, if it is a regular file.
    Replace,
}

/// The file that a recording is written to.
#[derive(Debug)]
pub struct RecordingFile(File);

impl RecordingFile {
    /// Makes it.
    ///
    /// # Errors
    /// [`Exit::OutputFailed`]: it exists and is not to be replaced, or cannot be made.
    pub fn create(path: &Path, overwrite: Overwrite) -> Result<Self> {
        create(path, overwrite).map(Self)
    }

    /// The file itself.
    pub const fn file(&self) -> &File {
        &self.0
    }
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Medium for RecordingFile {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        io::Seek::seek(&mut self.0, io::SeekFrom::Start(length)).map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The size is what fdatasync() writes of the metadata, the times are not.
        self.0.sync_data()
    }
}

/// Makes a file and begins a recording in it.
///
/// # Errors
/// As [`RecordingFile::create`].
pub fn begin(path: &Path, overwrite: Overwrite) -> Result<Writer<RecordingFile>> {
    Writer::begin(RecordingFile::create(path, overwrite)?, path.display().to_string())
}

/// Opens a recording.
///
/// # Errors
/// [`Exit::BadInput`]: it cannot be opened or read, is no recording, is of a
/// newer major version, or who observed what cannot be told from it.
pub fn open(path: &Path) -> Result<Reader<File>> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| {
        Failure::new(Exit::BadInput, format!("cannot read {name}: {}", reason(&error)))
            .advise("name a file that backlog-trace record has written")
    })?;
    Reader::from_source(file, &name)
}

fn create(path: &Path, overwrite: Overwrite) -> Result<File> {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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

    #[track_caller]
    fn check_unreadable(path: &Path, word: &str) {
        let failure = open(path).err().expect("refused");
        assert_eq!(failure.exit, Exit::BadInput);
        assert!(failure.what.contains(word) && failure.advice.is_some(), "{failure}");
    }

    #[test]
    fn what_cannot_be_opened_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        check_unreadable(&dir.path().join("absent"), "No such file");
        check_unreadable(dir.path(), "Is a directory");
        check_unreadable(Path::new("/dev/null"), "is empty");
    }

    #[track_caller]
    fn check_private(path: &Path, overwrite: Overwrite) {
        let mode = create(path, overwrite).unwrap().metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{mode:o}");
    }

    /// It holds addresses of clients, and whatever the file was that it replaces.
    #[test]
    fn a_recording_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        check_private(&path, Overwrite::Refuse);
        for before in [0o644, 0o666, 0o000] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(before)).unwrap();
            check_private(&path, Overwrite::Replace);
        }
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
        let mut file = RecordingFile::create(&path, Overwrite::Refuse).unwrap();
        file.write_all(b"whole+part").unwrap();
        file.cut(5).unwrap();
        file.write_all(b"!").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole!");
    }
}
