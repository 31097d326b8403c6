//! Who is in a recording: the listeners that are open and the namespaces, so
//! that neither is without bound.
//!
//! What is kept of a listener is many times its share of a snapshot. So only
//! those that a frame introduced are counted, each of which takes room in the
//! file, and a few more, whose frames are damaged. It refuses to know what
//! was counted.

use std::collections::HashSet;

use super::limits::{
    MOST_COMM, MOST_KEYS, MOST_LISTENERS, MOST_NAME, MOST_NAMESPACES, MOST_OWNERS, MOST_STATES, MOST_UNNAMED,
};
use crate::event::Session;
use crate::listener::Listener;

/// The listeners and namespaces that were met so far.
#[derive(Default)]
pub(super) struct Population {
    open: HashSet<u32>,
    unnamed: HashSet<u32>,
    namespaces: HashSet<u32>,
    /// What there is more of than any host has: the end of a sentence.
    too_many: Option<String>,
}

impl Population {
    /// A frame introduces this listener.
    pub(super) fn introduce(&mut self, id: u32) {
        self.unnamed.remove(&id);
        self.open.insert(id);
        if self.open.len() > MOST_LISTENERS {
            self.too_many = Some(format!("more than {MOST_LISTENERS} listeners at one time"));
        }
    }

    /// Whether counts of this listener are taken.
    pub(super) fn counts(&mut self, id: u32) -> bool {
        self.open.contains(&id)
            || self.unnamed.contains(&id)
            || self.unnamed.len() < MOST_UNNAMED && self.unnamed.insert(id)
    }

    /// Whether counts of this namespace are taken.
    pub(super) fn is_within(&mut self, netns: u32) -> bool {
        let is_known = self.namespaces.contains(&netns);
        if !is_known && self.namespaces.len() >= MOST_NAMESPACES {
            self.too_many = Some(format!("more than {MOST_NAMESPACES} network namespaces"));
            return false;
        }
        is_known || self.namespaces.insert(netns)
    }

    /// Nothing comes of this listener any more.
    pub(super) fn retire(&mut self, id: u32) {
        self.open.remove(&id);
        self.unnamed.remove(&id);
    }

    /// What there is too much of, where there is.
    pub(super) fn too_many(&self) -> Option<&str> {
        self.too_many.as_deref()
    }
}

/// Whether a listener is as large as one can be.
pub(super) fn is_listener(listener: &Listener) -> bool {
    let Listener { keys, owners, cgroup, netns_name, .. } = listener;
    let fits = |name: &Option<String>| name.as_ref().is_none_or(|name| name.len() <= MOST_NAME);
    keys.len() <= MOST_KEYS
        && owners.len() <= MOST_OWNERS
        && owners.iter().all(|owner| owner.comm.len() <= MOST_COMM)
        && fits(cgroup)
        && fits(netns_name)
}

/// Whether a session is as large as one can be; its names are bounded by its frame.
pub(super) fn is_session(session: &Session) -> bool {
    session.hooks.len() <= MOST_STATES && session.sources.len() <= MOST_STATES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Owner;
    use crate::trace::tests::sample;

    #[test]
    fn listeners_without_names_and_namespaces_are_bounded() {
        let mut population = Population::default();
        let (unnamed, namespaces) =
            (u32::try_from(MOST_UNNAMED).unwrap(), u32::try_from(MOST_NAMESPACES).unwrap());
        assert!((0..unnamed).all(|id| population.counts(id)));
        assert!(population.counts(3) && !population.counts(unnamed));
        population.introduce(unnamed);
        assert!(population.counts(unnamed));
        population.retire(3);
        assert!(population.counts(unnamed + 1) && !population.counts(unnamed + 2));
        assert!((0..namespaces).all(|netns| population.is_within(netns)));
        assert!(population.is_within(5) && population.too_many().is_none());
        assert!(!population.is_within(namespaces));
        assert!(population.too_many().unwrap().contains("16384 network namespaces"));
    }

    #[test]
    fn listeners_that_open_and_close_for_months_are_not_too_many() {
        let mut population = Population::default();
        for id in 0..u32::try_from(MOST_LISTENERS).unwrap() + 10 {
            population.introduce(id);
            population.retire(id);
        }
        assert!(population.too_many().is_none() && population.open.is_empty());
        (0..=u32::try_from(MOST_LISTENERS).unwrap()).for_each(|id| population.introduce(id));
        assert!(population.too_many().unwrap().contains("1048576 listeners"));
    }

    #[test]
    fn listeners_that_no_host_has() {
        type Change = fn(&mut Listener);
        let owner = |length| Owner::new(1, "x".repeat(length));
        let changes: [(Change, bool); 6] = [
            (|_| (), true),
            (|listener| listener.keys = vec![1; MOST_KEYS + 1], false),
            (|listener| listener.owners = vec![Owner::new(1, String::new()); MOST_OWNERS + 1], false),
            (|listener| listener.cgroup = Some("x".repeat(MOST_NAME)), true),
            (|listener| listener.cgroup = Some("x".repeat(MOST_NAME + 1)), false),
            (|listener| listener.netns_name = Some("x".repeat(MOST_NAME + 1)), false),
        ];
        for (at, (change, fits)) in changes.into_iter().enumerate() {
            let mut listener = sample::listener(1);
            change(&mut listener);
            assert_eq!(is_listener(&listener), fits, "{at}");
        }
        for (length, fits) in [(MOST_COMM, true), (MOST_COMM + 1, false)] {
            let listener = Listener { owners: vec![owner(length)], ..sample::listener(1) };
            assert_eq!(is_listener(&listener), fits);
        }
    }
}
