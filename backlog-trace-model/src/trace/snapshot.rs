//! A snapshot as one or several payloads.
//!
//! A host can have more listeners than fit into one frame, and a hostile file
//! can announce millions of empty ones in a few bytes: so a snapshot is cut
//! into parts of bounded length, and both the part and the sum of the parts
//! are bounded when read.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::population::Population;
use crate::event::{ListenerCounts, NamespaceCounts, NamespaceSysctls, Snapshot};

/// Most listeners and most namespaces of one part: with every number of them
/// at its 20 digits, a part still fits into a frame.
pub(super) const PART: usize = 2048;

/// Most parts of one snapshot: 65,536 listeners, 80 MB in memory.
pub(super) const MAX_PARTS: usize = 32;

/// The payload of a snapshot frame, as it is written.
#[derive(Serialize)]
pub(super) struct PartRef<'a> {
    time: u64,
    part: usize,
    more: bool,
    details_seen: u64,
    details_missed: u64,
    listeners: &'a [ListenerCounts],
    namespaces: &'a [NamespaceCounts],
    #[serde(skip_serializing_if = "<[NamespaceSysctls]>::is_empty")]
    sysctls: &'a [NamespaceSysctls],
    retired: &'a [u32],
}

/// The parts of a snapshot; `None` where it would take more than [`MAX_PARTS`].
pub(super) fn parts(snapshot: &Snapshot) -> Option<Vec<PartRef<'_>>> {
    // Named one by one, so that a field added to the snapshot cannot be forgotten here.
    let Snapshot { time, listeners, namespaces, sysctls, retired, details_seen, details_missed } = snapshot;
    let longest = listeners.len().max(namespaces.len()).max(sysctls.len()).max(retired.len());
    let count = longest.div_ceil(PART).max(1);
    let part = |part| PartRef {
        time: *time,
        part,
        more: part + 1 < count,
        details_seen: *details_seen,
        details_missed: *details_missed,
        listeners: listeners.chunks(PART).nth(part).unwrap_or_default(),
        namespaces: namespaces.chunks(PART).nth(part).unwrap_or_default(),
        sysctls: sysctls.chunks(PART).nth(part).unwrap_or_default(),
        retired: retired.chunks(PART).nth(part).unwrap_or_default(),
    };
    (count <= MAX_PARTS).then(|| (0..count).map(part).collect())
}

/// The payload of a snapshot frame, as it is read.
#[derive(DeriveDeserialize, Default)]
#[serde(default)]
pub(super) struct Part {
    time: u64,
    part: usize,
    more: bool,
    details_seen: u64,
    details_missed: u64,
    listeners: AtMostPart<ListenerCounts>,
    namespaces: AtMostPart<NamespaceCounts>,
    sysctls: AtMostPart<NamespaceSysctls>,
    retired: AtMostPart<u32>,
}

/// Puts the parts of snapshots together again.
#[derive(Default)]
pub(super) struct Assembly {
    /// What is not whole yet, and of how many parts.
    pending: Option<(Snapshot, usize)>,
    /// Time of the snapshot that was given up last, so that its remaining
    /// parts do not count as further ones.
    given_up: Option<u64>,
    /// Listeners and namespaces of what is not whole yet: of one that is in it
    /// twice, the first counts.
    listeners: HashSet<u32>,
    namespaces: HashSet<u32>,
    /// Snapshots that could not become whole.
    pub(super) incomplete: u64,
    /// Counts of listeners that no frame introduces, left out.
    pub(super) unnamed: u64,
}

impl Assembly {
    /// Takes the next part that was read; the snapshot, if this was its last
    /// part. Whom `population` does not let in is left out and counted.
    pub(super) fn add(&mut self, mut part: Part, population: &mut Population) -> Option<Snapshot> {
        let (mut snapshot, parts) = match self.pending.take() {
            Some((snapshot, parts)) if parts == part.part && snapshot.time == part.time => (snapshot, parts),
            unfitting => {
                if let Some((snapshot, _)) = unfitting {
                    self.give_up_on(snapshot.time);
                }
                if part.part != 0 {
                    self.give_up_on(part.time);
                    return None;
                }
                (Snapshot { time: part.time, ..Snapshot::default() }, 0)
            }
        };
        if parts == 0 {
            (self.listeners, self.namespaces) = (HashSet::new(), HashSet::new());
        }
        part.listeners.0.retain(|counts| {
            let is_counted = population.counts(counts.id);
            self.unnamed += u64::from(!is_counted);
            is_counted && self.listeners.insert(counts.id)
        });
        part.namespaces
            .0
            .retain(|counts| population.is_within(counts.netns) && self.namespaces.insert(counts.netns));
        part.sysctls.0.retain(|sysctls| population.is_within(sysctls.netns));
        snapshot.details_seen = part.details_seen;
        snapshot.details_missed = part.details_missed;
        snapshot.listeners.extend(part.listeners.0);
        snapshot.namespaces.extend(part.namespaces.0);
        snapshot.sysctls.extend(part.sysctls.0);
        snapshot.retired.extend(part.retired.0);
        if !part.more {
            snapshot.retired.iter().for_each(|id| population.retire(*id));
            return Some(snapshot);
        }
        if parts + 1 < MAX_PARTS {
            self.pending = Some((snapshot, parts + 1));
        } else {
            self.give_up_on(snapshot.time);
        }
        None
    }

    /// Gives up what is pending, because the recording ended.
    pub(super) fn end(&mut self) {
        if let Some((snapshot, _)) = self.pending.take() {
            self.give_up_on(snapshot.time);
        }
    }

    fn give_up_on(&mut self, time: u64) {
        if self.given_up != Some(time) {
            self.given_up = Some(time);
            self.incomplete += 1;
        }
    }
}

/// A sequence that is refused as soon as it is longer than [`PART`].
struct AtMostPart<T>(Vec<T>);

impl<T> Default for AtMostPart<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtMostPart<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {PART} entries")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
                let mut taken = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    if taken.len() == PART {
                        return Err(A::Error::invalid_length(PART + 1, &self));
                    }
                    taken.push(entry);
                }
                Ok(taken)
            }
        }
        deserializer.deserialize_seq(Bounded(PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Figure, Reasons, Totals, Unknown};
    use crate::listener::Sysctls;
    use crate::trace::format::MAX_PAYLOAD;
    use crate::trace::limits::MOST_UNNAMED;

    fn of(listeners: usize, namespaces: usize) -> Snapshot {
        let listeners = (0..listeners)
            .map(|id| ListenerCounts { id: u32::try_from(id).unwrap(), ..ListenerCounts::default() })
            .collect();
        let namespaces = (0..namespaces)
            .map(|netns| NamespaceCounts {
                netns: u32::try_from(netns).unwrap(),
                ..NamespaceCounts::default()
            })
            .collect();
        let retired = Vec::new();
        Snapshot {
            time: 5,
            listeners,
            namespaces,
            retired,
            details_seen: 6,
            details_missed: 7,
            ..Snapshot::default()
        }
    }

    fn read(part: &PartRef<'_>) -> Part {
        serde_json::from_slice(&serde_json::to_vec(part).unwrap()).unwrap()
    }

    #[track_caller]
    fn check_parts(listeners: usize, namespaces: usize, expected: usize) {
        let snapshot = of(listeners, namespaces);
        let parts = parts(&snapshot).unwrap();
        assert_eq!(parts.len(), expected);
        let (mut assembly, mut anybody) = (Assembly::default(), Population::default());
        for (at, part) in parts.iter().enumerate() {
            assert_eq!(
                assembly.add(read(part), &mut anybody).as_ref(),
                (at + 1 == expected).then_some(&snapshot)
            );
        }
        assembly.end();
        assert_eq!(assembly.incomplete, 0);
    }

    #[test]
    fn parts_come_together_again() {
        check_parts(0, 0, 1);
        check_parts(1, 1, 1);
        check_parts(PART, 1, 1);
        check_parts(PART + 1, 1, 2);
        check_parts(1, 2 * PART + 1, 3);
        assert!(parts(&of(PART * MAX_PARTS + 1, 0)).is_none());
    }

    #[test]
    fn a_snapshot_that_misses_a_part_is_lost_once_and_the_next_one_is_not() {
        let (long, mut short) = (of(3 * PART + 1, 0), of(1, 0));
        short.time += 1;
        for missing in 0..4 {
            let (mut assembly, mut anybody) = (Assembly::default(), Population::default());
            for (at, part) in parts(&long).unwrap().iter().enumerate() {
                assert!(at == missing || assembly.add(read(part), &mut anybody).is_none());
            }
            assert_eq!(assembly.add(read(&parts(&short).unwrap()[0]), &mut anybody), Some(short.clone()));
            assert_eq!(assembly.incomplete, 1, "part {missing} missing");
        }
    }

    #[test]
    fn the_largest_part_fits_into_a_frame() {
        let full = Totals {
            syns: u64::MAX,
            established: u64::MAX,
            established_by_cookie: u64::MAX,
            accepted: u64::MAX,
            sk_drops: u64::MAX,
            cookies_wanted_lost: u64::MAX,
            cookies_made_lost: u64::MAX,
            accept_queue_max: u32::MAX,
            syn_queue_max: u32::MAX,
            limit: u32::MAX,
            reasons: Reasons([u64::MAX; _]),
            accept_depth: [u64::MAX; _],
            syn_depth: [u64::MAX; _],
            accept_depth_at_accept: [u64::MAX; _],
            accept_wait_us: [u64::MAX; _],
            accept_depth_polled: [u64::MAX; _],
            unknown: {
                let mut unknown = Unknown::default();
                [Figure::Established, Figure::EstablishedByCookie, Figure::Accepted, Figure::AcceptQueueMax]
                    .into_iter()
                    .for_each(|figure| unknown.insert(figure));
                unknown
            },
        };
        let one = ListenerCounts {
            id: u32::MAX,
            totals: full,
            sk_drops: Some(u64::MAX),
            sk_drops_before: Some(u64::MAX),
            waiting: Some([u32::MAX; 2]),
        };
        let namespace = NamespaceCounts {
            netns: u32::MAX,
            kernel: [u64::MAX; _],
            attributed: [[u64::MAX; _]; 2],
            unlisted: Reasons([u64::MAX; _]),
            unread: true,
        };
        let sysctls = NamespaceSysctls { netns: u32::MAX, values: Sysctls::by_name(|_| Some(u32::MAX)) };
        let part = Snapshot {
            time: u64::MAX,
            listeners: vec![one; PART],
            namespaces: vec![namespace; PART],
            sysctls: vec![sysctls; PART],
            retired: vec![u32::MAX; PART],
            details_seen: u64::MAX,
            details_missed: u64::MAX,
        };
        let json = serde_json::to_vec(&parts(&part).unwrap()[0]).unwrap();
        assert!(json.len() <= MAX_PAYLOAD as usize, "{} bytes", json.len());
    }

    #[test]
    fn more_entries_than_a_part_may_have_are_refused() {
        let json = |count: usize| format!("{{\"listeners\":[{}{{}}]}}", "{},".repeat(count - 1));
        assert!(serde_json::from_str::<Part>(&json(PART)).is_ok());
        assert!(serde_json::from_str::<Part>(&json(PART + 1)).is_err());
    }

    #[test]
    fn a_listener_counts_once_and_those_that_nobody_introduces_are_few() {
        let (mut assembly, mut population) = (Assembly::default(), Population::default());
        let twice = Part {
            listeners: AtMostPart([of(10, 0).listeners, of(10, 0).listeners].concat()),
            namespaces: AtMostPart([of(0, 7).namespaces, of(0, 7).namespaces].concat()),
            ..Part::default()
        };
        let snapshot = assembly.add(twice, &mut population).unwrap();
        assert_eq!((snapshot.listeners.len(), snapshot.namespaces.len()), (10, 7));
        let many = of(MOST_UNNAMED + 9, 0);
        let mut taken = 0;
        for part in parts(&many).unwrap() {
            taken = assembly.add(read(&part), &mut population).map_or(taken, |whole| whole.listeners.len());
        }
        assert_eq!((taken, assembly.unnamed), (MOST_UNNAMED, 9));
    }

    #[test]
    fn parts_without_end_are_given_up() {
        let endless = |part| Part { part, more: true, ..Part::default() };
        let (mut assembly, mut anybody) = (Assembly::default(), Population::default());
        for part in 0..MAX_PARTS {
            assert_eq!(assembly.incomplete, 0);
            assert!(assembly.add(endless(part), &mut anybody).is_none());
        }
        assembly.end();
        assert_eq!(assembly.incomplete, 1);
    }
}
