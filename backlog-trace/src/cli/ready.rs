//! The ready file: made, or written where it is there already. Refuses what
//! another user may have put there, such as a link to a file of root's or a FIFO
//! that nobody reads; the kernel does so by itself only in some directories and
//! where it was told to (fs.protected_symlinks and its like, proc_sys_fs(5)).

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use backlog_trace_model::failure::{Exit, Failure, Result};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, open, openat};
use rustix::process::geteuid;

/// Says that everything is attached.
///
/// # Errors
/// [`Exit::OutputFailed`]: it cannot be written, or might be somebody else's.
pub(super) fn say(file: &Path) -> Result<()> {
    let failed = |what, advice| Failure::new(Exit::OutputFailed, what).advise(advice);
    match open_to_write(file).and_then(|opened| opened.map(|mut opened| opened.write_all(b"\n")).transpose())
    {
        Ok(Some(())) => Ok(()),
        Ok(None) => Err(failed(
            format!("{} is not written: another user may have put it there", file.display()),
            "name a file that is not there yet, or one in a directory that only you may write to",
        )),
        Err(error) => Err(failed(
            format!("{} cannot be written: {error}", file.display()),
            "name a file in a directory that exists and that you may write to",
        )),
    }
}

/// `None` where somebody else may have put it there.
fn open_to_write(file: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).create_new(true).open(file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open_existing(file),
        made => made.map(Some),
    }
}

fn open_existing(file: &Path) -> io::Result<Option<File>> {
    let write = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC;
    let name = file.file_name().ok_or(ErrorKind::IsADirectory)?;
    let directory = file.parent().filter(|parent| *parent != OsStr::new("")).unwrap_or(Path::new("."));
    let directory = open(directory, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if !is_others(&fstat(&directory)?) {
        // Whoever runs the tool has put it there, and knows what it is.
        return Ok(Some(openat(&directory, name, write, Mode::empty())?.into()));
    }
    let seen = openat(&directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if !is_own(&fstat(&seen)?) {
        return Ok(None);
    }
    // By the descriptor: there may be something else at the path by now.
    let own_link = format!("/proc/self/fd/{}", seen.as_raw_fd());
    Ok(Some(openat(CWD, own_link, write, Mode::empty())?.into()))
}

/// Whether another user than this one and root may put things into a directory.
fn is_others(directory: &Stat) -> bool {
    let mode = Mode::from_raw_mode(directory.st_mode);
    let by_group = mode.contains(Mode::WGRP) && directory.st_gid != 0;
    let by_owner = ![0, geteuid().as_raw()].contains(&directory.st_uid);
    mode.contains(Mode::WOTH) || by_group || by_owner
}

/// Whether it is this user's and no second name of a file elsewhere.
fn is_own(file: &Stat) -> bool {
    let is_one = match FileType::from_raw_mode(file.st_mode) {
        FileType::RegularFile => file.st_nlink == 1,
        kind => kind == FileType::Fifo,
    };
    is_one && file.st_uid == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use rustix::fs::mknodat;

    use super::*;
    use crate::skipped::{NEEDS_ROOT, is_root, skipped};

    /// A directory with this mode, and what it does to the file `name` in it
    /// that `make` has made: whether it is written, and is a file beside the
    /// directory spared.
    #[track_caller]
    fn check(mode: u32, make: impl FnOnce(&Path, &Path), is_written: bool, is_spared: bool) {
        let outside = tempfile::tempdir().unwrap();
        let (precious, directory) = (outside.path().join("precious"), outside.path().join("directory"));
        fs::write(&precious, "precious").unwrap();
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let file = directory.join("ready");
        make(&file, &precious);
        let said = say(&file);
        assert_eq!(said.is_ok(), is_written, "{said:?}");
        if let Err(failure) = said {
            assert_eq!(failure.exit, Exit::OutputFailed);
            assert!(failure.what.contains("another user may have put it there"), "{failure}");
            assert!(failure.advice.is_some(), "{failure}");
        } else {
            assert_eq!(fs::read_to_string(&file).unwrap(), "\n");
        }
        assert_eq!(fs::read_to_string(&precious).unwrap() == "precious", is_spared);
    }

    fn link(file: &Path, precious: &Path) {
        symlink(precious, file).unwrap();
    }

    fn plain(file: &Path, _precious: &Path) {
        fs::write(file, "before").unwrap();
    }

    #[test]
    fn what_others_may_have_put_there_is_not_written() {
        for mode in [0o777, 0o1777] {
            check(mode, |_, _| {}, true, true);
            check(mode, plain, true, true);
            check(mode, link, false, true);
            check(mode, |file, _| symlink("/nowhere", file).unwrap(), false, true);
            check(mode, |file, precious| fs::hard_link(precious, file).unwrap(), false, true);
        }
    }

    #[test]
    fn what_only_its_user_may_have_put_there_is_written() {
        check(0o700, |_, _| {}, true, true);
        check(0o755, plain, true, true);
        check(0o755, link, true, false);
        say(Path::new("/dev/null")).unwrap();
        let file = tempfile::tempfile().unwrap();
        say(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd()))).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1);
    }

    #[test]
    fn root_what_is_another_users_is_neither_waited_for_nor_written() {
        if !is_root() {
            return skipped(NEEDS_ROOT);
        }
        let theirs = |file: &Path| chown(file, Some(65_534), Some(65_534)).unwrap();
        for mode in [0o777, 0o1777] {
            check(
                mode,
                |file, precious| {
                    plain(file, precious);
                    theirs(file);
                },
                false,
                true,
            );
            let fifo = |file: &Path, _: &Path| {
                mknodat(CWD, file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
                theirs(file);
            };
            check(mode, fifo, false, true);
        }
        check(
            0o755,
            |file, precious| {
                link(file, precious);
                theirs(file.parent().unwrap());
            },
            false,
            true,
        );
    }
}
