//! Every network namespace of the host that can be found and entered.
//!
//! It looks at the processes' links, at the bind mounts of this mount
//! namespace and of pid 1's, and, when asked to look deep, at threads and open
//! descriptors too. A namespace that lives only through a socket or another
//! mount namespace's mount is not found. One that cannot be entered is kept
//! with the reason, so that it can be reported.
//!
//! An open namespace stays alive, so the pool lets go of one as soon as
//! nothing else leads to it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use backlog_trace_model::check::{Finding, Grade};
use rustix::process::Resource;

use super::mountinfo;
use super::netns::{Namespace, OWN, own};
use super::process::{links, numbered, only_leads, pids, read_bounded};
use super::resolve;
use super::room::{Room, Shortage};
use crate::resource_limits;

/// Whether it was said that descriptors are short.
static SAID: AtomicBool = AtomicBool::new(false);

/// A deep look that was not asked for is followed by a rest so many times as
/// long: where namespaces go all the time, it takes no more than a tenth.
const REST: u32 = 10;

/// How far to look for namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// Processes and mounts: one link per process.
    Wide,
    /// Threads and open descriptors as well: as dear as a walk for owners.
    Deep,
}

/// What could not be seen, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Unseen {
    /// Namespaces that could not be entered or whose sockets could not be
    /// listed: inode number and reason.
    pub namespaces: Vec<(u32, String)>,
    /// Processes of which it could not be seen in which namespace they are.
    pub processes: u32,
    /// Processes whose descriptors could not be read, so that listeners may
    /// have owners that are not named.
    pub unread: u32,
    /// Namespaces for which there are no descriptors.
    pub shortage: Option<Shortage>,
}

/// The namespaces, by inode number.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entered: BTreeMap<u32, Namespace>,
    refused: BTreeMap<u32, String>,
    /// Those for which there are no descriptors.
    left_out: BTreeSet<u32>,
    shortage: Option<Shortage>,
    /// Descriptors that were open before the first was entered.
    others: Option<u64>,
    hidden: u32,
    /// Entered so far.
    serial: u32,
    /// Until when there is no deep look for those that are missed.
    rests_until: Option<Instant>,
}

impl Pool {
    /// Looks for namespaces, enters new ones and lets go of those that are
    /// gone: their inode numbers are returned.
    pub(super) fn discover(&mut self, look: Look) -> Vec<u32> {
        let mut found = self.search(look);
        let misses = look == Look::Wide && self.misses_any(&found);
        let rests = misses && self.rests_until.is_some_and(|until| Instant::now() < until);
        if misses && !rests {
            let begin = Instant::now();
            found = self.search(Look::Deep);
            self.rests_until =
                begin.elapsed().checked_mul(REST).and_then(|rest| Instant::now().checked_add(rest));
        }
        let room = self.room();
        let gone = self.let_go_of_gone(&found, rests);
        if !room.holds_doors(found.len()) {
            self.entered.values_mut().for_each(Namespace::spare);
        }
        self.refused.clear();
        if self.enter(found, room) {
            // Where one place is gone, another may lead there: a descriptor of
            // an observer that ends, beside that of the process that stays.
            let found = self.search(look);
            self.enter(found, room);
        }
        gone
    }

    /// Whether the place of a namespace leads there no more: its process may have
    /// left it for another and hold it open, and others may, which only a deep
    /// look finds.
    fn misses_any(&self, found: &BTreeMap<u32, PathBuf>) -> bool {
        self.entered
            .iter()
            .any(|(inode, namespace)| !found.contains_key(inode) && !namespace.is_still_there())
    }

    /// Enters those that are not entered yet; says whether the place of one was
    /// gone by then.
    fn enter(&mut self, mut found: BTreeMap<u32, PathBuf>, room: Room) -> bool {
        let (all, mut vanished) = (found.len(), false);
        let mut names = None;
        self.left_out.clear();
        // The own one first: it has room however little there is.
        let own = own().ok().and_then(|inode| found.remove_entry(&inode));
        for (inode, place) in own.into_iter().chain(found) {
            if self.entered.contains_key(&inode) {
                continue;
            }
            if self.entered.len() >= room.namespaces() {
                self.left_out.insert(inode);
                continue;
            }
            match Namespace::enter(&place, inode, self.serial) {
                Ok(mut namespace) => {
                    namespace.call(names.get_or_insert_with(resolve::names).remove(&inode));
                    if !room.holds_doors(all) {
                        namespace.spare();
                    }
                    self.serial += 1;
                    self.entered.insert(inode, namespace);
                }
                // The process left, and its pid, its namespace or its descriptor is
                // another's now.
                Err(error) if error.kind() == ErrorKind::NotFound => vanished = true,
                Err(error) => {
                    self.refused.insert(inode, format!("{}: {error}", place.display()));
                }
            }
        }
        self.note_shortage(room.shortage(all, self.left_out.len()));
        vanished
    }

    /// Lets go of those to which nothing leads any more; returns them. The
    /// others are where they were found now. Where it `rests`, one that can be
    /// entered by its descriptor is not known to be gone yet.
    fn let_go_of_gone(&mut self, found: &BTreeMap<u32, PathBuf>, rests: bool) -> Vec<u32> {
        let mut gone = Vec::new();
        for (inode, namespace) in &mut self.entered {
            match found.get(inode) {
                Some(place) => namespace.found_at(place),
                None if !(rests && namespace.is_held() || namespace.is_still_there()) => gone.push(*inode),
                _ => {}
            }
        }
        for inode in &gone {
            self.entered.remove(inode);
        }
        gone
    }

    fn room(&mut self) -> Room {
        let others = *self.others.get_or_insert_with(|| links("/proc/self/fd", |_, _| {}).unwrap_or(0));
        // No limit is one that is never reached.
        Room { limit: resource_limits::soft(Resource::Nofile).unwrap_or(u64::MAX), others }
    }

    /// Says it, once in the life of the program.
    fn note_shortage(&mut self, shortage: Option<Shortage>) {
        if let Some(shortage) = shortage.filter(|_| !SAID.swap(true, Ordering::Relaxed)) {
            log::warn!("{shortage}\n  {}", shortage.advice());
        }
        self.shortage = shortage;
    }

    fn search(&mut self, look: Look) -> BTreeMap<u32, PathBuf> {
        let mut found = BTreeMap::new();
        if let Ok(inode) = own() {
            found.insert(inode, PathBuf::from(OWN));
        }
        self.hidden = 0;
        let pids = pids().unwrap_or_default();
        for pid in &pids {
            match net_link(&format!("/proc/{pid}/ns/net")) {
                Ok(Some((inode, place))) => {
                    found.entry(inode).or_insert(place);
                }
                Err(ErrorKind::PermissionDenied) => self.hidden += 1,
                _ => {}
            }
        }
        for (pid, prefix) in [("self", ""), ("1", "/proc/1/root")] {
            let text = read_bounded(&format!("/proc/{pid}/mountinfo"), 16 << 20).unwrap_or_default();
            for (inode, point) in mountinfo::namespaces(&text) {
                let mut place = PathBuf::from(prefix).into_os_string();
                place.push(point);
                found.entry(inode).or_insert(place.into());
            }
        }
        if look == Look::Deep {
            for pid in pids {
                search_deep(pid, &mut found);
            }
        }
        found
    }

    /// All that were entered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Namespace> {
        self.entered.values()
    }

    /// The one with this inode number.
    pub(crate) fn get(&self, inode: u32) -> Option<&Namespace> {
        self.entered.get(&inode)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Namespace> {
        self.entered.values_mut()
    }

    pub(super) fn get_mut(&mut self, inode: u32) -> Option<&mut Namespace> {
        self.entered.get_mut(&inode)
    }

    /// Whether it exists, entered or not.
    pub(crate) fn exists(&self, inode: u32) -> bool {
        self.entered.contains_key(&inode)
            || self.refused.contains_key(&inode)
            || self.left_out.contains(&inode)
    }

    /// Namespaces that could not be entered, with the reason.
    pub(super) const fn refused(&self) -> &BTreeMap<u32, String> {
        &self.refused
    }

    /// Namespaces for which there are no descriptors.
    pub(super) const fn shortage(&self) -> Option<Shortage> {
        self.shortage
    }

    /// Processes whose namespace could not be seen.
    pub(super) const fn hidden(&self) -> u32 {
        self.hidden
    }
}

/// Whether there are descriptors for every namespace: for `check`.
pub(crate) fn room_finding() -> Finding {
    let subject = "open files";
    let mut pool = Pool::default();
    pool.discover(Look::Deep);
    let room = pool.room();
    match pool.shortage {
        None => Finding::fine(
            subject,
            format!(
                "the limit is {}: room for {} network namespaces, of which there are {}",
                room.limit,
                room.namespaces(),
                pool.entered.len() + pool.refused.len()
            ),
        ),
        Some(shortage) => Finding {
            subject,
            grade: Grade::Reduced,
            what: shortage.to_string(),
            advice: Some(shortage.advice()),
        },
    }
}

/// Namespaces of a process's other threads, and those it holds open. This
/// process's own descriptors are the pool's, and those of `O_PATH` are other
/// observers' ([`super::door`]).
fn search_deep(pid: u32, found: &mut BTreeMap<u32, PathBuf>) {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let link = thread.path().join("ns/net");
        if let Ok(Some((inode, place))) = net_link(&link.to_string_lossy()) {
            found.entry(inode).or_insert(place);
        }
    }
    if pid == std::process::id() {
        return;
    }
    let descriptors = format!("/proc/{pid}/fd");
    // A process whose descriptors cannot be read is counted by the walk for owners.
    let _ = links(&descriptors, |name, target| {
        let Some(inode) = numbered(target, "net").and_then(|number| u32::try_from(number).ok()) else {
            return;
        };
        let (Entry::Vacant(vacant), name) = (found.entry(inode), name.to_string_lossy()) else { return };
        if !only_leads(pid, &name) {
            vacant.insert(PathBuf::from(format!("{descriptors}/{name}")));
        }
    });
}

/// Where a `ns/net` link leads.
fn net_link(path: &str) -> Result<Option<(u32, PathBuf)>, ErrorKind> {
    let target = fs::read_link(path).map_err(|error| error.kind())?;
    let inode = numbered(target.as_os_str().as_bytes(), "net").and_then(|number| u32::try_from(number).ok());
    Ok(inode.map(|inode| (inode, PathBuf::from(path))))
}

#[cfg(test)]
mod tests;
