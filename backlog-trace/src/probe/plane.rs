//! What user space does with the kernel's maps: it learns whose rows there are,
//! reads them beside the kernel's own figures, and gives back the room of what
//! is closed. Everything here blocks.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya::Ebpf;
use backlog_trace_common::identity::Identity;
use backlog_trace_common::key::ListenerKey;
use backlog_trace_model::event::{Occurrence, Snapshot, Totals, What};
use backlog_trace_model::failure::Result;
use backlog_trace_model::listener::Listener;
use rustix::thread::{MembarrierCommand, membarrier};

use super::balance::Kernel;
use super::closing::Closing;
use super::maps::Maps;
use super::queues::Queues;
use super::reading::Reading;
use super::snapshot::{Readings, Snapshots};
use super::{baselines, forget, slots};
use crate::listener::{Book, CLOSED_KEPT, Depth};
use crate::source;

/// How often everything is read again while packets arrive between the
/// readings of what is counted.
const ROUNDS: usize = 4;

/// Reading again is not worth it where it takes longer than this: on a host
/// with thousands of listeners some packet always comes in between.
const LONG: Duration = Duration::from_millis(20);

/// How long to look for where sockets stood when the judging began, at most.
const SETTLING: Duration = Duration::from_millis(300);

/// The maps, and what is known beside them.
pub(super) struct Plane {
    pub(super) ebpf: Ebpf,
    pub(super) maps: Maps,
    pub(super) book: Book,
    queues: Queues,
    closing: Closing,
    snapshots: Snapshots,
    /// Identities that the kernel side had entered, ever, when they were read last.
    scanned: u64,
    /// Details that were missed by the last time that all identities were read.
    missed: u64,
    /// Ports of namespaces where a listener has closed since the last snapshot:
    /// members of its group may have taken connections over.
    closed_at: HashSet<(u32, u16)>,
    /// What sockets have dropped that no hook has seen, as of the last reading.
    rest: u64,
    /// How much further than attributed hooks had read the counters at the last reading.
    behind: u64,
    /// Listeners that may leave half-open requests behind and keep their rows.
    room: usize,
}

impl Plane {
    /// Nothing is known yet; `rows` is how many listeners have room.
    pub(super) fn new(ebpf: Ebpf, maps: Maps, book: Book, queues: Queues, rows: u32) -> Self {
        Self {
            ebpf,
            maps,
            book,
            queues,
            closing: Closing::default(),
            snapshots: Snapshots::default(),
            scanned: 0,
            missed: 0,
            closed_at: HashSet::new(),
            rest: 0,
            behind: 0,
            room: (rows as usize / 4).min(CLOSED_KEPT / 2),
        }
    }

    /// Whether what is read, run and given back still works: asked when some
    /// privileges are laid off.
    pub(super) fn works(&mut self) -> bool {
        self.maps.identities().is_ok()
            && self.maps.name_forgotten(&[0]).is_ok()
            && forget::run(&self.ebpf, 0).is_ok()
            && self.maps.remove(0).is_ok()
    }

    /// How many keys have room at the moment.
    pub(super) fn listeners(&self) -> usize {
        self.queues.keys().count()
    }

    /// Makes sure that the book knows every listener in a batch.
    pub(super) fn name(&mut self, details: &[Occurrence]) -> Vec<Arc<Listener>> {
        let mut news = Vec::new();
        let mut looked_at = HashSet::new();
        for detail in details {
            let known = self.book.by_key(detail.listener).is_some();
            let changed = matches!(detail.what, What::Opened | What::Closed);
            if known && !changed {
                continue;
            }
            if let Some(identity) = self.maps.identity(detail.listener) {
                // A new socket gets its cookie and its owners from a look at
                // its namespace; one that closed meanwhile from the identity.
                if !known && identity.closed == 0 && looked_at.insert(identity.netns) {
                    news.extend(self.book.refresh_namespace(identity.netns));
                }
                news.extend(self.learn(detail.listener, &identity));
            }
        }
        news
    }

    /// Looks where the sockets stood when the judging of their packets began.
    /// Returns what is new in the book.
    pub(super) fn settle(&mut self) -> Result<Vec<Arc<Listener>>> {
        let mut news = self.learn_all()?;
        let begin = Instant::now();
        let nothing = Totals::default();
        loop {
            let before = self.read(&mut news)?;
            news.extend(self.list());
            let after = self.read(&mut news)?;
            let ids: Vec<u32> = self.queues.ids().collect();
            for id in &ids {
                let Some(depth) = self.book.depth(*id) else { continue };
                let counted = |reading: &Reading| reading.listeners.get(id).cloned();
                let (before, after) = (counted(&before), counted(&after));
                self.queues.look(
                    *id,
                    depth,
                    before.as_ref().unwrap_or(&nothing),
                    after.as_ref().unwrap_or(&nothing),
                );
            }
            if ids.iter().all(|id| self.queues.is_settled(*id)) || begin.elapsed() > SETTLING {
                return Ok(news);
            }
        }
    }

    /// Takes a snapshot; returns what is new in the book as well.
    pub(super) fn snapshot(&mut self, is_last: bool) -> Result<(Vec<Arc<Listener>>, Snapshot)> {
        let looked = source::monotonic();
        let mut news = self.book.discover();
        news.extend(self.forget_closed()?);
        news.extend(self.learn_new()?);
        let readings = self.readings(&mut news)?;
        self.notice_closed(&news);
        news.extend(self.book.name());
        let mut snapshot = self.snapshots.take(&readings, &mut self.queues, &self.book, is_last);
        snapshot.time = source::monotonic();
        snapshot.details_missed = self.maps.missed()?;
        snapshot.sysctls = self.book.sysctls(is_last);
        for id in &snapshot.retired {
            self.book.forget(*id);
        }
        news.extend(self.free_slots(&readings.after, looked)?);
        Ok((news, snapshot))
    }

    /// Gives back the room of listeners that closed some time ago.
    pub(super) fn forget_closed(&mut self) -> Result<Vec<Arc<Listener>>> {
        if self.closing.is_empty() {
            return Ok(Vec::new());
        }
        let namespaces = self.book.namespaces();
        let due = self.closing.due(source::monotonic(), self.room, |netns| namespaces.exists(netns));
        let mut news = Vec::new();
        let mut keys = Vec::new();
        for id in due {
            let (listens_again, changed) = self.look_again(id);
            news.extend(changed);
            self.closing.remove(id);
            if listens_again {
                continue;
            }
            let own = self.queues.keys_of(id);
            let mut rows: Vec<(u32, Totals)> = Vec::new();
            for key in &own {
                rows.extend(self.maps.rows_of(*key)?);
            }
            let mut totals = Totals::default();
            rows.iter().for_each(|(_, row)| totals.add(row));
            let counts = self.queues.complete(id, &totals, &totals, &self.book);
            self.snapshots.fold(counts, &rows);
            self.queues.forget(id);
            keys.extend(own);
        }
        forget::keys(&self.ebpf, &mut self.maps, &keys)?;
        Ok(news)
    }

    /// Reads again what the kernel side recorded of a closed listener; whether
    /// it listens again.
    fn look_again(&mut self, id: u32) -> (bool, Vec<Arc<Listener>>) {
        let mut news = Vec::new();
        let mut open = false;
        for key in self.queues.keys_of(id) {
            if let Some(identity) = self.maps.identity(key) {
                open |= identity.closed == 0;
                news.extend(self.learn(key, &identity));
            }
        }
        // Where no hook saw it close, the book is asked.
        let is_closed = self.book.by_id(id).is_none_or(|listener| listener.closed);
        (open && !is_closed, news)
    }

    /// What was counted, the kernel's own figures, and what was counted since.
    fn readings(&mut self, news: &mut Vec<Arc<Listener>>) -> Result<Readings> {
        let mut before = self.read(news)?;
        let mut rounds = 0;
        loop {
            let begin = Instant::now();
            news.extend(self.list());
            let kernel = Kernel::take(&before, &self.book);
            let mut after = self.read(news)?;
            if kernel.is_ahead_of(&after) || self.is_ahead_of(&after) || self.is_behind_hooks(&after) {
                // A packet on another CPU had been counted by the kernel and not
                // yet by its hook: it is handled inside one read section of RCU.
                // Where a sandbox forbids to wait for that, the next report has it.
                let _ = membarrier(MembarrierCommand::Global);
                after = self.read(news)?;
            }
            rounds += 1;
            let settled = kernel.agrees_with(&before) && before == after;
            if settled || rounds == ROUNDS || begin.elapsed() > LONG {
                return Ok(Readings { before, kernel, after });
            }
            before = after;
        }
    }

    /// Looks at the sockets of every namespace. Where the kernel does not list
    /// them with all that they have, the walk over listeners does.
    fn list(&mut self) -> Vec<Arc<Listener>> {
        let mut news = self.book.list();
        for netns in self.book.undiagnosed() {
            let Some(namespace) = self.book.namespaces().get(netns) else { continue };
            // What cannot be had so stays unknown, which is said.
            let walked = baselines::list(&mut self.ebpf, namespace).unwrap_or_default();
            for identity in walked {
                let key = match identity.cookie {
                    0 => ListenerKey::from_inode(identity.inode, identity.port),
                    cookie => ListenerKey::from_cookie(cookie),
                };
                if let Some(id) = self.queues.id_of(key.0) {
                    let depth = Depth { accept_queue: identity.accept_queue, drops: Some(identity.drops) };
                    news.extend(self.book.see(id, depth, identity.limit));
                }
            }
        }
        news
    }

    /// Whether the kernel has dropped more on a listener's socket than a reading
    /// has, and than it had by the last one.
    fn is_ahead_of(&mut self, reading: &Reading) -> bool {
        let rests = |(id, totals): (&u32, &Totals)| self.queues.rest(*id, totals.sk_drops, &self.book);
        let rest = reading.listeners.iter().filter_map(rests).fold(0, u64::saturating_add);
        let grows = rest > self.rest;
        self.rest = rest;
        grows
    }

    /// Whether hooks have read counters further than losses are counted, and
    /// further than by the last reading: one has read and not counted yet.
    fn is_behind_hooks(&mut self, reading: &Reading) -> bool {
        let behind = reading.behind_hooks();
        let grows = behind > self.behind;
        self.behind = behind;
        grows
    }

    /// Reads what the hooks have seen of each namespace, and then the rows. In
    /// between, listeners that were met are learned: one that lost something by
    /// the first look is among those whose rows are read, also where its
    /// namespace is as new.
    fn read(&mut self, news: &mut Vec<Arc<Listener>>) -> Result<Reading> {
        let namespaces = self.maps.namespaces()?;
        news.extend(self.learn_new()?);
        Reading::take(namespaces, &self.maps, &self.queues, &self.snapshots.folded)
    }

    /// Joins what the kernel side recorded of a listener with its row.
    fn learn(&mut self, key: u64, identity: &Identity) -> Vec<Arc<Listener>> {
        let mut news: Vec<_> = self.book.learn(ListenerKey(key), identity).into_iter().collect();
        if let Some(listener) = self.book.by_key(key) {
            let (id, port) = (listener.id, listener.port);
            self.queues.learn(id, key, identity);
            self.closing.learn(id, identity);
            if identity.closed != 0 {
                self.closed_at.insert((identity.netns, port));
                news.extend(self.book.mark_closed(id));
            }
        }
        news
    }

    /// Learns what was entered since, and what may have changed.
    fn learn_new(&mut self) -> Result<Vec<Arc<Listener>>> {
        let missed = self.maps.missed()?;
        if missed != self.missed {
            // Among those that were missed may be one that a listener closed.
            self.missed = missed;
            return self.learn_all();
        }
        let mut news = Vec::new();
        let met = self.maps.met()?;
        if met != self.scanned {
            self.scanned = met;
            let keys = self.maps.keys()?;
            for key in keys.into_iter().filter(|key| !self.queues.knows(*key)).collect::<Vec<_>>() {
                if let Some(identity) = self.maps.identity(key) {
                    news.extend(self.learn(key, &identity));
                }
            }
        }
        for key in self.beside_closed() {
            if let Some(identity) = self.maps.identity(key) {
                news.extend(self.learn(key, &identity));
            }
        }
        Ok(news)
    }

    fn learn_all(&mut self) -> Result<Vec<Arc<Listener>>> {
        let identities = self.maps.identities()?;
        Ok(identities.iter().flat_map(|(key, identity)| self.learn(*key, identity)).collect())
    }

    /// Keys of listeners at whose port another one has closed.
    fn beside_closed(&mut self) -> Vec<u64> {
        let places = std::mem::take(&mut self.closed_at);
        let is_beside = |listener: &Arc<Listener>| places.contains(&(listener.netns, listener.port));
        if places.is_empty() {
            return Vec::new();
        }
        let beside = self.book.iter().filter(|listener| is_beside(listener));
        beside.flat_map(|listener| listener.keys.iter().copied()).collect()
    }

    /// Listeners that are not among the sockets of their namespace any more,
    /// where no hook saw them close.
    fn notice_closed(&mut self, news: &[Arc<Listener>]) {
        let now = source::monotonic();
        for listener in news.iter().filter(|listener| listener.closed && !listener.keys.is_empty()) {
            self.closing.notice(listener.id, listener.netns, now);
        }
    }

    /// Gives back the slots of namespaces that are gone.
    ///
    /// A listener may have opened there since identities were read last. So the
    /// namespace is taken out of the table first, and where one is found to have
    /// its slot after that, it comes back.
    fn free_slots(&mut self, reading: &Reading, looked: u64) -> Result<Vec<Arc<Listener>>> {
        let namespaces = self.book.namespaces();
        let gone = slots::gone(reading, &self.slots_in_use(), looked, |netns| namespaces.exists(netns));
        let keys: BTreeMap<u32, u64> =
            gone.iter().filter_map(|slot| Some((*slot, reading.namespaces.get(slot)?.key))).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        for key in keys.values() {
            self.maps.enter_slot(*key, None)?;
        }
        let news = self.learn_new()?;
        let in_use = self.slots_in_use();
        for (slot, key) in keys {
            if in_use.contains(&slot) {
                self.maps.enter_slot(key, Some(slot))?;
            } else {
                self.snapshots.fold_namespace(slot, reading);
                self.maps.free(slot)?;
            }
        }
        Ok(news)
    }

    /// Slots of namespaces in which a listener is known.
    fn slots_in_use(&self) -> BTreeSet<u32> {
        self.queues.identities().filter_map(|identity| identity.netns_slot.checked_sub(1)).collect()
    }
}
