//! The book of listeners: what the kernel and /proc say, joined with the keys
//! of the kernel maps.
//!
//! Every method that looks at the host blocks.

mod naming;
mod settings;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backlog_trace_common::counter::COUNTERS;
use backlog_trace_common::identity::Identity;
use backlog_trace_common::key::ListenerKey;
use backlog_trace_model::check::SourceState;
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::listener::{Listener, Sysctls};

use super::cgroup;
use super::counters::Counters;
use super::half_open::HalfOpen;
use super::message::States;
use super::pool::{Look, Pool, Unseen};
use super::rows::{Depth, Rows};
use super::sources::{self, Looked, Shape};
use crate::step::{Step, Steps};

/// A walk is followed by a rest of this many times its length, so that a host
/// where listeners come and go all the time does not pay for more than 5 % of
/// one CPU; at most [`LONGEST_REST`].
const REST: u32 = 19;

/// The longest rest between two walks.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How many looks must have missed a namespace before that is said.
const STRAY: u8 = 3;

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    steps: Steps,
    rows: Rows,
    pool: Pool,
    cgroups: cgroup::Ids,
    undumped: Vec<(u32, String)>,
    unread: u32,
    /// Namespaces in which a listener came, went or changed since their
    /// limits were looked at.
    stirred: BTreeSet<u32>,
    /// The sysctls of each namespace as they were told last.
    told: BTreeMap<u32, Sysctls>,
    /// Until when a namespace is not looked at because a listener opened there.
    namespace_rests: HashMap<u32, Instant>,
    /// Namespaces of learned listeners that were looked for in vain.
    sought: HashSet<u32>,
    /// Namespaces that hooks have met listeners in and no look has found, and
    /// how many looks: one that is about to go, or has just come, is no news.
    strays: BTreeMap<u32, u8>,
    looked_deep: bool,
    /// Of the host, as the last refresh found it.
    shape: Option<Shape>,
    /// No walk for owners before.
    rests_until: Option<Instant>,
    /// The next refresh walks for owners whether or not that is due.
    is_awaited: bool,
}

/// It blocks, so it lives on a thread of its own or moves to one that may.
const _: () = {
    const fn moves_between_threads<T: Send>() {}
    moves_between_threads::<Book>();
};

impl Book {
    /// An empty book: nothing is looked at before the first refresh.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An empty book that tells `steps` what it is looking at.
    pub(crate) fn telling(steps: Steps) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Somebody is about to read who owns what: the next refresh looks for
    /// owners, however little time has gone by.
    pub(crate) const fn await_owners(&mut self) {
        self.is_awaited = true;
    }

    /// Looks at all namespaces, sockets and owners; returns the listeners that
    /// are new, changed or closed since the last time.
    ///
    /// What could not be seen is not an error: [`Self::unseen`] tells.
    pub(crate) fn refresh(&mut self) -> Vec<Arc<Listener>> {
        let mut changed = BTreeSet::new();
        self.find_namespaces(&mut changed);
        self.list_sockets(&mut changed);
        self.look_at_limits(&mut changed);
        self.name_owners(&mut changed);
        self.listeners(&changed)
    }

    /// The first step of a refresh alone: namespaces that came or went.
    pub(crate) fn discover(&mut self) -> Vec<Arc<Listener>> {
        let mut changed = BTreeSet::new();
        self.find_namespaces(&mut changed);
        self.listeners(&changed)
    }

    /// The second: the sockets of the namespaces that are known, so that as
    /// little time as can be goes by while their queues are looked at.
    pub(crate) fn list(&mut self) -> Vec<Arc<Listener>> {
        let mut changed = BTreeSet::new();
        self.list_sockets(&mut changed);
        self.listeners(&changed)
    }

    /// The third: limits of namespaces, and who owns what, where that is due.
    /// It can take seconds.
    pub(crate) fn name(&mut self) -> Vec<Arc<Listener>> {
        let mut changed = BTreeSet::new();
        self.look_at_limits(&mut changed);
        self.name_owners(&mut changed);
        self.listeners(&changed)
    }

    fn find_namespaces(&mut self, changed: &mut BTreeSet<u32>) {
        let look = if self.looked_deep { Look::Wide } else { Look::Deep };
        self.looked_deep = true;
        self.shape = Some(Shape::now());
        self.steps.begin(Step::Namespaces);
        for gone in self.pool.discover(look) {
            changed.extend(self.rows.close_namespace(gone));
        }
        let strays = self.rows.open_namespaces().filter(|netns| !self.pool.exists(*netns));
        self.strays = strays
            .map(|netns| (netns, self.strays.get(&netns).map_or(1, |looks| looks.saturating_add(1))))
            .collect();
    }

    fn list_sockets(&mut self, changed: &mut BTreeSet<u32>) {
        self.undumped.clear();
        let namespaces: Vec<u32> = self.pool.iter().map(super::Namespace::inode).collect();
        self.steps.begin(Step::Sockets(namespaces.len()));
        for netns in namespaces {
            self.dump(netns, changed);
        }
    }

    /// A refresh that looks for namespaces as thoroughly as the first one: by threads and
    /// open descriptors as well ([`Look::Deep`]).
    pub(crate) fn search(&mut self) -> Vec<Arc<Listener>> {
        self.looked_deep = false;
        self.refresh()
    }

    /// Lists the listeners of one namespace anew. One that is not known yet is looked
    /// for, once.
    ///
    /// A look takes the longer the more listeners there are (30 ms for 20,000),
    /// and is followed by a rest: where listeners open all the time, what the
    /// hook saw of a new one has to do until the next refresh.
    pub(crate) fn refresh_namespace(&mut self, netns: u32) -> Vec<Arc<Listener>> {
        let begin = Instant::now();
        if self.namespace_rests.get(&netns).is_some_and(|until| begin < *until) {
            return Vec::new();
        }
        let mut changed = BTreeSet::new();
        if self.pool.get(netns).is_none() && self.sought.insert(netns) {
            for gone in self.pool.discover(Look::Deep) {
                changed.extend(self.rows.close_namespace(gone));
            }
        }
        self.undumped.retain(|(undumped, _)| *undumped != netns);
        self.dump(netns, &mut changed);
        self.look_at_limits(&mut changed);
        let now = Instant::now();
        self.namespace_rests.retain(|_, until| now < *until);
        self.namespace_rests.insert(netns, now + ((now - begin) * REST).min(LONGEST_REST));
        self.name_owners(&mut changed);
        self.listeners(&changed)
    }

    /// Lists the sockets of a known namespace between two readings of its
    /// counters, with nothing else in between; returns both readings and the
    /// listeners that are new, changed or closed. Owners are not looked for:
    /// see [`Self::name`].
    ///
    /// # Errors
    /// The counters or the sockets could not be read.
    pub(crate) fn weigh(&mut self, netns: u32) -> io::Result<(Counters, Counters, Vec<Arc<Listener>>)> {
        let counters = |pool: &Pool| match pool.get(netns) {
            Some(namespace) => namespace.all_counters(),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let mut changed = BTreeSet::new();
        self.undumped.retain(|(undumped, _)| *undumped != netns);
        let before = counters(&self.pool)?;
        self.dump(netns, &mut changed);
        let after = counters(&self.pool)?;
        if let Some((_, why)) = self.undumped.iter().find(|(undumped, _)| *undumped == netns) {
            return Err(io::Error::other(why.clone()));
        }
        Ok((before, after, self.listeners(&changed)))
    }

    /// The open listeners of a namespace, and how each stood at the last look.
    pub(crate) fn open_in(&self, netns: u32) -> impl Iterator<Item = (&Arc<Listener>, Depth)> {
        let open = self.rows.open_in(netns).into_iter().filter_map(|id| self.rows.get(id));
        open.filter_map(|row| Some((&row.listener, row.depth?)))
    }

    /// Joins a key of the kernel maps with the listener that it stands for;
    /// returns the listener if that is news. A socket that no dump has shown
    /// gets a listener from what the kernel side recorded.
    pub(crate) fn learn(&mut self, key: ListenerKey, identity: &Identity) -> Option<Arc<Listener>> {
        let id = self.rows.learn(key, identity)?;
        let row = self.rows.get(id)?;
        let (listener, recorded) = (row.listener.clone(), row.cgroup);
        if listener.somaxconn.is_none() {
            let somaxconn = self.pool.get(listener.netns).and_then(super::Namespace::somaxconn);
            self.rows.set_somaxconn(id, somaxconn);
        }
        if listener.netns_name.is_none() {
            self.rows.name_netns(&[id], self.pool.get(listener.netns).and_then(super::Namespace::name));
        }
        if listener.cgroup.is_none() {
            let cgroup = self.cgroup(self.by_hook(&listener.owners), recorded, &mut HashMap::new());
            self.rows.set_owners(id, listener.owners.clone(), cgroup);
        }
        Some(self.rows.get(id)?.listener.clone())
    }

    /// Marks a listener closed; returns it if it was open.
    pub(crate) fn mark_closed(&mut self, id: u32) -> Option<Arc<Listener>> {
        let listener = self.rows.close(id).then(|| self.rows.get(id))??;
        Some(listener.listener.clone())
    }

    /// Forgets a closed listener, once its last counts are sent and nothing
    /// refers to it by number any more; says whether there was one. A socket
    /// of which a dump or the kernel side speaks again is a new listener then.
    pub(crate) fn forget(&mut self, id: u32) -> bool {
        self.rows.forget(id)
    }

    /// The listener of a kernel map's key.
    pub(crate) fn by_key(&self, key: u64) -> Option<&Arc<Listener>> {
        self.rows.by_key(key).map(|row| &row.listener)
    }

    /// The listener with this number.
    pub(crate) fn by_id(&self, id: u32) -> Option<&Arc<Listener>> {
        self.rows.get(id).map(|row| &row.listener)
    }

    /// All listeners, closed ones that are still kept among them, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.rows.iter().map(|row| &row.listener)
    }

    /// Queue length and `sk_drops` at the last refresh; `None` for a listener
    /// that is closed or that no dump has shown.
    pub(crate) fn depth(&self, id: u32) -> Option<Depth> {
        self.rows.get(id)?.depth
    }

    /// `sk_drops` at the last refresh: movement is a wrapping difference.
    pub(crate) fn drops(&self, id: u32) -> Option<u32> {
        self.depth(id)?.drops
    }

    /// Namespaces whose sockets were listed without their drops or limits.
    pub(crate) fn undiagnosed(&self) -> Vec<u32> {
        let listing = |namespace: &&super::Namespace| {
            namespace.listing().lacks().is_some() || !namespace.listing().has_drops()
        };
        self.pool.iter().filter(listing).map(super::Namespace::inode).collect()
    }

    /// How a listener stands, from somebody who saw its socket; returns it if
    /// its limit is news.
    pub(crate) fn see(&mut self, id: u32, depth: Depth, limit: u32) -> Option<Arc<Listener>> {
        let is_news = self.rows.see(id, depth, limit);
        is_news.then(|| self.rows.get(id)).flatten().map(|row| row.listener.clone())
    }

    /// The namespaces.
    pub(crate) const fn namespaces(&self) -> &Pool {
        &self.pool
    }

    /// The kernel's own counters of a namespace, absolute, in the order of
    /// [`backlog_trace_common::counter::ALL`].
    ///
    /// # Errors
    /// `NotFound` where the namespace is not in the book, otherwise why its
    /// counters could not be read.
    pub(crate) fn counters(&self, netns: u32) -> Result<[u64; COUNTERS]> {
        let Some(namespace) = self.pool.get(netns) else {
            return Err(Failure::new(
                Exit::NotFound,
                format!("network namespace {netns} is not there any more"),
            ));
        };
        namespace.counters().map_err(|error| {
            Failure::internal(format!("cannot read the counters of network namespace {netns}"), error)
        })
    }

    /// What became of each source of figures, at the last refresh.
    pub(crate) fn sources(&self) -> Vec<SourceState> {
        let shape = self.shape.clone().unwrap_or_else(Shape::now);
        sources::judge(&shape, &self.looked())
    }

    fn looked(&self) -> Looked {
        let entered = || self.pool.iter();
        let unfound = self.unfound().map(|netns| (netns, "nothing in /proc leads to it".to_owned()));
        let unread = entered().filter_map(|namespace| Some((namespace.inode(), namespace.unread()?)));
        let undiagnosed = entered()
            .filter_map(|namespace| Some((namespace.inode(), namespace.listing().lacks()?.to_owned())));
        Looked {
            namespaces: entered().count(),
            undiagnosed: undiagnosed.collect(),
            without_drops: entered()
                .filter(|namespace| namespace.listing().lacks().is_none() && !namespace.listing().has_drops())
                .count(),
            unread: unread.collect(),
            without_somaxconn: entered().filter(|namespace| !namespace.has_somaxconn()).count(),
            refused: self
                .pool
                .refused()
                .iter()
                .map(|(inode, why)| (*inode, why.clone()))
                .chain(unfound)
                .collect(),
            hidden: self.pool.hidden().max(self.unread),
        }
    }

    /// Namespaces in which hooks have met a listener that is still open, and
    /// that were looked for everywhere.
    fn unfound(&self) -> impl Iterator<Item = u32> {
        let inhabited = self.rows.open_namespaces();
        inhabited.filter(|netns| self.strays.get(netns).is_some_and(|looks| *looks >= STRAY))
    }

    /// Whether a process that is not in /proc may be there all the same.
    pub(crate) fn may_hide_processes(&self) -> bool {
        self.shape.as_ref().is_some_and(|shape| shape.hides_processes || shape.in_pid_namespace)
    }

    /// Whether the kernel's own counters of a namespace cannot be read,
    /// although it is there.
    pub(crate) fn lacks_counters(&self, netns: u32) -> bool {
        match self.pool.get(netns) {
            Some(namespace) => namespace.unread().is_some(),
            None => self.pool.exists(netns) || self.unfound().any(|unfound| unfound == netns),
        }
    }

    /// What the last refresh could not see.
    pub(crate) fn unseen(&self) -> Unseen {
        let refused = self.pool.refused().iter().map(|(inode, why)| (*inode, why.clone()));
        Unseen {
            namespaces: refused.chain(self.undumped.iter().cloned()).collect(),
            processes: self.pool.hidden(),
            unread: self.unread,
            shortage: self.pool.shortage(),
        }
    }

    /// Half-open requests of a namespace: a walk over the kernel's whole table
    /// of connections, so not part of a refresh.
    pub(super) fn half_open(&mut self, netns: u32) -> io::Result<HalfOpen> {
        let Some(namespace) = self.pool.get_mut(netns) else { return Ok(HalfOpen::default()) };
        Ok(HalfOpen::count(&namespace.sockets(States::HalfOpen)?))
    }

    fn dump(&mut self, netns: u32, changed: &mut BTreeSet<u32>) {
        let Some(namespace) = self.pool.get_mut(netns) else { return };
        let dumped = namespace.sockets(States::Listen).and_then(|mut sockets| {
            if self.rows.lacks_any(netns, &sockets) {
                // A socket counts as closed only where two dumps lack it.
                sockets.extend(namespace.sockets(States::Listen)?);
            }
            Ok(sockets)
        });
        match dumped {
            Ok(sockets) => {
                let news = self.rows.apply(netns, &sockets, namespace.somaxconn());
                self.rows.name_netns(&news, namespace.name());
                if !news.is_empty() {
                    self.stirred.insert(netns);
                }
                changed.extend(news);
            }
            Err(error) => self.undumped.push((netns, format!("cannot list its sockets: {error}"))),
        }
    }

    fn listeners(&self, ids: &BTreeSet<u32>) -> Vec<Arc<Listener>> {
        ids.iter().filter_map(|id| Some(self.rows.get(*id)?.listener.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
