//! What lies in a place that should lead to a network namespace.
//!
//! Such places are other users' descriptors, links and mounts, and whoever owns
//! one can put something else there after it was seen: a FIFO that waits for a
//! writer, a device that acts when it is opened, a file whose file system never
//! answers. So a place is followed by `O_PATH`, which calls nothing of what it
//! finds, and only a network namespace is opened. What the place leads to after
//! that does not matter: it is not asked again.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstat, fstatfs, open, readlinkat_raw};

use super::process::{LINK, numbered};

/// `NSFS_MAGIC` (include/uapi/linux/magic.h).
const NSFS: u64 = 0x6e73_6673;

/// A network namespace that was found and is not open yet.
#[derive(Debug)]
pub(super) struct Found {
    handle: OwnedFd,
    inode: u32,
}

impl Found {
    /// Follows `place`; `None` where it leads to something else.
    ///
    /// # Errors
    /// It cannot be followed.
    pub(super) fn at(place: &Path) -> io::Result<Option<Self>> {
        let handle = open(place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        // Its name before all else, which the kernel alone answers: fstat() and
        // fstatfs() would ask its file system, and that may be somebody's own
        // process (`fuse_getattr()`, `fuse_statfs()`). A path begins with '/', so
        // no file is called like a namespace (`ns_dname()`, fs/nsfs.c, 5.10 to 7.2).
        // One that is mounted is called by its mount point (`d_path()`), which
        // only root can make.
        let mut name = [0; LINK];
        let length = readlinkat_raw(CWD, own_link(&handle), &mut name)?;
        let named = numbered(name.get(..length).unwrap_or_default(), "net");
        if named.is_none() && is_of_a_process(place) {
            return Ok(None);
        }
        // There is one nsfs (`nsfs_init()`), so its numbers need no device beside them.
        if !u64::try_from(fstatfs(&handle)?.f_type).is_ok_and(|kind| kind == NSFS) {
            return Ok(None);
        }
        let inode = fstat(&handle)?.st_ino;
        let is_it = named.is_none_or(|named| named == inode);
        Ok(u32::try_from(inode).ok().filter(|_| is_it).map(|inode| Self { handle, inode }))
    }

    /// Its inode number.
    pub(super) const fn inode(&self) -> u32 {
        self.inode
    }

    /// Opens it, by the descriptor that has led there: setns() takes none of `O_PATH`.
    ///
    /// # Errors
    /// The kernel does not open it, or it is no network namespace after all.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        let opened = open(own_link(&self.handle), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        #[expect(unsafe_code, reason = "rustix has no NS_GET_NSTYPE")]
        // SAFETY: the call takes no argument and writes no memory (ioctl_nsfs(2)).
        let kind = unsafe { libc::ioctl(opened.as_raw_fd(), libc::NS_GET_NSTYPE) };
        match kind {
            libc::CLONE_NEWNET => Ok(opened),
            _ if kind < 0 => Err(io::Error::last_os_error()),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "it is no network namespace")),
        }
    }
}

/// Whether it is a link of a process, and not what the process sees as its files.
fn is_of_a_process(place: &Path) -> bool {
    let mut below = place.strip_prefix("/proc").into_iter().flat_map(Path::components);
    below.next().is_some() && below.next().is_some_and(|link| link.as_os_str() != "root")
}

/// The link to what a descriptor of this process leads to.
fn own_link(handle: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

#[cfg(test)]
mod tests;
