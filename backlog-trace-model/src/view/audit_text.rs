//! The balance, and how complete the observation was, in words.

use backlog_trace_common::counter::{ALL, Counter};

use crate::event::{Rung, Session};
use crate::tally::{NamespaceAudit, Report, SocketDrops};

use super::bars::fold;
use super::names::Namespaces;
use super::paint::{ALARM, painted};
use super::sources_text;
use crate::escape::Sanitized;

/// Whether whoever reads a report was told on standard error, as the observation
/// began, what is not visible on this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Observed {
    /// They were: it is not said twice.
    Now,
    /// It is a recording, whose standard error nobody has.
    Before,
}

impl Observed {
    /// By the name of the recording, where one is replayed.
    pub(super) const fn of(recording: Option<&str>) -> Self {
        if recording.is_some() { Self::Before } else { Self::Now }
    }
}

/// The audit of a report: one line where every loss that the kernel counted is
/// accounted for, and one for each namespace where not; what of the details
/// was missed; of a recording, hooks that were not attached in the best way and
/// sources that could not be read.
pub(super) fn lines(report: &Report, observed: Observed, columns: Option<usize>) -> Vec<String> {
    let namespaces = Namespaces::of(report);
    let (whole, unbalanced): (Vec<&NamespaceAudit>, Vec<_>) =
        report.audit.iter().partition(|audit| audit.balances());
    let mut lines: Vec<String> =
        unbalanced.iter().map(|audit| unattributed(audit, &namespaces, columns)).collect();
    lines.extend(accounted_for(&whole, !unbalanced.is_empty()));
    lines.extend(report.audit.iter().filter_map(|audit| unlisted(audit, &namespaces)));
    lines.extend(report.audit.iter().filter_map(|audit| unread(audit, &namespaces)));
    lines.extend(missed(report.details.missed));
    if report.is_final {
        lines.extend(report.session.as_deref().and_then(|session| hooks(session, observed, columns)));
        if observed == Observed::Before {
            lines.extend(sources_text::lines(&report.sources, columns));
        }
        lines.extend(incomplete(report));
    }
    lines
}

/// Namespaces whose counters balance, in one line; nothing where `others` do
/// not and these have lost nothing.
fn accounted_for(whole: &[&NamespaceAudit], others: bool) -> Option<String> {
    let losses = |audit: &&NamespaceAudit| {
        audit.kernel.and_then(|kernel| kernel.get(Counter::ListenDrops.index()).copied())
    };
    let total = whole.iter().filter_map(losses).fold(0, u64::saturating_add);
    match (total, others) {
        (0, true) => None,
        (0, false) => Some("kernel counters: no loss".to_owned()),
        (1, false) => Some("kernel counters: the 1 loss accounted for".to_owned()),
        (_, false) => Some(format!("kernel counters: all {total} losses accounted for")),
        (_, true) => Some(format!(
            "kernel counters of every other namespace: {} accounted for",
            if total == 1 { "the 1 loss".to_owned() } else { format!("all {total} losses") }
        )),
    }
}

/// Details that found no room in the ring buffer.
fn missed(count: u64) -> Option<String> {
    let text = match count {
        0 => return None,
        1 => "1 loss, handshake or retransmit without its client: the ring buffer was full".to_owned(),
        _ => format!(
            "{count} losses, handshakes or retransmits without their client: the ring buffer was full"
        ),
    };
    Some(painted(ALARM, &text))
}

/// What is not in a replay.
fn incomplete(report: &Report) -> Vec<String> {
    if report.gaps.is_empty() && !report.complete {
        return vec![painted(ALARM, "incomplete: the events stop before the observation ended")];
    }
    report
        .gaps
        .iter()
        .map(|gap| painted(ALARM, &format!("incomplete recording: {}", Sanitized(gap))))
        .collect()
}

/// `ListenDrops 3 of 6 (3 unattributed)` for each counter that does not balance.
fn unattributed(audit: &NamespaceAudit, namespaces: &Namespaces<'_>, columns: Option<usize>) -> String {
    let mut parts: Vec<String> = ALL
        .iter()
        .zip(audit.kernel.iter().flatten().zip(&audit.attributed).zip(audit.unaccounted.iter().flatten()))
        .filter(|(_, (_, rest))| **rest != 0)
        .map(|(counter, ((kernel, attributed), unattributed))| {
            format!("{} {attributed} of {kernel}{}", counter.name(), rest(*unattributed))
        })
        .collect();
    if let Some(first) = parts.first_mut() {
        let of = namespaces.label(audit.netns).map_or_else(String::new, |label| format!(" of {label}"));
        first.insert_str(0, &format!("kernel counters{of}: attributed are "));
    }
    fold(&parts, ", ", columns)
}

/// A namespace whose counters could not be read: what was lost there is known
/// by the hooks alone.
fn unread(audit: &NamespaceAudit, namespaces: &Namespaces<'_>) -> Option<String> {
    let lost = audit.attributed.get(Counter::ListenDrops.index()).copied().unwrap_or(0);
    if audit.kernel.is_some() || lost == 0 {
        return None;
    }
    let place = namespaces.label(audit.netns).map_or_else(String::new, |label| format!(" of {label}"));
    let losses = if lost == 1 { "1 loss".to_owned() } else { format!("{lost} losses") };
    Some(format!("kernel counters{place} cannot be read: {losses} by the hooks alone"))
}

/// What does not balance, loudly; nothing where it does.
fn rest(unattributed: i64) -> String {
    match unattributed {
        0 => String::new(),
        1.. => painted(ALARM, &format!(" ({unattributed} unattributed)")),
        _ => painted(ALARM, &format!(" ({} more than the kernel counted)", unattributed.unsigned_abs())),
    }
}

/// What the namespace's listeners met that are not named.
fn unlisted(audit: &NamespaceAudit, namespaces: &Namespaces<'_>) -> Option<String> {
    let parts: Vec<String> =
        audit.unlisted.iter().map(|(reason, count)| format!("{} {count}", reason.name())).collect();
    let of = namespaces.label(audit.netns).map_or_else(String::new, |label| format!(" of {label}"));
    (!parts.is_empty()).then(|| {
        format!("listeners{of} that are not named (closed, or no room in the table): {}", parts.join(", "))
    })
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
        count => format!(", {count} of them harmless"),
    };
    Some(match drops.unaccounted.unwrap_or(0) {
        0 => format!("drops that the socket counted (sk_drops): {kernel}, all accounted for{harmless}"),
        unattributed => {
            let rest = rest(unattributed);
            format!(
                "drops that the socket counted (sk_drops): {kernel}, attributed are {seen}{harmless}{rest}"
            )
        }
    })
}

/// How hooks are attached, where it is not in the best way, by their names: why
/// is for `check` to tell, and for JSON. Nothing where all are.
fn hooks(session: &Session, observed: Observed, columns: Option<usize>) -> Option<String> {
    if session.is_polled() {
        return Some(polled(session, observed, columns));
    }
    if observed == Observed::Now {
        return None;
    }
    let mut parts = Vec::new();
    for rung in [Rung::Kprobe, Rung::Tracepoint] {
        let by = session.hooks.iter().filter(|hook| hook.rung == Some(rung));
        let names: Vec<&str> = by.map(|hook| hook.hook.as_str()).collect();
        if !names.is_empty() {
            parts.push(format!("{} for {}", rung.name(), Sanitized(&names.join(" "))));
        }
    }
    let missing: Vec<&str> =
        session.hooks.iter().filter(|hook| hook.rung.is_none()).map(|hook| hook.hook.as_str()).collect();
    if !missing.is_empty() {
        parts.push(painted(ALARM, &format!("not visible on this kernel: {}", Sanitized(&missing.join(" ")))));
    }
    let first = parts.first_mut()?;
    first.insert_str(0, "attach method: ");
    Some(fold(&parts, "; ", columns))
}

/// That nothing is attached and what that means, without which the numbers above are
/// misread; of a recording also why.
fn polled(session: &Session, observed: Observed, columns: Option<usize>) -> String {
    let parts = [
        "polled: sockets and counters, no hooks".to_owned(),
        "a listener and a reason are named only where the counters leave no choice".to_owned(),
    ];
    let why = session.hooks.iter().filter(|hook| hook.rung == Some(Rung::Counters)).find_map(|hook| {
        let why = hook.why.as_deref()?;
        Some(format!("nothing is attached because {}", Sanitized(why)))
    });
    let why = why.filter(|_| observed == Observed::Before);
    let parts: Vec<String> = parts.into_iter().chain(why).collect();
    painted(ALARM, &fold(&parts, "; ", columns))
}
