//! What `hist` said against how the scenario was built and what the kernel counted.

use std::collections::BTreeMap;

use crate::counters::{AUDITED, SYN_RETRANSMITS};
use crate::expectation::{Expectation, Expected};
use crate::movement::{Kernel, NetworkMovement};
use crate::reason::Reason;
use crate::seen::{Drops, Histogram, Row};
use crate::sight::{self, Sight};

/// Fates that time brings, or the end of the scenario: nothing is built on how
/// often they happen.
const TIMELY: [Reason; 3] = [Reason::SynackRetransmit, Reason::SynackExpired, Reason::ListenerClosed];

/// Packets per listener and reason.
pub(super) fn packets(expected: &Expectation, seen: &Histogram, why: &mut Vec<String>) {
    for listener in &expected.listeners {
        let address = listener.address;
        let rows = rows(seen, listener);
        if rows.len() > 1 {
            why.push(format!("{address} is listed {} times", rows.len()));
        }
        let mut packets: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, count) in rows.iter().flat_map(|row| &row.packets) {
            *packets.entry(name).or_default() += count;
        }
        for (reason, must) in &listener.packets {
            let is = packets.remove(reason.name()).unwrap_or(0);
            let enough = if expected.at_least { is >= *must } else { is == *must };
            if !enough {
                why.push(format!("{address}: {is} {} were seen, not {must}", reason.name()));
            }
        }
        if expected.at_least {
            continue;
        }
        for (name, is) in packets.into_iter().filter(|(_, is)| *is > 0) {
            if !Reason::from_name(name).is_some_and(|reason| TIMELY.contains(&reason)) {
                why.push(format!("{address}: {is} {name} were seen, of which the scenario made none"));
            }
        }
    }
    strangers(expected, seen, why);
}

/// Losses that are charged to somebody who is not in the scenario.
pub(super) fn strangers(expected: &Expectation, seen: &Histogram, why: &mut Vec<String>) {
    let strangers = seen.listeners.iter().filter(|row| {
        row.packets.iter().any(|(name, count)| *count > 0 && counts_as_loss(name))
            && expected.listeners.iter().any(|listener| listener.netns == row.listener.netns)
            && !expected.listeners.iter().any(|listener| listener.is(&row.listener))
    });
    for row in strangers {
        let port = row.listener.port;
        let inode = row.listener.inode.map_or("unknown".to_owned(), |inode| inode.to_string());
        why.push(format!(
            "losses were charged to port {port}, inode {inode}, which is no listener of the scenario"
        ));
    }
}

/// What was attributed, by the kernel's counters.
pub(super) fn against_kernel(kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    let unfound = sight::hidden(Sight::ClosedListeners, seen).is_some();
    // A SYN that wanted a cookie and was lost moves the cookies' counters
    // too, which no fate tells: those two are the audit's business alone.
    for network in &kernel.networks {
        for name in ["ListenOverflows", "ListenDrops", "TCPReqQFullDrop"] {
            // Where a listener that has closed is not found any more, what it
            // loses then is its namespace's.
            let closed = seen.audit.iter().filter(|audit| audit.netns == network.netns && unfound);
            let is = in_network(seen, network.netns)
                .flat_map(|row| &row.packets)
                .chain(closed.flat_map(|audit| &audit.unlisted))
                .filter(|(reason, _)| moves(reason, name))
                .map(|(_, count)| count)
                .sum::<u64>();
            within(is, network, name, "packets that move it were seen", why);
        }
    }
}

/// SYN+ACKs that were sent again; the clients are played, so that the
/// kernel's counter holds no SYN of theirs.
pub(super) fn retransmits(kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    if seen.attached("synack").is_none() {
        return;
    }
    let name = Reason::SynackRetransmit.name();
    for network in &kernel.networks {
        let is = in_network(seen, network.netns).filter_map(|row| row.packets.get(name)).sum();
        within(is, network, SYN_RETRANSMITS, "SYN+ACKs sent again were seen", why);
    }
}

/// The listeners' share of the SYNs and SYN+ACKs sent again, which here is all of it.
pub(super) fn retransmits_audited(kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    if seen.attached("synack").is_none() {
        return;
    }
    for network in &kernel.networks {
        let audit = seen.audit.iter().find(|audit| audit.netns == network.netns);
        match audit.and_then(|audit| audit.attributed.get(SYN_RETRANSMITS)) {
            Some(is) => within(*is, network, SYN_RETRANSMITS, "are attributed by the audit", why),
            None => why.push(format!("the audit says nothing of {SYN_RETRANSMITS}")),
        }
    }
}

/// The tool's own balance.
pub(super) fn audit(kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    for network in &kernel.networks {
        let Some(audit) = seen.audit.iter().find(|audit| audit.netns == network.netns) else {
            why.push(format!("the audit has no line for namespace {}", network.netns));
            continue;
        };
        for name in AUDITED {
            match audit.kernel.get(name) {
                // Nothing can be held against what is not known.
                None if audit.kernel.is_empty() && seen.lacks().is_some() => {}
                Some(is) => within(*is, network, name, "is what the audit says of it", why),
                // The contract's first version has no line for the cookies sent.
                None if name == "SyncookiesSent" => {}
                None => why.push(format!("the audit says nothing of {name}")),
            }
        }
        for (name, rest) in audit.unaccounted.iter().filter(|(_, rest)| **rest != 0) {
            why.push(format!("the audit does not account for {rest} of {name}"));
        }
    }
    if seen.details.missed > 0 {
        why.push(format!("{} details were missed", seen.details.missed));
    }
}

/// `sk_drops` per listener.
pub(super) fn drops(expected: &Expectation, kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    let mut unlisted = unlisted_drops(seen);
    for listener in &expected.listeners {
        let address = listener.address;
        let rows = rows(seen, listener);
        let ours = kernel.listeners.iter().find(|row| row.inode == listener.inode);
        let seen_of = |drops: &Drops| drops.attributed + drops.explained + listener.residual;
        let read = |row: &&Row| row.sk_drops.kernel;
        // What a listener lost while it was closed may be its namespace's.
        let mut late = 0;
        if let Some(ours) = ours.filter(|ours| ours.closed)
            && let Some(unlisted) = unlisted.get_mut(&listener.netns)
        {
            let counted = rows.iter().filter_map(read).max().unwrap_or(0).max(ours.low);
            let seen = rows.iter().map(|row| seen_of(&row.sk_drops)).sum();
            late = counted.saturating_sub(seen).min(*unlisted);
            *unlisted -= late;
        }
        for drops in rows.iter().map(|row| &row.sk_drops) {
            let accounted = seen_of(drops) + late;
            let all = |kernel: u64| {
                if listener.abrupt {
                    accounted <= kernel
                } else {
                    (kernel..=kernel + late).contains(&accounted)
                }
            };
            if let Some(kernel) = drops.kernel.filter(|kernel| !all(*kernel)) {
                why.push(format!("{address}: {accounted} of {kernel} sk_drops are accounted for"));
            }
        }
        let Some(ours) = ours else { continue };
        let accounted = rows.iter().map(|row| seen_of(&row.sk_drops)).sum::<u64>() + late;
        let (low, high) = (ours.low, ours.high);
        let enough = listener.abrupt || low <= accounted;
        if !enough || !(ours.more || accounted <= high) {
            why.push(format!(
                "{address}: {accounted} sk_drops are accounted for, the socket counted {low} to {high}"
            ));
        }
        for is in rows.iter().filter_map(read) {
            if is + late < low || !(ours.more || is <= high) {
                why.push(format!("{address}: sk_drops of {is} were read, the socket counted {high}"));
            }
        }
    }
}

/// Where a listener that has closed is not found any more, what it loses then
/// is its namespace's, and not in its row.
fn unlisted_drops(seen: &Histogram) -> BTreeMap<u32, u64> {
    let unfound = sight::hidden(Sight::ClosedListeners, seen).is_some();
    let drops = |unlisted: &BTreeMap<String, u64>| {
        let are_drops = unlisted.iter().filter(|(reason, _)| moves(reason, "ListenDrops"));
        are_drops.map(|(_, count)| count).sum()
    };
    let audits = seen.audit.iter().filter(|_| unfound);
    audits.map(|audit| (audit.netns, drops(&audit.unlisted))).collect()
}

/// Whether the scenario says something of a figure that the tool does not know.
pub(super) fn asks_for_unknown(expected: &Expectation, seen: &Histogram) -> bool {
    let of_listener = |listener: &Expected| {
        rows(seen, listener).iter().any(|row| {
            [
                (listener.established, row.established),
                (listener.accepted, row.accepted),
                (listener.accept_queue_max, row.accept_queue.max),
                (listener.limit, row.accept_queue.limit),
            ]
            .iter()
            .any(|(must, is)| must.is_some() && is.is_none())
        })
    };
    expected.listeners.iter().any(of_listener) || seen.audit.iter().any(|audit| audit.kernel.is_empty())
}

/// What else is known of a listener, as far as the hooks can see it.
pub(super) fn facts(expected: &Expectation, kernel: &Kernel, seen: &Histogram, why: &mut Vec<String>) {
    for listener in &expected.listeners {
        let rows = rows(seen, listener);
        let Some(row) = rows.first() else {
            if listener.syns.is_some_and(|syns| syns > 0) {
                why.push(format!("{} is not listed", listener.address));
            }
            continue;
        };
        let address = listener.address;
        let mut check = |what: &str, is: Option<u64>, must: Option<u64>, visible: bool| {
            // What the host hides is said by the tool, and not held against it.
            let is_hidden = is.is_none() && seen.lacks().is_some();
            if visible && !is_hidden && must.is_some_and(|must| is != Some(must)) {
                let is = is.map_or("not known".to_owned(), |is| is.to_string());
                why.push(format!("{address}: {what} is {is}, not {}", must.unwrap_or(0)));
            }
        };
        check("the number of SYNs", row.syns, listener.syns, seen.attached("syn").is_some());
        let sees_acks = seen.attached("ack").is_some() && seen.attached("cookie").is_some();
        check("the number of finished handshakes", row.established, listener.established, sees_acks);
        let sees_accepts = seen.attached("accept").is_some()
            || sight::hidden(Sight::Accepts, seen).is_some() && !moves_connections(kernel, listener.netns);
        check("the number of accepts", row.accepted, listener.accepted, sees_accepts);
        check("the longest accept queue", row.accept_queue.max, listener.accept_queue_max, sees_acks);
        let (lost, recovered) = listener.connections.unzip();
        check("the number of connections that met a loss", row.connections.lost, lost, true);
        check("the number of those that got in later", row.connections.recovered, recovered, sees_acks);
        check("the limit", row.accept_queue.limit, listener.limit, true);
        if row.listener.port != address.port() {
            why.push(format!("{address}: its port is given as {}", row.listener.port));
        }
        if row.listener.address.is_some_and(|is| is != address.ip()) {
            why.push(format!("{address}: its address is given as {:?}", row.listener.address));
        }
        for pid in &listener.owners {
            if !row.listener.owners.iter().any(|owner| owner.pid == *pid) {
                why.push(format!("{address}: process {pid} holds it and is not among its owners"));
            }
        }
    }
}

fn within(is: u64, network: &NetworkMovement, name: &str, what: &str, why: &mut Vec<String>) {
    let (low, high) = (network.low.get(name), network.high.get(name));
    if !(low..=high).contains(&is) {
        let span = if low == high { high.to_string() } else { format!("{low} to {high}") };
        why.push(format!("{is} {what}, while the kernel's {name} moved by {span}"));
    }
}

pub(super) fn rows<'a>(seen: &'a Histogram, listener: &Expected) -> Vec<&'a Row> {
    seen.listeners.iter().filter(|row| listener.is(&row.listener)).collect()
}

fn in_network(seen: &Histogram, netns: u32) -> impl Iterator<Item = &Row> {
    seen.listeners.iter().filter(move |row| row.listener.netns == netns)
}

pub(super) fn counts_as_loss(name: &str) -> bool {
    let told_apart = |reason: Reason| !reason.counters().is_empty() && !TIMELY.contains(&reason);
    Reason::from_name(name).is_none_or(told_apart)
}

fn moves(reason: &str, counter: &str) -> bool {
    Reason::from_name(reason).is_some_and(|reason| reason.moves(counter))
}

/// Whether connections moved from one listener to another: then they were
/// finished at one and accepted at the other.
fn moves_connections(kernel: &Kernel, netns: u32) -> bool {
    let of = kernel.networks.iter().find(|network| network.netns == netns);
    of.is_some_and(|network| network.high.get("TCPMigrateReqSuccess") > 0)
}
