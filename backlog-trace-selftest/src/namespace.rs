//! A network namespace that this thread can stand in.
//!
//! Unnamed: it is gone as soon as no process, socket or file refers to it, so
//! nothing is left behind after any kind of exit.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::failure::{Failure, Kind, Result};

/// A network namespace.
pub(crate) struct Namespace {
    link: File,
    inode: u32,
}

impl Namespace {
    /// The namespace that this thread stands in.
    pub(crate) fn current() -> Result<Self> {
        let link = File::open("/proc/thread-self/ns/net").map_err(|why| {
            Failure::unexpected("the network namespace of this process cannot be opened", why)
        })?;
        let inode = link
            .metadata()
            .map_err(|why| Failure::unexpected("the network namespace of this process cannot be read", why))?
            .ino();
        let inode = u32::try_from(inode)
            .map_err(|why| Failure::unexpected(format!("namespace number {inode} is out of range"), why))?;
        Ok(Self { link, inode })
    }

    /// Makes a new namespace and moves this thread into it.
    pub(crate) fn create() -> Result<Self> {
        #[expect(unsafe_code, reason = "unshare has no safe form, though this flag is harmless")]
        // SAFETY: only the network namespace is left; the file table, about
        // which the function warns, stays shared.
        let left = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
        left.map_err(|why| {
            Failure::new(Kind::NotPermitted, format!("no network namespace of its own can be made: {why}"))
                .advise("run selftest as root, or give it CAP_SYS_ADMIN and CAP_NET_ADMIN")
        })?;
        Self::current()
    }

    /// Moves this thread into the namespace.
    pub(crate) fn enter(&self) -> Result<()> {
        rustix::thread::move_into_link_name_space(self.link.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|why| Failure::unexpected("a network namespace cannot be entered", why))
    }

    /// Its inode number, as in `/proc/PID/ns/net`.
    pub(crate) fn inode(&self) -> u32 {
        self.inode
    }
}
