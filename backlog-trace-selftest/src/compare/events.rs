//! What `live` told of single packets against how the scenario was built.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::expectation::Expectation;
use crate::reason::Reason;
use crate::seen::{Event, Histogram};

/// An event as it is compared: reason, outcome or cause, peer.
type Line = (String, Option<String>, Option<(IpAddr, u16)>);

/// Losses, cookies and requests that ended: which packet of which client, and what it was told.
pub(super) fn told(expected: &Expectation, events: &[Event], why: &mut Vec<String>) {
    for listener in &expected.listeners {
        let mut balance: BTreeMap<Line, i64> = BTreeMap::new();
        for told in &listener.told {
            let outcome = told.outcome.map(str::to_owned);
            *balance.entry((told.reason.name().to_owned(), outcome, end(Some(told.peer)))).or_default() -= 1;
        }
        let of_packets = |event: &&Event| matches!(event.r#type.as_str(), "loss" | "cookie" | "expired");
        for event in events.iter().filter(|event| listener.is(&event.listener)).filter(of_packets) {
            let name = event.name();
            let expired = Reason::SynackExpired;
            let by_time = name == expired.name() && listener.told.iter().all(|told| told.reason != expired);
            if name == Reason::ListenerClosed.name() || by_time {
                continue;
            }
            let peer = event.peer.as_ref().map(|peer| SocketAddr::new(peer.address, peer.port));
            let how = event.outcome.clone().or_else(|| event.cause.clone());
            *balance.entry((name, how, end(peer))).or_default() += 1;
        }
        for ((name, outcome, peer), rest) in balance.into_iter().filter(|(_, rest)| *rest != 0) {
            let outcome = outcome.as_deref().unwrap_or("no outcome");
            let peer = peer.map_or("no peer".to_owned(), |(ip, port)| SocketAddr::new(ip, port).to_string());
            let fault = if rest < 0 { "was not told" } else { "was told and did not happen" };
            why.push(format!(
                "{}: {name}, {outcome}, of {peer} {fault} ({} times)",
                listener.address,
                rest.unsigned_abs()
            ));
        }
    }
}

/// SYN+ACKs that were sent again: each told once, with its cause.
pub(super) fn retransmits(
    expected: &Expectation,
    histogram: &Histogram,
    events: &[Event],
    why: &mut Vec<String>,
) {
    for listener in &expected.listeners {
        let Some((cause, but)) = listener.retransmit_cause else { continue };
        let address = listener.address;
        let told: Vec<&Event> = events
            .iter()
            .filter(|event| event.r#type == "retransmit" && listener.is(&event.listener))
            .collect();
        if !told.iter().any(|event| event.cause.as_deref() == Some(cause)) {
            why.push(format!("{address}: no SYN+ACK sent again for the cause {cause} was told"));
        }
        let others: Vec<&str> = told
            .iter()
            .map(|event| event.cause.as_deref().unwrap_or("none"))
            .filter(|is| *is != cause)
            .collect();
        if others.len() as u64 > but {
            why.push(format!(
                "{address}: {} SYN+ACKs sent again have a cause other than {cause}, not {but}: {}",
                others.len(),
                others.join(", ")
            ));
        }
        // `hist` and `live` stop one after the other, so that one may have met
        // a last one that the other did not.
        let counted = histogram
            .listeners
            .iter()
            .filter(|row| listener.is(&row.listener))
            .filter_map(|row| row.packets.get(Reason::SynackRetransmit.name()))
            .sum::<u64>();
        if counted.abs_diff(told.len() as u64) > 1 {
            why.push(format!("{address}: {counted} SYN+ACKs sent again were counted, {} told", told.len()));
        }
    }
}

/// An IPv4 client of an IPv6 socket is the same by either of its names.
fn end(peer: Option<SocketAddr>) -> Option<(IpAddr, u16)> {
    peer.map(|peer| (peer.ip().to_canonical(), peer.port()))
}
