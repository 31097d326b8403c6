//! The rows of the book: which socket, key and dump entry are one listener.
//! Pure: it is told what was seen and does no I/O.
//!
//! A row is found by key, by cookie, or by namespace and inode, in this order.
//! A row never becomes another socket's: an inode number that comes back with
//! another cookie makes a new row.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use backlog_trace_common::family;
use backlog_trace_common::identity::Identity;
use backlog_trace_common::key::ListenerKey;
use backlog_trace_model::listener::{Listener, Owner};

use super::message::Socket;

/// Closed listeners that are kept where nobody has them forgotten; beyond it
/// the one that closed first is, with its keys.
pub(crate) const CLOSED_KEPT: usize = 16_384;

/// What the latest dump said of a listener's queue and losses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Depth {
    /// Accept queue length.
    pub accept_queue: u32,
    /// `sk_drops`, which wraps at 2^32; `None` where the kernel does not tell.
    pub drops: Option<u32>,
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub listener: Arc<Listener>,
    pub depth: Option<Depth>,
    /// cgroup id of the socket's creator; 0 where it is not known.
    pub cgroup: u64,
    /// How many refreshes have looked for its owners since it was new.
    pub looks: u8,
    /// When it closed, as a number that grows; `None` while it is open.
    closed: Option<u64>,
    /// A dump has shown it.
    dumped: bool,
    /// The last dump of its namespace that showed it.
    shown: u64,
}

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: BTreeMap<u32, Row>,
    next: u32,
    by_key: HashMap<u64, u32>,
    by_cookie: HashMap<u64, u32>,
    by_inode: HashMap<(u32, u64), u32>,
    /// Ids of open rows by namespace.
    open: BTreeMap<u32, BTreeSet<u32>>,
    closed: BTreeMap<u64, u32>,
    closings: u64,
    /// Dumps so far.
    dumps: u64,
}

impl Rows {
    /// Takes a complete dump of a namespace: rows for new sockets, changes of
    /// known ones; those that it lacks are closed. Returns the ids of rows that
    /// are new or changed.
    pub(super) fn apply(&mut self, netns: u32, dump: &[Socket], somaxconn: Option<u32>) -> Vec<u32> {
        let mut changed = Vec::new();
        self.dumps += 1;
        for socket in dump {
            let known = self.known_socket(netns, socket);
            let id = known.unwrap_or_else(|| self.add(netns));
            let reopened = self.reopen(id);
            let different = !self.has(id, socket, somaxconn)
                && self.change(id, |listener| {
                    listener.cookie = socket.cookie.or(listener.cookie);
                    listener.inode = u64::from(socket.inode);
                    listener.address = socket.address;
                    listener.port = socket.port;
                    listener.limit = socket.limit.or(listener.limit);
                    listener.somaxconn = somaxconn;
                    listener.v6only = socket.v6only;
                });
            if let Some(row) = self.rows.get_mut(&id) {
                row.depth = Some(Depth { accept_queue: socket.accept_queue, drops: socket.drops });
                row.cgroup = socket.cgroup.unwrap_or(row.cgroup);
                row.dumped = true;
                row.shown = self.dumps;
            }
            if different || reopened || known.is_none() {
                changed.push(id);
            }
        }
        for id in self.unshown(netns) {
            self.close(id);
            changed.push(id);
        }
        changed
    }

    /// Whether a dump lacks a socket that was open: worth asking again before
    /// it counts as closed, because a dump in several parts is not atomic.
    pub(super) fn lacks_any(&mut self, netns: u32, dump: &[Socket]) -> bool {
        self.dumps += 1;
        for socket in dump {
            let known = self.known_socket(netns, socket);
            if let Some(row) = known.and_then(|id| self.rows.get_mut(&id)) {
                row.shown = self.dumps;
            }
        }
        !self.unshown(netns).is_empty()
    }

    fn known_socket(&self, netns: u32, socket: &Socket) -> Option<u32> {
        self.known(socket.cookie, netns, u64::from(socket.inode), socket.port)
            .or_else(|| self.nameless(netns, socket))
    }

    /// Open rows of a namespace that the last dump did not show.
    fn unshown(&self, netns: u32) -> Vec<u32> {
        let is_unshown = |id: &&u32| self.rows.get(id).is_some_and(|row| row.shown != self.dumps);
        self.open.get(&netns).into_iter().flatten().filter(is_unshown).copied().collect()
    }

    /// Whether a row says of its socket what a dump does, so that nothing has
    /// to be copied: on a host with 20,000 listeners almost always.
    fn has(&self, id: u32, socket: &Socket, somaxconn: Option<u32>) -> bool {
        self.rows.get(&id).is_some_and(|Row { listener, .. }| {
            socket.cookie.is_none_or(|cookie| listener.cookie == Some(cookie))
                && listener.inode == u64::from(socket.inode)
                && listener.address == socket.address
                && listener.port == socket.port
                && (socket.limit.is_none() || listener.limit == socket.limit)
                && listener.somaxconn == somaxconn
                && listener.v6only == socket.v6only
        })
    }

    /// Closes the rows of a namespace that is gone, but not those that only
    /// the kernel side has seen: their namespace may live without being found.
    pub(super) fn close_namespace(&mut self, netns: u32) -> Vec<u32> {
        let mut open = self.open_in(netns);
        open.retain(|id| self.rows.get(id).is_some_and(|row| row.dumped));
        for id in &open {
            self.close(*id);
        }
        open
    }

    /// Joins a key of the kernel maps with a row, and makes one for a socket
    /// that no dump has shown. Returns the row's id if it is new or changed.
    pub(super) fn learn(&mut self, key: ListenerKey, identity: &Identity) -> Option<u32> {
        let cookie = key.cookie().or(Some(identity.cookie)).filter(|cookie| *cookie != 0);
        let known = self
            .by_key
            .get(&key.0)
            .copied()
            .or_else(|| self.known(cookie, identity.netns, identity.inode, identity.port));
        let id = known.unwrap_or_else(|| self.add(identity.netns));
        self.by_key.insert(key.0, id);
        let fresh = known.is_none();
        let different = !self.knows(id, key, cookie, identity)
            && self.change(id, |listener| {
                if !listener.keys.contains(&key.0) {
                    listener.keys.push(key.0);
                }
                if listener.cookie.is_none() {
                    listener.cookie = cookie;
                }
                if identity.namespace != 0 {
                    listener.namespace = Some(identity.namespace);
                }
                if fresh {
                    listener.inode = identity.inode;
                    listener.address = address(identity);
                    listener.port = identity.port;
                }
                // /proc lists it without a limit.
                if listener.limit.is_none() {
                    listener.limit = Some(identity.limit);
                }
                listener.lost_before |= identity.drops > 0;
                if listener.owners.is_empty() && identity.pid != 0 {
                    listener.owners = vec![Owner::new(identity.pid, name(&identity.comm))];
                }
            });
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.cgroup == 0) {
            row.cgroup = identity.cgroup;
        }
        (fresh || different).then_some(id)
    }

    /// Whether there is nothing to learn from an identity.
    fn knows(&self, id: u32, key: ListenerKey, cookie: Option<u64>, identity: &Identity) -> bool {
        self.rows.get(&id).is_some_and(|Row { listener, .. }| {
            listener.keys.contains(&key.0)
                && listener.limit.is_some()
                && (listener.cookie.is_some() || cookie.is_none())
                && (listener.namespace.is_some() || identity.namespace == 0)
                && (!listener.owners.is_empty() || identity.pid == 0)
        })
    }

    /// Sets a row's owners and its cgroup; says whether that changed anything.
    pub(super) fn set_owners(&mut self, id: u32, owners: Vec<Owner>, cgroup: Option<String>) -> bool {
        let has = |row: &Row| row.listener.owners == owners && row.listener.cgroup == cgroup;
        if self.rows.get(&id).is_some_and(has) {
            return false;
        }
        self.change(id, |listener| {
            listener.owners = owners;
            listener.cgroup = cgroup;
        })
    }

    /// Sets how an open row stands; says whether its limit is another one.
    pub(super) fn see(&mut self, id: u32, depth: Depth, limit: u32) -> bool {
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.closed.is_none()) else { return false };
        row.depth = Some(depth);
        row.listener.limit != Some(limit) && self.change(id, |listener| listener.limit = Some(limit))
    }

    /// Marks a row closed; says whether it was open.
    pub(super) fn close(&mut self, id: u32) -> bool {
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.closed.is_none()) else { return false };
        self.closings += 1;
        row.closed = Some(self.closings);
        row.depth = None;
        self.closed.insert(self.closings, id);
        let netns = row.listener.netns;
        if let Some(open) = self.open.get_mut(&netns) {
            open.remove(&id);
            if open.is_empty() {
                self.open.remove(&netns);
            }
        }
        self.change(id, |listener| listener.closed = true);
        while self.closed.len() > CLOSED_KEPT {
            let Some((_, oldest)) = self.closed.pop_first() else { break };
            self.remove(oldest);
        }
        true
    }

    /// Forgets a closed row with all that leads to it; says whether there was
    /// one. An open row stays: its socket would be another listener at the
    /// next dump.
    pub(super) fn forget(&mut self, id: u32) -> bool {
        let Some(at) = self.rows.get(&id).and_then(|row| row.closed) else { return false };
        self.closed.remove(&at);
        self.remove(id);
        true
    }

    /// Records in a row that it is somaxconn that its namespace has.
    pub(super) fn set_somaxconn(&mut self, id: u32, somaxconn: Option<u32>) -> bool {
        self.change(id, |listener| listener.somaxconn = somaxconn)
    }

    /// Records in rows what a person calls their namespace.
    pub(super) fn name_netns(&mut self, ids: &[u32], name: Option<&str>) {
        for id in ids {
            self.change(*id, |listener| listener.netns_name = name.map(str::to_owned));
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(super) fn looked(&mut self, id: u32) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.looks = row.looks.saturating_add(1);
        }
    }

    pub(super) fn by_key(&self, key: u64) -> Option<&Row> {
        self.rows.get(self.by_key.get(&key)?)
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Row> {
        self.open.values().flatten().filter_map(|id| self.rows.get(id))
    }

    /// Namespaces that have an open listener.
    pub(super) fn open_namespaces(&self) -> impl Iterator<Item = u32> {
        self.open.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// The row of a socket. Without a cookie on one side, namespace, inode and
    /// port decide; inode 0 says nothing and is never indexed.
    fn known(&self, cookie: Option<u64>, netns: u32, inode: u64, port: u16) -> Option<u32> {
        if let Some(id) = cookie.and_then(|cookie| self.by_cookie.get(&cookie)) {
            return Some(*id);
        }
        let id = *self.by_inode.get(&(netns, inode))?;
        let listener = &self.rows.get(&id)?.listener;
        let same_cookie = listener.cookie.is_none() || cookie.is_none();
        (same_cookie && listener.port == port).then_some(id)
    }

    /// The row of a socket that has neither cookie nor inode: a kernel-owned
    /// one in /proc. What is left is where it is bound.
    fn nameless(&self, netns: u32, socket: &Socket) -> Option<u32> {
        if socket.cookie.is_some() || socket.inode != 0 {
            return None;
        }
        let is_it = |id: &&u32| {
            self.rows.get(id).is_some_and(|Row { listener, shown, .. }| {
                *shown != self.dumps
                    && listener.inode == 0
                    && (listener.address, listener.port) == (socket.address, socket.port)
            })
        };
        self.open.get(&netns).into_iter().flatten().find(is_it).copied()
    }

    fn add(&mut self, netns: u32) -> u32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let listener = Listener {
            id,
            keys: Vec::new(),
            netns,
            cookie: None,
            address: Ipv4Addr::UNSPECIFIED.into(),
            port: 0,
            inode: 0,
            owners: Vec::new(),
            cgroup: None,
            limit: None,
            somaxconn: None,
            netns_name: None,
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        };
        let row = Row {
            listener: Arc::new(listener),
            depth: None,
            cgroup: 0,
            looks: 0,
            closed: None,
            dumped: false,
            shown: 0,
        };
        self.rows.insert(id, row);
        self.open.entry(netns).or_default().insert(id);
        id
    }

    /// Changes a row's listener and keeps the indexes; says whether it differs.
    fn change(&mut self, id: u32, change: impl FnOnce(&mut Listener)) -> bool {
        let Some(row) = self.rows.get_mut(&id) else { return false };
        let mut listener = (*row.listener).clone();
        change(&mut listener);
        if listener == *row.listener {
            return false;
        }
        if let Some(cookie) = listener.cookie {
            self.by_cookie.insert(cookie, id);
        }
        if listener.inode != 0 {
            self.by_inode.insert((listener.netns, listener.inode), id);
        }
        row.listener = Arc::new(listener);
        true
    }

    /// A closed socket that a dump shows is listening again: the same socket
    /// may call listen() after shutdown(). Says whether it was closed.
    fn reopen(&mut self, id: u32) -> bool {
        let Some(row) = self.rows.get_mut(&id) else { return false };
        let Some(at) = row.closed.take() else { return false };
        self.open.entry(row.listener.netns).or_default().insert(id);
        self.closed.remove(&at);
        self.change(id, |listener| listener.closed = false)
    }

    fn remove(&mut self, id: u32) {
        let Some(row) = self.rows.remove(&id) else { return };
        let listener = row.listener;
        for key in &listener.keys {
            if self.by_key.get(key) == Some(&id) {
                self.by_key.remove(key);
            }
        }
        if let Some(cookie) = listener.cookie.filter(|cookie| self.by_cookie.get(cookie) == Some(&id)) {
            self.by_cookie.remove(&cookie);
        }
        let place = (listener.netns, listener.inode);
        if self.by_inode.get(&place) == Some(&id) {
            self.by_inode.remove(&place);
        }
    }

    pub(super) fn open_in(&self, netns: u32) -> Vec<u32> {
        self.open.get(&netns).into_iter().flatten().copied().collect()
    }
}

/// The bound address of an identity. A listener of TCP that is not of IPv4 is
/// of IPv6.
fn address(identity: &Identity) -> IpAddr {
    let [a, b, c, d, ..] = identity.address;
    if identity.family == u16::from(family::INET) {
        Ipv4Addr::new(a, b, c, d).into()
    } else {
        Ipv6Addr::from(identity.address).into()
    }
}

/// A NUL-padded name as text.
fn name(comm: &[u8; 16]) -> String {
    let end = comm.iter().position(|byte| *byte == 0).unwrap_or(comm.len());
    String::from_utf8_lossy(comm.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests;
