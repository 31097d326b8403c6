//! Joins details to the listeners they happened on.
//!
//! A detail carries a key of the kernel maps; the book tells which listener
//! has it. A detail may overtake the event that introduces its listener, so
//! one with an unknown key waits here until that event, or the next snapshot,
//! which by contract comes later. The waiting room is bounded: when it is full
//! the oldest goes on without a name rather than being lost.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::event::Occurrence;
use crate::listener::Listener;

use super::Who;

/// Most details that wait for their listener (64 bytes each).
pub const HELD_DETAILS: usize = 16_384;

/// A detail with the listener it happened on.
#[derive(Clone, Debug)]
pub struct Attributed {
    /// The listener.
    pub who: Who,
    /// What happened.
    pub occurrence: Occurrence,
}

/// The listeners met so far, and the details that wait for theirs.
#[derive(Default, Debug)]
pub struct Attribution {
    listeners: HashMap<u32, Arc<Listener>>,
    by_key: HashMap<u64, u32>,
    /// Details that wait, by the order in which they came.
    held: BTreeMap<u64, Occurrence>,
    /// Their places in that order, by key: whoever is introduced takes its own
    /// and asks no other.
    waiting: HashMap<u64, VecDeque<u64>>,
    arrived: u64,
}

impl Attribution {
    /// A listener entered the book or changed; details that waited for it go to `out`.
    pub fn learn(&mut self, listener: &Arc<Listener>, out: &mut Vec<Attributed>) {
        let known = self.listeners.insert(listener.id, Arc::clone(listener));
        for key in known.iter().flat_map(|known| &known.keys) {
            self.disown(*key, listener.id);
        }
        let mut own = Vec::new();
        for key in &listener.keys {
            self.by_key.insert(*key, listener.id);
            own.extend(self.waiting.remove(key).unwrap_or_default());
        }
        own.sort_unstable();
        for place in own {
            if let Some(detail) = self.held.remove(&place) {
                out.push(Attributed { who: Who::Known(Arc::clone(listener)), occurrence: detail });
            }
        }
    }

    /// Details arrived: those whose listener is known go to `out`, in order.
    pub fn place(&mut self, details: &[Occurrence], out: &mut Vec<Attributed>) {
        for detail in details {
            self.place_one(*detail, out);
        }
    }

    /// Nothing waits any longer: what is held goes on without a name.
    pub fn release(&mut self, out: &mut Vec<Attributed>) {
        let held = std::mem::take(&mut self.held).into_values();
        self.waiting = HashMap::new();
        out.extend(held.map(|detail| Attributed { who: Who::unknown(&detail), occurrence: detail }));
    }

    /// Nothing comes of this listener any more.
    pub fn forget(&mut self, id: u32) {
        let Some(listener) = self.listeners.remove(&id) else { return };
        for key in &listener.keys {
            self.disown(*key, id);
        }
    }

    fn disown(&mut self, key: u64, id: u32) {
        if self.by_key.get(&key) == Some(&id) {
            self.by_key.remove(&key);
        }
    }

    /// The listener with this number in the book.
    pub fn listener(&self, id: u32) -> Option<&Arc<Listener>> {
        self.listeners.get(&id)
    }

    fn place_one(&mut self, detail: Occurrence, out: &mut Vec<Attributed>) {
        let listener = self.by_key.get(&detail.listener).and_then(|id| self.listeners.get(id));
        if let Some(listener) = listener {
            out.push(Attributed { who: Who::Known(Arc::clone(listener)), occurrence: detail });
            return;
        }
        if self.held.len() >= HELD_DETAILS
            && let Some((_, oldest)) = self.held.pop_first()
        {
            self.no_longer_waits(oldest.listener);
            out.push(Attributed { who: Who::unknown(&oldest), occurrence: oldest });
        }
        self.waiting.entry(detail.listener).or_default().push_back(self.arrived);
        self.held.insert(self.arrived, detail);
        self.arrived += 1;
    }

    /// The oldest of all is the oldest of its key.
    fn no_longer_waits(&mut self, key: u64) {
        let Some(places) = self.waiting.get_mut(&key) else { return };
        places.pop_front();
        if places.is_empty() {
            self.waiting.remove(&key);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use backlog_trace_common::detail::Outcome;
    use backlog_trace_common::reason::Reason;

    use super::*;
    use crate::event::{Met, What};

    /// A refused SYN of a listener's key.
    pub(crate) fn detail(key: u64) -> Occurrence {
        let refused = Met { outcome: Outcome::Silent, ..Met::only(Reason::SynAcceptQueueFull) };
        Occurrence {
            time: 0,
            listener: key,
            netns: 5,
            port: 8080,
            peer: None,
            accept_queue: 0,
            syn_queue: 0,
            limit: 0,
            cpu: 0,
            what: What::Met(refused),
        }
    }

    /// A listener with these keys.
    pub(crate) fn listener(id: u32, keys: &[u64]) -> Arc<Listener> {
        Arc::new(Listener {
            id,
            keys: keys.to_vec(),
            netns: 5,
            cookie: None,
            address: "0.0.0.0".parse().expect("an address"),
            port: 8080,
            inode: 1,
            owners: Vec::new(),
            cgroup: None,
            limit: Some(128),
            somaxconn: None,
            netns_name: None,
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        })
    }

    fn names(out: &[Attributed]) -> Vec<(u64, Option<u32>)> {
        out.iter()
            .map(|item| (item.occurrence.listener, item.who.known().map(|listener| listener.id)))
            .collect()
    }

    #[test]
    fn both_keys_of_a_socket_lead_to_one_listener() {
        let (mut attribution, mut out) = (Attribution::default(), Vec::new());
        attribution.learn(&listener(3, &[10, 11]), &mut out);
        attribution.place(&[detail(10), detail(11)], &mut out);
        assert_eq!(names(&out), [(10, Some(3)), (11, Some(3))]);
    }

    #[test]
    fn a_detail_waits_for_its_listener() {
        let (mut attribution, mut out) = (Attribution::default(), Vec::new());
        attribution.place(&[detail(10), detail(20), detail(10)], &mut out);
        assert!(out.is_empty());
        attribution.learn(&listener(4, &[20]), &mut out);
        assert_eq!(names(&out), [(20, Some(4))]);
        attribution.learn(&listener(3, &[10]), &mut out);
        assert_eq!(names(&out), [(20, Some(4)), (10, Some(3)), (10, Some(3))]);
    }

    /// A listener that is told anew has the keys that are told then.
    #[test]
    fn keys_that_are_told_no_more_lead_nowhere() {
        let (mut attribution, mut out) = (Attribution::default(), Vec::new());
        for key in 0..1000 {
            attribution.learn(&listener(3, &[key]), &mut out);
        }
        assert_eq!(attribution.by_key.len(), 1);
        attribution.learn(&listener(4, &[999]), &mut out);
        attribution.forget(3);
        attribution.place(&[detail(999), detail(5)], &mut out);
        assert_eq!(names(&out), [(999, Some(4))]);
    }

    /// Each of many that are introduced takes what is its own, in the order in
    /// which it came, and looks at no other: this took a minute.
    #[test]
    fn who_waits_is_found_by_its_key() {
        let (mut attribution, mut out) = (Attribution::default(), Vec::new());
        let count = u32::try_from(HELD_DETAILS).unwrap();
        let details: Vec<Occurrence> = (0..u64::from(count)).map(detail).collect();
        attribution.place(&details, &mut out);
        let begin = std::time::Instant::now();
        for id in (0..count).rev() {
            attribution.learn(&listener(id, &[u64::from(id)]), &mut out);
        }
        assert_eq!(out.len(), HELD_DETAILS);
        assert!(attribution.held.is_empty() && attribution.waiting.is_empty());
        assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    }

    #[test]
    fn what_nobody_introduces_goes_on_with_what_the_detail_tells() {
        let (mut attribution, mut out) = (Attribution::default(), Vec::new());
        attribution.place(&[detail(4129)], &mut out);
        attribution.release(&mut out);
        assert_eq!(
            out.first().map(|item| &item.who),
            Some(&Who::Unknown { netns: 5, port: 8080, cookie: Some(4129) })
        );
        out.clear();
        attribution.release(&mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn what_is_forgotten_takes_no_room_and_leaves_a_later_ones_key_alone() {
        let (mut attribution, mut out) = (Attribution::default(), Vec::new());
        attribution.learn(&listener(3, &[10, 11]), &mut out);
        attribution.learn(&listener(4, &[11]), &mut out);
        attribution.forget(3);
        assert!(attribution.listener(3).is_none() && attribution.listener(4).is_some());
        assert_eq!((attribution.listeners.len(), attribution.by_key.len()), (1, 1));
        attribution.place(&[detail(10), detail(11)], &mut out);
        attribution.release(&mut out);
        assert_eq!(names(&out), [(11, Some(4)), (10, None)]);
    }

    #[test]
    fn a_full_waiting_room_lets_the_oldest_go_on() {
        let (mut attribution, mut out) = (Attribution::default(), Vec::new());
        for key in 0..HELD_DETAILS as u64 + 2 {
            attribution.place(&[detail(key)], &mut out);
        }
        assert_eq!(names(&out), [(0, None), (1, None)]);
        attribution.release(&mut out);
        assert_eq!(out.len(), HELD_DETAILS + 2);
    }
}
