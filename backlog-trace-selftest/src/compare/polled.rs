//! What an observation that polls must give of a scenario. It promises less:
//! nothing that did not happen, no listener charged with another's loss, and a
//! balance whose rest is said; and where a listener of a namespace lost
//! alone, all of its losses.

use std::collections::BTreeMap;

use super::counts;
use crate::counters::AUDITED;
use crate::expectation::{Expectation, Expected};
use crate::movement::Kernel;
use crate::reason::Reason;
use crate::seen::{Histogram, Row, Seen};

/// Counters whose movement is charged to listeners.
const CHARGED: [&str; 3] = ["ListenOverflows", "ListenDrops", "TCPReqQFullDrop"];

/// The complaints.
pub(super) fn tool(expected: &Expectation, kernel: &Kernel, seen: &Seen, live: bool) -> Vec<String> {
    let mut why = Vec::new();
    let histogram = &seen.histogram;
    if !expected.at_least {
        expected.listeners.iter().for_each(|listener| never_more(listener, histogram, &mut why));
    }
    counts::strangers(expected, histogram, &mut why);
    balances(kernel, histogram, &mut why);
    drops(expected, kernel, histogram, &mut why);
    if !expected.at_least {
        for listener in alone(expected, kernel) {
            everything(listener, histogram, &mut why);
        }
    }
    if live {
        told(expected, seen, &mut why);
    }
    why
}

/// Whether all losses of a scenario must be found: for the line that is printed.
pub(crate) fn promises_all(expected: &Expectation, kernel: &Kernel) -> bool {
    let losers = expected.listeners.iter().filter(|listener| lost(listener) > 0).count();
    !expected.at_least && losers > 0 && alone(expected, kernel).count() == losers
}

/// A reason that is named happened, and each loss is charged once.
fn never_more(listener: &Expected, seen: &Histogram, why: &mut Vec<String>) {
    let address = listener.address;
    let packets = packets(listener, seen);
    let by_counter = |counter| {
        let of_counter = |reason: &Reason| reason.moves(counter);
        let must: u64 = listener.packets.iter().filter(|(r, _)| of_counter(r)).map(|(_, n)| n).sum();
        let is: u64 = packets.iter().filter(|(r, _)| of_counter(r)).map(|(_, n)| n).sum();
        (must, is)
    };
    for (reason, is) in &packets {
        let must = listener.packets.get(reason).copied().unwrap_or(0);
        let named = !matches!(reason, Reason::UnknownAcceptQueueFull | Reason::UnknownDropped);
        if named && *is > must {
            why.push(format!("{address}: {is} {} were charged, and {must} happened", reason.name()));
        }
    }
    for name in CHARGED {
        let (must, is) = by_counter(name);
        if is > must {
            why.push(format!("{address}: {is} packets that move {name} were charged, and {must} happened"));
        }
    }
}

/// What is attributed and what is not are together what the kernel counted.
///
/// A namespace that came while the tool watched was found some time later:
/// what it counted before is not known.
fn balances(kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    for network in &kernel.networks {
        let netns = network.netns;
        let Some(audit) = seen.audit.iter().find(|audit| audit.netns == netns) else {
            if !network.late {
                why.push(format!("the audit has no line for namespace {netns}"));
            }
            continue;
        };
        for name in AUDITED {
            let is = audit.kernel.get(name).copied().unwrap_or(0);
            let low = if network.late { 0 } else { network.low.get(name) };
            let high = network.high.get(name);
            if !(low..=high).contains(&is) {
                why.push(format!("the audit says {is} of {name}, and the kernel counted {low} to {high}"));
            }
        }
    }
    for audit in &seen.audit {
        let listeners = seen.listeners.iter().filter(|row| row.listener.netns == audit.netns);
        let mut charged: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, count) in listeners.flat_map(|row| &row.packets) {
            for counter in Reason::from_name(name).into_iter().flat_map(Reason::counters) {
                *charged.entry(counter).or_default() += count;
            }
        }
        for name in CHARGED {
            let number = |of: &BTreeMap<String, u64>| of.get(name).copied().unwrap_or(0);
            let rest = audit.unaccounted.get(name).copied().unwrap_or(0);
            let (is, kernel) = (charged.get(name).copied().unwrap_or(0), number(&audit.kernel));
            if rest < 0 {
                why.push(format!(
                    "{name}: {} more were charged than the kernel counted",
                    rest.unsigned_abs()
                ));
            }
            if i128::from(is) + i128::from(rest) != i128::from(kernel) {
                why.push(format!("{name}: {is} charged and {rest} unaccounted for are not {kernel}"));
            }
        }
    }
}

/// `sk_drops` as it was read of listeners that did not close.
fn drops(expected: &Expectation, kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    for listener in &expected.listeners {
        let Some(ours) = kernel.listeners.iter().find(|row| row.inode == listener.inode) else { continue };
        let low = if is_late(kernel, listener) { 0 } else { ours.low };
        for is in of(listener, seen).filter_map(|row| row.sk_drops.kernel) {
            if is < low || !(ours.more || is <= ours.high) {
                let (address, high) = (listener.address, ours.high);
                why.push(format!(
                    "{address}: sk_drops of {is} were read, the socket counted {low} to {high}"
                ));
            }
        }
    }
}

fn is_late(kernel: &Kernel, listener: &Expected) -> bool {
    kernel.networks.iter().any(|network| network.netns == listener.netns && network.late)
}

/// Listeners that lost and had no other beside them that moved, or closed.
fn alone<'a>(expected: &'a Expectation, kernel: &'a Kernel) -> impl Iterator<Item = &'a Expected> {
    let stands =
        |listener: &Expected| kernel.listeners.iter().any(|row| row.inode == listener.inode && !row.closed);
    expected.listeners.iter().filter(move |listener| {
        let others = || {
            let same = |other: &&Expected| other.netns == listener.netns && other.inode != listener.inode;
            expected.listeners.iter().filter(same)
        };
        lost(listener) > 0
            && !is_late(kernel, listener)
            && stands(listener)
            && others().all(|other| other.sk_drops == Some(0) && stands(other))
    })
}

fn lost(listener: &Expected) -> u64 {
    let counted = |reason: &Reason| reason.moves("ListenDrops");
    listener.packets.iter().filter(|(reason, _)| counted(reason)).map(|(_, count)| count).sum()
}

/// All losses of a listener that lost alone.
fn everything(listener: &Expected, seen: &Histogram, why: &mut Vec<String>) {
    let is: u64 =
        packets(listener, seen).iter().filter(|(reason, _)| reason.is_loss()).map(|(_, count)| count).sum();
    let must = lost(listener);
    if is != must {
        why.push(format!("{}: {is} losses were found, and it alone lost {must}", listener.address));
    }
}

/// The lines of `live` add up to no more than what happened.
fn told(expected: &Expectation, seen: &Seen, why: &mut Vec<String>) {
    for listener in &expected.listeners {
        let of = seen.events.iter().filter(|event| listener.is(&event.listener));
        if let Some(event) = of.clone().find(|event| event.count.is_none() || event.peer.is_some()) {
            why.push(format!("{}: {} was told as if it had been seen", listener.address, event.name()));
        }
        let told: u64 = of.filter(|event| event.r#type == "loss").map(|event| event.count.unwrap_or(0)).sum();
        let must = lost(listener);
        if !expected.at_least && told > must {
            why.push(format!("{}: {told} losses were told, and {must} happened", listener.address));
        }
    }
}

fn packets(listener: &Expected, seen: &Histogram) -> BTreeMap<Reason, u64> {
    let mut packets = BTreeMap::new();
    for row in of(listener, seen) {
        for (name, count) in row.packets.iter().filter(|(_, count)| **count > 0) {
            if let Some(reason) = Reason::from_name(name) {
                *packets.entry(reason).or_default() += count;
            }
        }
    }
    packets
}

fn of<'a>(listener: &'a Expected, seen: &'a Histogram) -> impl Iterator<Item = &'a Row> {
    seen.listeners.iter().filter(|row| listener.is(&row.listener))
}
