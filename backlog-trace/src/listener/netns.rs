//! One network namespace: what was opened inside it stays usable from outside.
//!
//! A netlink socket and a /proc/net file belong for ever to the namespace in
//! which they were opened, so a namespace is entered once, by a thread made
//! for it, and never by a thread of the caller.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use backlog_trace_common::counter::COUNTERS;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::counters::{self, Counters};
use super::sock_diag::SockDiag;
use super::sysctl::Sysctls;

/// A network namespace that was entered.
#[derive(Debug)]
pub struct Namespace {
    inode: u32,
    serial: u32,
    place: PathBuf,
    door: OwnedFd,
    somaxconn: Option<File>,
    netstat: File,
    pub(super) sock_diag: SockDiag,
}

impl Namespace {
    /// Opens the namespace that `place` leads to, a magic link or a bind mount
    /// of one, and enters it once; `serial` tells it from others that have the
    /// same inode number one after the other.
    ///
    /// # Errors
    /// Whatever the kernel answers to open(), setns() or socket(): mostly
    /// `EPERM`, where CAP_SYS_ADMIN is missing over the namespace's owner.
    pub(super) fn enter(place: &Path, serial: u32) -> io::Result<Self> {
        let door = File::open(place)?;
        let inode = u32::try_from(door.metadata()?.ino()).map_err(io::Error::other)?;
        let door = OwnedFd::from(door);
        let (sock_diag, netstat, somaxconn) = inside(&door, inode, || {
            // /proc/net is the namespace of the process's main thread; only
            // thread-self is this thread's (proc_net_ns_ops, fs/proc/proc_net.c).
            let netstat = File::open("/proc/thread-self/net/netstat")?;
            Ok((SockDiag::open()?, netstat, File::open("/proc/sys/net/core/somaxconn").ok()))
        })?;
        Ok(Self { inode, serial, place: place.to_owned(), door, somaxconn, netstat, sock_diag })
    }

    /// Its inode number, the namespace's identity for as long as it lives.
    pub const fn inode(&self) -> u32 {
        self.inode
    }

    /// Which of all that were entered it is: the kernel gives the inode number
    /// of a namespace that is gone to the next one.
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// Where it was found.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Whether the place where it was found still leads to it.
    pub(super) fn is_still_there(&self) -> bool {
        std::fs::metadata(&self.place).is_ok_and(|found| found.ino() == u64::from(self.inode))
    }

    /// Runs `work` on a thread of its own inside the namespace.
    ///
    /// # Errors
    /// That of `work`, or why the namespace could not be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        inside(&self.door, self.inode, work)
    }

    /// `net.core.somaxconn` as it is now.
    ///
    /// A file under /proc/sys/net is bound to the namespace of the thread that
    /// looked it up (`net_ctl_header_lookup()`, net/sysctl_net.c), so the open
    /// file serves from any thread.
    pub fn somaxconn(&self) -> Option<u32> {
        let mut text = String::new();
        let mut file = self.somaxconn.as_ref()?;
        file.rewind().ok()?;
        file.take(32).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// The sysctls that decide about its listeners.
    ///
    /// # Errors
    /// The namespace could not be entered.
    pub fn sysctls(&self) -> io::Result<Sysctls> {
        self.run(|| Ok(Sysctls::of_this_thread()))
    }

    /// The kernel's own counters, absolute, in the order of
    /// [`backlog_trace_common::counter::ALL`].
    ///
    /// # Errors
    /// The file could not be read, or lacks one of them.
    pub fn counters(&self) -> io::Result<[u64; COUNTERS]> {
        counters::parse(&self.netstat()?).map_err(lacking)
    }

    /// The same with those that tell their movements apart.
    ///
    /// # Errors
    /// The file could not be read, or lacks one of them.
    pub fn all_counters(&self) -> io::Result<Counters> {
        counters::parse_all(&self.netstat()?).map_err(lacking)
    }

    fn netstat(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut file = &self.netstat;
        file.rewind()?;
        file.take(counters::LONGEST).read_to_end(&mut text)?;
        Ok(text)
    }
}

fn lacking(name: &'static str) -> io::Error {
    io::Error::other(format!("/proc/net/netstat has no {name}"))
}

/// Inode number of the calling thread's network namespace.
pub(super) fn own() -> io::Result<u32> {
    let inode = std::fs::metadata(OWN)?.ino();
    u32::try_from(inode).map_err(io::Error::other)
}

/// The calling thread's own network namespace.
pub(super) const OWN: &str = "/proc/thread-self/ns/net";

/// Runs `work` on a thread that has moved into the namespace behind `door`.
///
/// The thread's own namespace is not entered, because that would need
/// CAP_SYS_ADMIN (`netns_install()`, net/core/net_namespace.c) for nothing.
fn inside<T: Send>(door: &OwnedFd, inode: u32, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, || {
                if own()? != inode {
                    move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network))?;
                }
                work()
            })?
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread inside the namespace panicked")))
    })
}
