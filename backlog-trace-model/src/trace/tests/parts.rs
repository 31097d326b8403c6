//! A snapshot in parts: each is in its place, and what is put together from
//! them is what was cut, whichever of its lists is the longest.

use crate::event::{ListenerCounts, NamespaceCounts, NamespaceSysctls, Snapshot};
use crate::listener::Sysctls;
use crate::trace::limits::MOST_NAMESPACES;
use crate::trace::population::Population;
use crate::trace::snapshot::{Assembly, MAX_PARTS, PART, Part, PartRef, parts};

/// With so many listeners, namespaces and retired listeners.
fn of(listeners: usize, namespaces: usize, retired: usize) -> Snapshot {
    let numbers = |count: usize| 0..u32::try_from(count).unwrap();
    Snapshot {
        time: 5,
        listeners: numbers(listeners).map(|id| ListenerCounts { id, ..ListenerCounts::default() }).collect(),
        namespaces: numbers(namespaces)
            .map(|netns| NamespaceCounts { netns, ..NamespaceCounts::default() })
            .collect(),
        retired: numbers(retired).collect(),
        details_seen: 6,
        details_missed: 7,
        ..Snapshot::default()
    }
}

/// Whom frames have introduced: those of this snapshot.
fn introduced(snapshot: &Snapshot) -> Population {
    let mut population = Population::default();
    snapshot.listeners.iter().for_each(|counts| population.introduce(counts.id));
    population
}

fn read(part: &PartRef<'_>) -> Part {
    serde_json::from_slice(&serde_json::to_vec(part).unwrap()).unwrap()
}

#[track_caller]
fn check(listeners: usize, namespaces: usize, retired: usize, expected: usize) {
    let snapshot = of(listeners, namespaces, retired);
    let parts = parts(&snapshot).unwrap();
    assert_eq!(parts.len(), expected);
    let (mut assembly, mut population) = (Assembly::default(), introduced(&snapshot));
    for (at, part) in parts.iter().enumerate() {
        let json: serde_json::Value = serde_json::to_value(part).unwrap();
        assert_eq!((&json["part"], &json["more"]), (&at.into(), &(at + 1 < expected).into()));
        assert_eq!((&json["details_seen"], &json["details_missed"]), (&6.into(), &7.into()));
        for list in ["listeners", "namespaces", "retired"] {
            assert!(json[list].as_array().unwrap().len() <= PART, "{list} of part {at}");
        }
        let is_last = at + 1 == expected;
        assert_eq!(
            assembly.add(read(part), &mut population).as_ref(),
            is_last.then_some(&snapshot),
            "part {at}"
        );
    }
    assert_eq!(assembly.incomplete, 0);
}

#[test]
fn the_longest_list_says_how_many_parts_there_are() {
    check(0, 0, 1, 1);
    check(1, 1, PART, 1);
    check(1, 1, PART + 1, 2);
    check(2 * PART, 3 * PART + 1, PART + 1, 4);
    check(2 * PART + 1, PART, 2 * PART, 3);
}

/// As many namespaces came at once as no part holds.
#[test]
fn sysctls_of_many_namespaces_are_cut_as_well() {
    let count = u32::try_from(PART + 1).unwrap();
    let values = Sysctls { somaxconn: Some(0), ..Sysctls::default() };
    let sysctls = (0..count).map(|netns| NamespaceSysctls { netns, values }).collect();
    let snapshot = Snapshot { sysctls, ..of(1, 1, 1) };
    let (mut assembly, mut population) = (Assembly::default(), introduced(&snapshot));
    let parts = parts(&snapshot).unwrap();
    assert_eq!(parts.len(), 2);
    assert!(assembly.add(read(&parts[0]), &mut population).is_none());
    assert_eq!(assembly.add(read(&parts[1]), &mut population), Some(snapshot));
}

#[test]
fn sysctls_of_more_namespaces_than_a_host_has_are_refused() {
    let (mut assembly, mut population) = (Assembly::default(), Population::default());
    let count = u32::try_from(MOST_NAMESPACES + 1).unwrap();
    let sysctls = (0..count).map(|netns| NamespaceSysctls { netns, ..NamespaceSysctls::default() }).collect();
    let snapshot = Snapshot { sysctls, ..Snapshot::default() };
    for part in parts(&snapshot).unwrap() {
        assembly.add(read(&part), &mut population);
    }
    assert!(population.too_many().is_some());
}

#[test]
fn a_snapshot_that_takes_every_part_there_may_be_comes_back_and_a_longer_one_is_refused() {
    check(0, 0, MAX_PARTS * PART, MAX_PARTS);
    assert!(parts(&of(0, 0, MAX_PARTS * PART + 1)).is_none());
    assert!(parts(&of(0, MAX_PARTS * PART + 1, 0)).is_none());
}

/// Parts of two snapshots, in this order; how many snapshots come of them, and
/// how many are told as incomplete.
#[track_caller]
fn check_order(order: &[(u64, usize)], whole: usize, incomplete: u64) {
    let snapshots = [0, 1].map(|time| Snapshot { time, ..of(PART + 1, 0, 0) });
    let cut = snapshots.each_ref().map(|snapshot| parts(snapshot).unwrap());
    let (mut assembly, mut population) = (Assembly::default(), introduced(&snapshots[0]));
    let mut found = 0;
    for (time, part) in order {
        let time = usize::try_from(*time).unwrap();
        if let Some(snapshot) = assembly.add(read(&cut[time][*part]), &mut population) {
            assert_eq!(snapshot, snapshots[time]);
            found += 1;
        }
    }
    assembly.end();
    assert_eq!((found, assembly.incomplete), (whole, incomplete), "{order:?}");
}

#[test]
fn parts_out_of_their_place_make_no_snapshot() {
    check_order(&[(0, 0), (0, 1), (1, 0), (1, 1)], 2, 0);
    check_order(&[(0, 0)], 0, 1);
    check_order(&[(0, 1)], 0, 1);
    check_order(&[(0, 0), (1, 1)], 0, 2);
    check_order(&[(0, 0), (1, 0), (1, 1)], 1, 1);
    check_order(&[(0, 1), (1, 0), (1, 1)], 1, 1);
    // One that begins anew is whole, and the one that it broke off is not.
    check_order(&[(0, 0), (0, 0), (0, 1)], 1, 1);
    // What is left of one that was given up is no further one.
    check_order(&[(0, 1), (0, 1), (1, 0), (1, 1)], 1, 1);
}

/// As many parts as there may be, of which the last says that more follow.
#[test]
fn a_snapshot_that_says_it_goes_on_beyond_the_last_part_is_given_up_there() {
    let snapshot = of(PART + 1, 0, 0);
    let cut = parts(&snapshot).unwrap();
    let endless = |at: usize| {
        let mut json = serde_json::to_value(&cut[0]).unwrap();
        json["part"] = at.into();
        json["listeners"] = serde_json::json!([]);
        serde_json::from_value::<Part>(json).unwrap()
    };
    let (mut assembly, mut population) = (Assembly::default(), Population::default());
    for at in 0..MAX_PARTS - 1 {
        assert!(assembly.add(endless(at), &mut population).is_none());
        assert_eq!(assembly.incomplete, 0, "part {at}");
    }
    assert!(assembly.add(endless(MAX_PARTS - 1), &mut population).is_none());
    assert_eq!(assembly.incomplete, 1);
}
