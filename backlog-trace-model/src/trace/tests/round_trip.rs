//! Everything that is written comes back, and nothing else.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;

use super::sample::{self, Seen, any_observation, recorded, replayed, seen};
use crate::event::{Event, ListenerCounts, Snapshot};
use crate::trace::{Medium, Reader, Writer};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_observation_comes_back(events in any_observation()) {
        let (shown, damage) = replayed(&recorded(&events));
        prop_assert!(damage.is_none(), "{:?}", damage);
        prop_assert_eq!(shown, seen(events));
    }
}

#[track_caller]
fn check_details(batches: &[usize]) {
    let mut number = 0;
    let mut events = vec![Event::Started(Arc::new(sample::session()))];
    for batch in batches {
        events.push(Event::Details((number..number + *batch as u64).map(sample::detail).collect()));
        number += *batch as u64;
    }
    events.push(Event::Finished);
    let (shown, damage) = replayed(&recorded(&events));
    assert!(damage.is_none(), "{damage:?}");
    assert_eq!(shown.len() as u64, 2 + number);
    assert_eq!(shown, seen(events));
}

#[test]
fn details_come_back_in_order_however_they_came() {
    check_details(&[]);
    check_details(&[0]);
    check_details(&[1; 10]);
    check_details(&[4095, 1, 1]);
    check_details(&[4096]);
    check_details(&[4097]);
    check_details(&[3 * 4096 + 5, 10]);
}

#[test]
fn a_snapshot_of_more_listeners_than_fit_into_a_frame_comes_back_whole() {
    let listeners = (0..5_000).map(|id| ListenerCounts { id, ..ListenerCounts::default() }).collect();
    let snapshot = Snapshot { time: 9, listeners, ..Snapshot::default() };
    let events = [
        Event::Started(Arc::new(sample::session())),
        Event::Snapshot(Arc::new(snapshot.clone())),
        Event::Finished,
    ];
    let (shown, damage) = replayed(&recorded(&events));
    assert!(damage.is_none(), "{damage:?}");
    assert_eq!(shown[1], Seen::Snapshot(snapshot));
}

/// What a recording that is over has written.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Shared {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.borrow_mut().cut(length)
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_written_comes_back_and_says_how_much_it_holds() {
    let kept = Shared::default();
    let mut writer = Writer::begin(kept.clone(), "memory").unwrap();
    let events: Vec<Event> = [Event::Started(Arc::new(sample::session()))]
        .into_iter()
        .chain(sample::small().into_iter().filter_map(|(_, event)| event))
        .collect();
    for event in &events {
        writer.write(event).unwrap();
    }
    let saved = writer.finish().unwrap();
    assert_eq!((saved.details, saved.snapshots, saved.complete), (7, 2, true));
    let bytes = kept.bytes();
    assert_eq!(saved.bytes, bytes.len() as u64);
    let mut reader = Reader::from_bytes(&bytes).unwrap();
    assert_eq!(reader.session(), &sample::session());
    assert_eq!(seen(reader.by_ref()), seen(events));
    assert!(reader.damage().is_none());
    assert!(reader.next().is_none(), "the end stays the end");
}

/// Who forgets to send the last event still gets a whole recording.
#[test]
fn finishing_writes_pending_details_and_the_last_frame() {
    let kept = Shared::default();
    let mut writer = Writer::begin(kept.clone(), "memory").unwrap();
    writer.write(&Event::Started(Arc::new(sample::session()))).unwrap();
    writer.write(&Event::Details(vec![sample::detail(1)])).unwrap();
    assert_eq!(writer.finish().unwrap().details, 1);
    let (shown, damage) = replayed(&kept.bytes());
    assert!(damage.is_none(), "{damage:?}");
    assert_eq!(shown[1..], [Seen::Detail(sample::detail(1)), Seen::Finished]);
}
