//! A scenario as one JSON object. Field names are a contract: add, never change.

use serde_json::{Map, Value, json};

use super::{Outcome, seen_rows};
use crate::expectation::{Expectation, Expected};
use crate::movement::Kernel;
use crate::seen::Row;

/// The object of one scenario.
pub(super) fn of(outcome: &Outcome) -> Value {
    let sentences = outcome.sentences();
    json!({
        "v": 1,
        "type": "scenario",
        "name": outcome.scenario.name,
        "rung": outcome.rung.as_deref().unwrap_or_default(),
        "verdict": outcome.word(),
        "expected": outcome.expected.as_ref().map(expected),
        "seen": seen(outcome),
        "kernel": kernel(&outcome.kernel),
        "why": (!sentences.is_empty()).then(|| sentences.join("; ")),
    })
}

fn expected(expected: &Expectation) -> Value {
    let listeners = expected.listeners.iter().map(listener).collect::<Vec<_>>();
    json!({"at_least": expected.at_least, "seed": expected.seed, "listeners": listeners})
}

fn listener(expected: &Expected) -> Value {
    let packets = expected.packets.iter().map(|(reason, count)| (reason.name().to_owned(), json!(count)));
    json!({
        "netns": expected.netns,
        "inode": expected.inode,
        "port": expected.address.port(),
        "packets": packets.collect::<Map<_, _>>(),
        "sk_drops": expected.sk_drops,
        "syns": expected.syns,
        "established": expected.established,
        "accepted": expected.accepted,
    })
}

fn seen(outcome: &Outcome) -> Option<Value> {
    outcome.seen.as_ref()?;
    let listeners = outcome.expected.iter().flat_map(|expected| &expected.listeners);
    let rows = listeners.filter_map(|listener| seen_rows(listener, outcome)).flatten();
    Some(json!({"listeners": rows.map(row).collect::<Vec<_>>()}))
}

fn row(row: &Row) -> Value {
    json!({
        "netns": row.listener.netns,
        "inode": row.listener.inode,
        "port": row.listener.port,
        "packets": row.packets,
        "sk_drops": row.sk_drops.attributed + row.sk_drops.explained,
        "syns": row.syns,
        "established": row.established,
        "accepted": row.accepted,
    })
}

fn kernel(kernel: &Kernel) -> Value {
    let namespaces = kernel.networks.iter().map(|network| {
        let counters = network.high.moved().map(|(name, count)| (name.to_owned(), json!(count)));
        json!({"netns": network.netns, "counters": counters.collect::<Map<_, _>>()})
    });
    let drops = kernel.listeners.iter().map(|row| json!({"inode": row.inode, "sk_drops": row.high}));
    json!({"namespaces": namespaces.collect::<Vec<_>>(), "listeners": drops.collect::<Vec<_>>()})
}
