//! Whatever is counted and whenever it is looked at: the intervals add up to the whole.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
mod scene;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backlog_trace_common::reason::{Reason, TABLE};
use backlog_trace_model::event::{Event, ListenerCounts, Reasons, Snapshot, Totals, What};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::view::HistJson;
use proptest::prelude::*;
use scene::shown::{Asked, shown};
use serde_json::Value;

/// What happens between two snapshots.
#[derive(Debug, Clone)]
struct Step {
    gap_ms: u64,
    listener: u32,
    reasons: Vec<(usize, u64)>,
    syns: u64,
    bucket: usize,
    extra_drops: u64,
    peer: u16,
}

fn step() -> impl Strategy<Value = Step> {
    let reasons = proptest::collection::vec((0..TABLE.len(), 0u64..1000), 0..4);
    (1u64..3000, 0u32..2, reasons, 0u64..5000, 0usize..24, 0u64..9, 0u16..20).prop_map(
        |(gap_ms, listener, reasons, syns, bucket, extra_drops, peer)| Step {
            gap_ms,
            listener,
            reasons,
            syns,
            bucket,
            extra_drops,
            peer,
        },
    )
}

fn events(steps: &[Step]) -> Vec<Event> {
    let mut events = vec![
        Event::Started(Arc::new(scene::session())),
        Event::Listener(Arc::new(scene::nginx())),
        Event::Listener(Arc::new(scene::prometheus())),
    ];
    let mut snapshot = Snapshot { time: scene::START, ..Snapshot::default() };
    let mut all = Reasons::default();
    for step in steps {
        let us = (snapshot.time - scene::START) / 1000 + 1;
        let refused = What::Met(scene::told(Reason::SynAcceptQueueFull));
        let what = if step.syns % 3 == 0 { What::Established } else { refused };
        events.push(Event::Details(vec![scene::happened(us, what, ("10.0.0.7", step.peer))]));
        snapshot.time += step.gap_ms * 1_000_000;
        snapshot.details_seen += 1;
        snapshot.details_missed += step.extra_drops;
        count(&mut snapshot, step, &mut all);
        snapshot.namespaces = vec![scene::balanced(&all)];
        events.push(Event::Snapshot(Arc::new(snapshot.clone())));
    }
    events.push(Event::Finished);
    events
}

fn count(snapshot: &mut Snapshot, step: &Step, all: &mut Reasons) {
    if !snapshot.listeners.iter().any(|counts| counts.id == step.listener) {
        snapshot.listeners.push(ListenerCounts {
            id: step.listener,
            totals: Totals { limit: 128, ..Totals::default() },
            sk_drops: Some(0),
            ..ListenerCounts::default()
        });
    }
    let counts = snapshot.listeners.iter_mut().find(|counts| counts.id == step.listener).unwrap();
    let totals = &mut counts.totals;
    let mut drops = step.extra_drops;
    for (number, times) in &step.reasons {
        let reason = TABLE[*number].reason;
        totals.reasons[reason] += times;
        all[reason] += times;
        // At most two additions per occurrence.
        drops += 2 * times;
    }
    totals.sk_drops += drops;
    counts.sk_drops = counts.sk_drops.map(|kernel| kernel + drops);
    totals.syns += step.syns;
    totals.accept_depth[step.bucket] += step.syns;
    totals.syn_depth[step.bucket] += step.syns;
    totals.accept_wait_us[step.bucket] += step.syns;
    totals.accept_queue_max = totals.accept_queue_max.max(1 << step.bucket);
    totals.syn_queue_max = totals.syn_queue_max.max(1 << step.bucket);
}

/// Every number of a report that adds up, by where it stands.
fn sums(report: &Value, into: &mut BTreeMap<String, i64>) {
    let mut add = |path: String, value: &Value| {
        if let Some(number) = value.as_i64() {
            *into.entry(path).or_default() += number;
        }
    };
    for listener in report["listeners"].as_array().unwrap() {
        let name = &listener["listener"]["port"];
        for field in ["syns", "established", "accepted"] {
            add(format!("{name} {field}"), &listener[field]);
        }
        for group in ["packets", "connections", "sk_drops"] {
            for (field, value) in listener[group].as_object().unwrap() {
                // A median, and what is left at the end.
                if field != "recovered_after_us" && field != "not_recovered" {
                    add(format!("{name} {group} {field}"), value);
                }
            }
        }
        for rows in ["/accept_queue/depth", "/syn_queue/depth", "/accept_wait_us"] {
            for row in listener.pointer(rows).unwrap().as_array().unwrap() {
                add(format!("{name} {rows} {}", row[0]), &row[2]);
            }
        }
    }
    for audit in report["audit"].as_array().unwrap() {
        for part in ["kernel", "attributed", "unaccounted"] {
            for (counter, value) in audit[part].as_object().unwrap() {
                add(format!("{part} {counter}"), value);
            }
        }
    }
    add("seen".to_owned(), &report["details"]["seen"]);
    add("missed".to_owned(), &report["details"]["missed"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn intervals_add_up_to_the_whole(steps in proptest::collection::vec(step(), 1..12), every_ms in 1u64..4000) {
        let asked = Asked::every(Duration::from_millis(every_ms));
        let printed = shown(&events(&steps), &asked, |out| Box::new(HistJson::new(out, Selection::default())));
        let reports: Vec<Value> =
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (whole, intervals) = reports.split_last().unwrap();
        prop_assert_eq!(&whole["final"], &Value::Bool(true));
        prop_assert!(intervals.iter().all(|interval| interval["final"] == Value::Bool(false)));
        let (mut of_intervals, mut of_whole) = (BTreeMap::new(), BTreeMap::new());
        intervals.iter().for_each(|interval| sums(interval, &mut of_intervals));
        sums(whole, &mut of_whole);
        of_intervals.retain(|_, sum| *sum != 0);
        of_whole.retain(|_, sum| *sum != 0);
        prop_assert_eq!(of_intervals, of_whole);
    }
}
