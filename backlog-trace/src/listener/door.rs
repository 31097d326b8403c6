//! The way into a network namespace: a descriptor, or where descriptors are
//! short, the place where it was found.
//!
//! The descriptor is one of `O_PATH`, which tells it from those of who uses the
//! namespace: two observers must not take each other for that, and keep for ever
//! what nobody else is in.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::nsfs::Found;

/// The way in.
#[derive(Debug)]
pub(super) struct Door {
    place: PathBuf,
    inode: u32,
    held: Option<Found>,
}

impl Door {
    /// Opens the namespace with this inode number, to which `place` led.
    pub(super) fn open(place: &Path, inode: u32) -> io::Result<Self> {
        Ok(Self { place: place.to_owned(), inode, held: Some(found(place, inode)?) })
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
        found(&self.place, self.inode).is_ok()
    }

    /// Another place that leads to it.
    pub(super) fn found_at(&mut self, place: &Path) {
        if self.place != place {
            self.place = place.to_owned();
        }
    }

    /// Moves the calling thread inside.
    pub(super) fn enter(&self) -> io::Result<()> {
        let opened = match &self.held {
            Some(held) => held.open()?,
            None => found(&self.place, self.inode)?.open()?,
        };
        Ok(move_into_link_name_space(opened.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}

/// The namespace, if it is still there.
fn found(place: &Path, inode: u32) -> io::Result<Found> {
    let found = Found::at(place)?.filter(|found| found.inode() == inode);
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "nothing leads to it any more"))
}
