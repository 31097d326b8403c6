//! Who holds the listeners of the book, and in which cgroup.
//!
//! Owners are looked for when a listener is new, three times more after that (a
//! prefork server's workers come later), whenever a known owner is gone or has
//! another name, and where the result is about to be printed. The walk over all
//! descriptors is the dear part of a refresh, so it rests in between.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use super::{Book, LONGEST_REST, REST};
use crate::listener::owners::{holders, is_still};
use crate::listener::rows::Row;
use crate::listener::{cgroup, process};
use crate::step::Step;
use backlog_trace_model::listener::Owner;

/// Owners of one listener whose state is looked at.
const STATES: usize = 64;

/// How many refreshes look for the owners of a listener, from its first on.
pub(super) const LOOKS: u8 = 4;

impl Book {
    /// Looks for owners where that is due.
    pub(super) fn name_owners(&mut self, changed: &mut BTreeSet<u32>) {
        let open = || self.rows.open().filter(|row| row.listener.inode != 0);
        let young = open().any(|row| row.looks < LOOKS);
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        let is_due = !rests && (young || !self.are_still_there());
        let is_awaited = std::mem::take(&mut self.is_awaited);
        if !is_awaited && !is_due {
            return;
        }
        let wanted: HashSet<u64> = open().map(|row| row.listener.inode).collect();
        let ids: Vec<u32> = open().map(|row| row.listener.id).collect();
        self.steps.begin(Step::Owners(ids.len()));
        let begin = Instant::now();
        let mut found = holders(&wanted);
        self.unread = found.unread;
        let mut of_process = HashMap::new();
        for id in ids {
            self.rows.looked(id);
            let Some(Row { listener, cgroup, .. }) = self.rows.get(id) else { continue };
            let (listener, recorded) = (listener.clone(), *cgroup);
            let (owners, cgroup) = match found.by_inode.remove(&listener.inode) {
                Some(mut owners) => {
                    // What processes do changes all the time: it is looked at for whoever reads it.
                    owners.iter_mut().take(STATES).filter(|_| is_awaited).for_each(|owner| {
                        owner.state = process::state(owner.pid);
                    });
                    let cgroup = self.cgroup(&owners, recorded, &mut of_process);
                    (owners, cgroup)
                }
                // Nobody that can be seen holds it: who called listen() is
                // still the best answer.
                None => {
                    let owners = listener.owners.clone();
                    let cgroup = self.cgroup(self.by_hook(&owners), recorded, &mut of_process);
                    (owners, cgroup)
                }
            };
            if self.rows.set_owners(id, owners, cgroup) {
                changed.insert(id);
            }
        }
        self.rests_until = Some(Instant::now() + (begin.elapsed() * REST).min(LONGEST_REST));
    }

    /// Whether every known owner is there under the name it had.
    fn are_still_there(&self) -> bool {
        let mut known: HashMap<u32, &Owner> = HashMap::new();
        let open = self.rows.open().filter(|row| row.listener.inode != 0);
        for owner in open.flat_map(|row| &row.listener.owners) {
            // One process has one name.
            if known.insert(owner.pid, owner).is_some_and(|other| other.comm != owner.comm) {
                return false;
            }
        }
        known.into_values().all(is_still)
    }

    /// Owners that a hook has named, as far as /proc may be asked about them:
    /// their pids are the host's, and in a PID namespace of its own /proc has
    /// another process under the same number, or none.
    pub(super) fn by_hook<'a>(&self, owners: &'a [Owner]) -> &'a [Owner] {
        let is_below = self.shape.as_ref().is_some_and(|shape| shape.in_pid_namespace);
        if is_below { &[] } else { owners }
    }

    /// cgroup of the first owner that has one, else of the socket's creator.
    pub(super) fn cgroup(
        &mut self,
        owners: &[Owner],
        recorded: u64,
        of_process: &mut HashMap<u32, Option<String>>,
    ) -> Option<String> {
        owners
            .iter()
            .find_map(|owner| {
                of_process.entry(owner.pid).or_insert_with(|| cgroup::of_process(owner.pid)).clone()
            })
            .or_else(|| self.cgroups.path(recorded).filter(|_| recorded != 0))
    }
}
