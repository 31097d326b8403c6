//! The way into a network namespace: a descriptor, or where descriptors are
//! short, the place where it was found.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The way in.
#[derive(Debug)]
pub(super) struct Door {
    place: PathBuf,
    inode: u32,
    held: Option<OwnedFd>,
}

impl Door {
    /// Opens the namespace that `place` leads to.
    pub(super) fn open(place: &Path) -> io::Result<Self> {
        let opened = through(place)?;
        let inode = u32::try_from(fstat(&opened)?.st_ino).map_err(io::Error::other)?;
        Ok(Self { place: place.to_owned(), inode, held: Some(opened) })
    }

    /// Keeps no descriptor from now on.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// Whether a descriptor is kept.
    pub(super) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Inode number of the namespace.
    pub(super) const fn inode(&self) -> u32 {
        self.inode
    }

    /// Where it was found.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Whether the place still leads to it.
    pub(super) fn is_still_there(&self) -> bool {
        std::fs::metadata(&self.place).is_ok_and(|found| found.ino() == u64::from(self.inode))
    }

    /// Another place that leads to it.
    pub(super) fn found_at(&mut self, place: &Path) {
        if self.place != place {
            self.place = place.to_owned();
        }
    }

    /// Moves the calling thread inside.
    pub(super) fn enter(&self) -> io::Result<()> {
        let kind = Some(LinkNameSpaceType::Network);
        let opened = match &self.held {
            Some(held) => return Ok(move_into_link_name_space(held.as_fd(), kind)?),
            None => through(&self.place)?,
        };
        if fstat(&opened)?.st_ino != u64::from(self.inode) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "nothing leads to it any more"));
        }
        Ok(move_into_link_name_space(opened.as_fd(), kind)?)
    }
}

/// Opened so that it cannot wait: what lies in the place may be a FIFO by now.
fn through(place: &Path) -> io::Result<OwnedFd> {
    Ok(open(place, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?)
}
