//! What the tool concludes against what the scenario made.

use super::counts;
use crate::expectation::{Expectation, Expected};
use crate::found::Found;
use crate::seen::{Finding, Histogram};

/// What is found of the host when no listener lost anything.
const ACQUITTAL: &str = "nobody_refused";

/// Findings of each listener that says something of them.
pub(super) fn found(expected: &Expectation, seen: &Histogram, why: &mut Vec<String>) {
    for listener in &expected.listeners {
        let Some(must) = &listener.finds else { continue };
        let address = listener.address;
        if !seen.is_final {
            why.push(format!("{address}: findings are expected of an interval, which has no history"));
            continue;
        }
        let found = of(seen, listener);
        for must in must {
            match found.iter().find(|found| found.kind == must.kind) {
                Some(found) => evidence(must, found, &address.to_string(), why),
                None if must.perhaps => {}
                None => why.push(format!("{address}: {} was not found", must.kind)),
            }
        }
        for found in found.iter().filter(|found| !must.iter().any(|must| must.kind == found.kind)) {
            why.push(format!("{address}: {} was found, which the scenario did not make", found.kind));
        }
    }
}

/// The acquittal of the host, where the scenario says of all its listeners what
/// is found.
pub(super) fn acquittal(expected: &Expectation, seen: &Histogram, why: &mut Vec<String>) {
    if !seen.is_final || expected.listeners.iter().any(|listener| listener.finds.is_none()) {
        return;
    }
    let is_found = seen.findings.iter().any(|finding| finding.kind == ACQUITTAL);
    match (is_found, is_clean(seen)) {
        (true, false) => why.push(format!("{ACQUITTAL} was found, although somebody lost packets")),
        (false, true) => why.push(format!("{ACQUITTAL} was not found, although nothing was lost")),
        (true, true) | (false, false) => {}
    }
}

/// The tool's findings of one listener. They name it by its cookie.
fn of<'a>(seen: &'a Histogram, listener: &Expected) -> Vec<&'a Finding> {
    let cookies: Vec<u64> =
        counts::rows(seen, listener).iter().filter_map(|row| row.listener.cookie).collect();
    let is_of = |finding: &&Finding| {
        let cookie = finding.listener.as_ref().and_then(|who| who.cookie);
        cookie.is_some_and(|cookie| cookies.contains(&cookie))
    };
    seen.findings.iter().filter(is_of).collect()
}

fn evidence(must: &Found, found: &Finding, address: &str, why: &mut Vec<String>) {
    for (name, bounds) in &must.evidence {
        let is = found.evidence.get(*name).and_then(serde_json::Value::as_f64);
        let holds =
            is.is_some_and(|is| (f64::from(*bounds.start())..=f64::from(*bounds.end())).contains(&is));
        if !holds {
            let is = is.map_or("not known".to_owned(), |is| is.to_string());
            let (from, to) = (bounds.start(), bounds.end());
            let span = if from == to { from.to_string() } else { format!("{from} to {to}") };
            why.push(format!("{address}: {name} of {} is {is}, not {span}", must.kind));
        }
    }
}

/// Whether nothing was lost anywhere, by anybody: others of the host may lose
/// something meanwhile.
fn is_clean(seen: &Histogram) -> bool {
    let is_listener_clean = |row: &crate::seen::Row| {
        let drops = &row.sk_drops;
        let lost = row.packets.iter().any(|(name, count)| *count > 0 && counts::counts_as_loss(name));
        !lost && drops.kernel.unwrap_or(0) == drops.explained
    };
    let is_balanced = |audit: &crate::seen::Audit| {
        audit.unlisted.values().all(|count| *count == 0) && audit.unaccounted.values().all(|rest| *rest == 0)
    };
    // What a listener lost by closing is a finding, and no packet.
    !seen.findings.iter().any(|finding| finding.severity == "loss")
        && seen.listeners.iter().all(is_listener_clean)
        && seen.audit.iter().all(is_balanced)
}
