//! How large recordings are: the table of docs/recording.md.
//!
//! `cargo run --example recording_size`; the sizes do not depend on the
//! machine or on optimisation.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::sync::Arc;

use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{
    Asked, Clock, Event, ListenerCounts, Met, NamespaceCounts, Occurrence, Peer, Session, Snapshot, Totals,
    What,
};
use backlog_trace_model::failure::Result;
use backlog_trace_model::trace::Writer;
use fastrand::Rng;

const DETAILS: u64 = 1_000_000;

/// One refused SYN among 8 listeners, some microseconds after the one before.
/// `clients` is how many addresses they come from; 0: a new one each.
fn refused(numbers: &mut Rng, time: &mut u64, clients: u64) -> Occurrence {
    *time += numbers.u64(..20_000);
    let [a, b, c, d, e, f, ..] = numbers.u64(..).to_le_bytes();
    let client = if clients == 0 {
        [a, b, c, d]
    } else {
        let [low, high, ..] = numbers.u64(..clients).to_le_bytes();
        [10, 0, high, low]
    };
    let met = Met { outcome: Outcome::Silent, ..Met::only(Reason::SynAcceptQueueFull) };
    Occurrence {
        time: *time,
        listener: 4129 + numbers.u64(..8),
        netns: 4_026_531_840,
        port: 8080,
        peer: Some(Peer { address: client.into(), port: 32_768 | u16::from_le_bytes([e, f]) }),
        accept_queue: 129,
        syn_queue: u32::from(e % 16),
        limit: 128,
        cpu: u16::from(a % 4),
        what: What::Met(met),
    }
}

/// A second of 20 listeners, of which one loses connections.
fn second(number: u64) -> Event {
    let listeners = (0..20)
        .map(|id| {
            let mut totals = Totals {
                syns: number * 131 + u64::from(id),
                established: number * 130,
                accepted: number * 130,
                limit: 128,
                accept_queue_max: 17 + id,
                ..Totals::default()
            };
            for (at, bucket) in totals.accept_depth.iter_mut().take(5).enumerate() {
                *bucket = number * (40 >> at);
            }
            for (at, bucket) in totals.accept_wait_us.iter_mut().skip(3).take(8).enumerate() {
                *bucket = number * (50 >> at);
            }
            if id == 0 {
                totals.reasons[Reason::SynAcceptQueueFull] = number * 93;
            }
            ListenerCounts {
                id,
                totals,
                sk_drops: Some(number * 93 * u64::from(id == 0)),
                ..ListenerCounts::default()
            }
        })
        .collect();
    let namespaces = vec![NamespaceCounts { netns: 4_026_531_840, ..NamespaceCounts::default() }];
    let time = number * 1_000_000_000;
    Event::Snapshot(Arc::new(Snapshot {
        time,
        listeners,
        namespaces,
        details_seen: number * 93,
        ..Snapshot::default()
    }))
}

fn size(events: impl Iterator<Item = Event>) -> Result<u64> {
    let mut writer = Writer::begin(Vec::new(), "memory")?;
    writer.write(&Event::Started(Arc::new(Session {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: "host".to_owned(),
        kernel: "6.12.0".to_owned(),
        netns: None,
        start: 0,
        clock: Clock { unix_minus_monotonic: 0 },
        zone: None,
        asked: Asked::default(),
        hooks: Vec::new(),
        sources: Vec::new(),
    })))?;
    for event in events {
        writer.write(&event)?;
    }
    Ok(writer.finish()?.bytes)
}

fn row(what: &str, raw: u64, bytes: u64) {
    println!("{what:<52} {raw:>12} {bytes:>12} {:>6} %", bytes * 100 / raw);
}

fn main() -> Result<()> {
    println!("{:<52} {:>12} {:>12} {:>8}", "", "raw", "recorded", "");
    for (what, clients) in
        [("a load generator, one address", 1), ("1,000 clients", 1_000), ("a flood, an address each", 0)]
    {
        let (mut numbers, mut time) = (Rng::with_seed(1), 0);
        let batches = (0..DETAILS / 1_000)
            .map(|_| Event::Details((0..1_000).map(|_| refused(&mut numbers, &mut time, clients)).collect()));
        row(&format!("1,000,000 details: {what}"), DETAILS * 64, size(batches)?);
    }
    let json = |number| match second(number) {
        Event::Snapshot(snapshot) => serde_json::to_vec(&*snapshot).map_or(0, |json| json.len() as u64),
        _ => 0,
    };
    let raw = (1..=3_600).map(json).sum();
    row("an hour: 3,600 snapshots of 20 listeners", raw, size((1..=3_600).map(second))?);
    Ok(())
}
