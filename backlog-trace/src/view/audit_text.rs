//! The balance, and how complete the observation was, in words.

use backlog_trace_common::counter::Counter;

use crate::event::{Rung, Session};
use crate::tally::{NamespaceAudit, Report, SocketDrops};

use super::bars::fold;
use super::escape::Sanitized;
use super::paint::{ALARM, painted};
use super::sources_text;

/// What is printed of each namespace: `attributed of kernel`.
const SHOWN: [(Counter, &str); 4] = [
    (Counter::ListenOverflows, "ListenOverflows"),
    (Counter::ListenDrops, "ListenDrops"),
    (Counter::ReqQFullDrop, "TCPReqQFullDrop"),
    (Counter::ReqQFullDoCookies, "cookies"),
];

/// The audit of a report, one line per namespace that counted anything, and
/// one on hooks where not all are attached in the best way.
pub(super) fn lines(report: &Report, gaps: &[String], columns: Option<usize>) -> Vec<String> {
    let moved = |audit: &&NamespaceAudit| {
        audit.kernel.iter().flatten().chain(&audit.attributed).any(|count| *count > 0) || !audit.balances()
    };
    let mut audits: Vec<&NamespaceAudit> = report.audit.iter().filter(moved).collect();
    if audits.is_empty() {
        audits.extend(report.audit.first());
    }
    let missed = format!("details missed {}", report.details.missed);
    let mut lines = Vec::new();
    for (at, audit) in audits.iter().enumerate() {
        let intro = if audits.len() == 1 {
            "audit: ".to_owned()
        } else {
            format!("audit of netns {}: ", audit.netns)
        };
        let end = if at + 1 == audits.len() { format!("; {missed}") } else { String::new() };
        lines.push(line(audit, &intro, &end, columns));
    }
    if audits.is_empty() {
        lines.push(format!("audit: no counts were received; {missed}"));
    }
    lines.extend(audits.iter().filter_map(|audit| unlisted(audit)));
    if report.is_final {
        lines.extend(report.session.as_deref().and_then(|session| hooks(session, columns)));
        lines.extend(sources_text::lines(&report.sources, columns));
        lines.extend(incomplete(report, gaps));
    }
    lines
}

/// What is not in a replay.
fn incomplete(report: &Report, gaps: &[String]) -> Vec<String> {
    if gaps.is_empty() && !report.complete {
        return vec![painted(ALARM, "incomplete: the events stop before the observation ended")];
    }
    gaps.iter().map(|gap| painted(ALARM, &format!("incomplete: the recording {}", Sanitized(gap)))).collect()
}

fn line(audit: &NamespaceAudit, intro: &str, end: &str, columns: Option<usize>) -> String {
    let at_fault = |counter: Counter| {
        audit.unaccounted.is_some_and(|rests| rests.get(counter.index()).is_some_and(|rest| *rest != 0))
    };
    let rare = [Counter::SyncookiesSent, Counter::SynRetrans].map(|counter| (counter, counter.name()));
    let shown = SHOWN.iter().copied().chain(rare.into_iter().filter(|(counter, _)| at_fault(*counter)));
    let mut parts: Vec<String> = shown.map(|(counter, name)| balance(audit, counter, name)).collect();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, intro);
    }
    if let Some(last) = parts.last_mut() {
        last.push_str(end);
    }
    fold(&parts, ", ", columns)
}

fn balance(audit: &NamespaceAudit, counter: Counter, name: &str) -> String {
    let at = counter.index();
    let number = |counts: &[u64]| counts.get(at).copied().unwrap_or(0);
    let attributed = number(&audit.attributed);
    // Counters that could not be read are no 0.
    let (Some(kernel), Some(rests)) = (&audit.kernel, &audit.unaccounted) else {
        return format!("{name} {attributed} of -");
    };
    format!("{name} {attributed} of {}{}", number(kernel), rest(rests.get(at).copied().unwrap_or(0)))
}

/// What does not balance, loudly; nothing where it does.
fn rest(unaccounted: i64) -> String {
    match unaccounted {
        0 => String::new(),
        1.. => painted(ALARM, &format!(" ({unaccounted} unaccounted for)")),
        _ => painted(ALARM, &format!(" ({} more than the kernel counted)", unaccounted.unsigned_abs())),
    }
}

fn unlisted(audit: &NamespaceAudit) -> Option<String> {
    let parts: Vec<String> =
        audit.unlisted.iter().map(|(reason, count)| format!("{} {count}", reason.name())).collect();
    (!parts.is_empty())
        .then(|| format!("netns {}: on listeners beyond the table: {}", audit.netns, parts.join(", ")))
}

/// A listener's `sk_drops`; nothing where the kernel counted none.
pub(super) fn socket(drops: SocketDrops) -> Option<String> {
    let seen = drops.attributed.saturating_add(drops.explained);
    let Some(kernel) = drops.kernel else { return (seen > 0).then(|| format!("sk_drops {seen} of -")) };
    if kernel == 0 {
        return None;
    }
    let harmless = match drops.explained {
        0 => String::new(),
        count => format!(", {count} of them by packets that lost nothing"),
    };
    Some(format!("sk_drops {seen} of {kernel}{harmless}{}", rest(drops.unaccounted.unwrap_or(0))))
}

/// Hooks that are missing or not on the best rung, by their names: why is for
/// `check` to tell, and for JSON. Nothing where all are.
pub(super) fn hooks(session: &Session, columns: Option<usize>) -> Option<String> {
    if session.is_polled() {
        return Some(polled(session, columns));
    }
    let mut parts = Vec::new();
    for rung in [Rung::Kprobe, Rung::Tracepoint] {
        let on: Vec<&str> = session
            .hooks
            .iter()
            .filter(|hook| hook.rung == Some(rung))
            .map(|hook| hook.hook.as_str())
            .collect();
        if !on.is_empty() {
            parts.push(format!("{} on {}", Sanitized(&on.join(" ")), rung.name()));
        }
    }
    let missing: Vec<&str> =
        session.hooks.iter().filter(|hook| hook.rung.is_none()).map(|hook| hook.hook.as_str()).collect();
    if !missing.is_empty() {
        parts.push(painted(ALARM, &format!("{} missing", Sanitized(&missing.join(" ")))));
    }
    let first = parts.first_mut()?;
    first.insert_str(0, "hooks: ");
    Some(fold(&parts, "; ", columns))
}

/// That nothing is attached, why, and what that means.
fn polled(session: &Session, columns: Option<usize>) -> String {
    let parts = [
        "polled: sockets and counters, no hooks".to_owned(),
        "a listener and a reason are named only where the counters leave no choice".to_owned(),
    ];
    let why = session.hooks.iter().filter(|hook| hook.rung == Some(Rung::Counters)).find_map(|hook| {
        let why = hook.why.as_deref()?;
        Some(format!("nothing is attached because {}", Sanitized(why)))
    });
    let parts: Vec<String> = parts.into_iter().chain(why).collect();
    painted(ALARM, &fold(&parts, "; ", columns))
}
