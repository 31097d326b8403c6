//! One network namespace: what was opened inside it stays usable from outside.
//!
//! A netlink socket and a /proc/net file belong for ever to the namespace in
//! which they were opened, so a namespace is entered once, by a thread made
//! for it, and never by a thread of the caller.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use backlog_trace_common::counter::COUNTERS;

use super::counters::{self, Counters};
use super::door::Door;
use super::process;
use super::sock_diag::SockDiag;
use super::sysctl::{self, Sysctls};

/// How long a sysctl that was read stands where no listener comes or changes.
const SYSCTLS_KEPT: Duration = Duration::from_secs(10);

/// A network namespace that was entered.
#[derive(Debug)]
pub struct Namespace {
    serial: u32,
    door: Door,
    /// What a person calls it.
    name: Option<String>,
    somaxconn: Option<u32>,
    /// When somaxconn was read.
    read: Instant,
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
        let door = Door::open(place)?;
        let (sock_diag, netstat, somaxconn) = inside(&door, || {
            // /proc/net is the namespace of the process's main thread; only
            // thread-self is this thread's (proc_net_ns_ops, fs/proc/proc_net.c).
            let netstat = File::open("/proc/thread-self/net/netstat")?;
            Ok((SockDiag::open()?, netstat, sysctl::somaxconn()))
        })?;
        Ok(Self { serial, door, name: None, somaxconn, read: Instant::now(), netstat, sock_diag })
    }

    /// Its inode number, the namespace's identity for as long as it lives.
    pub const fn inode(&self) -> u32 {
        self.door.inode()
    }

    /// Which of all that were entered it is: the kernel gives the inode number
    /// of a namespace that is gone to the next one.
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// Where it was found.
    pub fn place(&self) -> &Path {
        self.door.place()
    }

    /// What a person calls it: see [`super::entry::Listener::netns_name`].
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Calls it by its name under /run/netns, else by the process through
    /// which it was found.
    pub(super) fn call(&mut self, name: Option<String>) {
        self.name = name.or_else(|| process::through(self.door.place()));
    }

    /// Whether the place where it was found still leads to it.
    pub(super) fn is_still_there(&self) -> bool {
        self.door.is_still_there()
    }

    /// Another place leads to it.
    pub(super) fn found_at(&mut self, place: &Path) {
        self.door.found_at(place);
    }

    /// Holds as few descriptors as it can.
    pub(super) fn spare(&mut self) {
        self.door.let_go();
    }

    /// Runs `work` on a thread of its own inside the namespace.
    ///
    /// # Errors
    /// That of `work`, or why the namespace could not be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        inside(&self.door, work)
    }

    /// `net.core.somaxconn` when it was last read.
    pub const fn somaxconn(&self) -> Option<u32> {
        self.somaxconn
    }

    /// Reads somaxconn again where that was a while ago, or where a listener
    /// has come or changed since (`is_news`); says whether it is another now.
    ///
    /// The file is open for no longer than that: /proc/sys/net shows the
    /// namespace of the thread that looks it up (`net_ctl_header_lookup()`,
    /// net/sysctl_net.c), so a thread is sent inside.
    pub(super) fn reread(&mut self, is_news: bool) -> bool {
        if !is_news && self.read.elapsed() < SYSCTLS_KEPT {
            return false;
        }
        self.read = Instant::now();
        // One that cannot be entered any more is about to be let go of.
        let Ok(now) = self.run(|| Ok(sysctl::somaxconn())) else { return false };
        std::mem::replace(&mut self.somaxconn, now) != now
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

/// Inode number of the host's own network namespace: that of process 1, which
/// may be hidden, else the tool's own.
pub fn host() -> Option<u32> {
    let of_init = std::fs::metadata("/proc/1/ns/net").ok();
    of_init.and_then(|metadata| u32::try_from(metadata.ino()).ok()).or_else(|| own().ok())
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
fn inside<T: Send>(door: &Door, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, || {
                if own()? != door.inode() {
                    door.enter()?;
                }
                work()
            })?
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread inside the namespace panicked")))
    })
}
