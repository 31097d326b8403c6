//! One network namespace: what was opened inside it stays usable from outside.
//!
//! A netlink socket and a /proc/net file belong for ever to the namespace in
//! which they were opened, so a namespace is entered once, by a thread made
//! for it, and never by a thread of the caller.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use backlog_trace_common::counter::COUNTERS;
use backlog_trace_model::listener::{Place, Sysctls};

use super::cgroup;
use super::counters::{self, Counters};
use super::door::Door;
use super::listing::Listing;
use super::message::{Socket, States};
use super::process;
use super::sysctls::sysctls;

/// How long sysctls that were read stand where no listener comes or changes.
const SYSCTLS_KEPT: Duration = Duration::from_secs(10);

/// A network namespace that was entered.
#[derive(Debug)]
pub(crate) struct Namespace {
    serial: u32,
    door: Door,
    /// What a person calls it.
    name: Option<String>,
    sysctls: Sysctls,
    /// When they were read.
    read: Instant,
    /// Why there is none, otherwise.
    netstat: Result<File, String>,
    /// Why the counters could not be read the last time.
    unread: RefCell<Option<String>>,
    listing: Listing,
}

impl Namespace {
    /// Opens the namespace with this inode number, to which `place` led, a magic
    /// link or a bind mount of one, and enters it once; `serial` tells it from
    /// others that have the same inode number one after the other.
    ///
    /// # Errors
    /// `NotFound` where something else lies there now, else whatever the kernel
    /// answers to open() or setns(): mostly `EPERM`, where CAP_SYS_ADMIN is
    /// missing over the namespace's owner.
    pub(super) fn enter(place: &Path, inode: u32, serial: u32) -> io::Result<Self> {
        let door = Door::open(place, inode)?;
        let (listing, netstat, sysctls) = inside(&door, || {
            // /proc/net is the namespace of the process's main thread; only
            // thread-self is this thread's (proc_net_ns_ops, fs/proc/proc_net.c).
            let netstat = File::open(NETSTAT).map_err(|error| format!("{NETSTAT}: {error}"));
            Ok((Listing::open(), netstat, sysctls()))
        })?;
        let unread = RefCell::default();
        let namespace =
            Self { serial, door, name: None, sysctls, read: Instant::now(), netstat, unread, listing };
        // Whether it has them is known from the start.
        let _ = namespace.counters();
        Ok(namespace)
    }

    /// Its inode number, the namespace's identity for as long as it lives.
    pub(crate) const fn inode(&self) -> u32 {
        self.door.inode()
    }

    /// Which of all that were entered it is: the kernel gives the inode number
    /// of a namespace that is gone to the next one.
    pub(crate) const fn serial(&self) -> u32 {
        self.serial
    }

    /// Where it was found.
    #[cfg(test)]
    pub(crate) fn place(&self) -> &Path {
        self.door.place()
    }

    /// What a person calls it: see [`backlog_trace_model::listener::Listener::netns_name`].
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Calls it by its name under /run/netns, else by the pod or the container of
    /// the process through which it was found, else by that process.
    pub(super) fn call(&mut self, name: Option<String>) {
        let place = self.door.place();
        self.name = name.or_else(|| contained(place)).or_else(|| process::through(place));
    }

    /// Whether the place where it was found still leads to it.
    pub(super) fn is_still_there(&self) -> bool {
        self.door.is_still_there()
    }

    /// Whether it can be entered though its place leads elsewhere.
    pub(super) const fn is_held(&self) -> bool {
        self.door.is_held()
    }

    /// Another place leads to it.
    pub(super) fn found_at(&mut self, place: &Path) {
        self.door.found_at(place);
    }

    /// Holds as few descriptors as it can.
    pub(super) fn spare(&mut self) {
        self.door.let_go();
        self.listing.let_go();
    }

    /// Runs `work` on a thread of its own inside the namespace.
    ///
    /// # Errors
    /// What `work` failed with, or why the namespace could not be entered.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        inside(&self.door, work)
    }

    /// All its TCP sockets in these states.
    ///
    /// # Errors
    /// The kernel lists them in no way.
    pub(super) fn sockets(&mut self, states: States) -> io::Result<Vec<Socket>> {
        let door = &self.door;
        self.listing.dump(states, |open| inside(door, open))
    }

    /// What lists them.
    pub(super) const fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Its sysctls when they were last read.
    pub(crate) const fn sysctls(&self) -> Sysctls {
        self.sysctls
    }

    /// `net.core.somaxconn` when it was last read.
    pub(crate) const fn somaxconn(&self) -> Option<u32> {
        self.sysctls.somaxconn
    }

    /// Reads its sysctls again where that was a while ago, or where a listener
    /// has come or changed since (`is_news`); says whether somaxconn is another
    /// now.
    ///
    /// A file is open for no longer than that: /proc/sys/net shows the
    /// namespace of the thread that looks it up (`net_ctl_header_lookup()`,
    /// net/sysctl_net.c), so a thread is sent inside.
    pub(super) fn reread(&mut self, is_news: bool) -> bool {
        if !is_news && self.read.elapsed() < SYSCTLS_KEPT {
            return false;
        }
        self.read = Instant::now();
        // One that cannot be entered any more is about to be let go of.
        let Ok(now) = self.run(|| Ok(sysctls())) else { return false };
        std::mem::replace(&mut self.sysctls, now).somaxconn != now.somaxconn
    }

    /// The kernel's own counters, absolute, in the order of
    /// [`backlog_trace_common::counter::ALL`].
    ///
    /// # Errors
    /// The file could not be read, or lacks one of them.
    pub(crate) fn counters(&self) -> io::Result<[u64; COUNTERS]> {
        self.read(counters::parse)
    }

    /// The kernel's own counters with the two by which their movements are told apart:
    /// see [`Counters`].
    ///
    /// # Errors
    /// The file could not be read, or lacks one of them.
    pub(crate) fn all_counters(&self) -> io::Result<Counters> {
        self.read(counters::parse_all)
    }

    /// Reads its counters from this file from now on.
    #[cfg(test)]
    pub(super) fn count_by(&mut self, netstat: Result<File, String>) {
        self.netstat = netstat;
    }

    /// Why the counters could not be read the last time; `None` where they could.
    pub(crate) fn unread(&self) -> Option<String> {
        self.unread.borrow().clone()
    }

    /// Whether its somaxconn can be read.
    pub(super) const fn has_somaxconn(&self) -> bool {
        self.sysctls.somaxconn.is_some()
    }

    fn read<T>(&self, parse: impl Fn(&[u8]) -> Result<T, &'static str>) -> io::Result<T> {
        let read = self.netstat().and_then(|text| parse(&text).map_err(lacking));
        *self.unread.borrow_mut() = read.as_ref().err().map(ToString::to_string);
        read
    }

    fn netstat(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut file = self.netstat.as_ref().map_err(|why| io::Error::other(why.clone()))?;
        file.rewind()?;
        file.take(counters::LONGEST).read_to_end(&mut text)?;
        Ok(text)
    }
}

/// `pod 1234abcd…` or `docker 3f2a91b0c4d5`, of a path that leads through a process
/// in one.
fn contained(path: &Path) -> Option<String> {
    let cgroup = cgroup::of_process(process::on_the_way(path)?)?;
    Place::of(&cgroup).netns()
}

fn lacking(name: &'static str) -> io::Error {
    io::Error::other(format!("/proc/net/netstat has no {name}"))
}

/// Inode number of the host's own network namespace: that of process 1, which
/// may be hidden, else the tool's own.
pub(crate) fn host() -> Option<u32> {
    let of_init = std::fs::metadata("/proc/1/ns/net").ok();
    of_init.and_then(|metadata| u32::try_from(metadata.ino()).ok()).or_else(|| own().ok())
}

/// Inode number of the calling thread's network namespace.
pub(super) fn own() -> io::Result<u32> {
    let inode = std::fs::metadata(OWN)?.ino();
    u32::try_from(inode).map_err(io::Error::other)
}

/// The counters of the calling thread's namespace.
const NETSTAT: &str = "/proc/thread-self/net/netstat";

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
            })
            .map_err(|error| {
                io::Error::other(crate::resource_limits::not_made("the thread inside it", &error).what)
            })?
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread inside the namespace panicked")))
    })
}
