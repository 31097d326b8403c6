//! What a text is about: when it was, and on which host.

use jiff::tz::TimeZone;

use crate::escape::Sanitized;
use crate::quantity::span;
use crate::tally::Report;

use super::{names, units};

/// `2026-11-20 10:00:00 to 10:00:10 UTC (10 s)`.
pub(super) fn stretch(report: &Report, zone: &TimeZone) -> String {
    let [from, to] = [report.from, report.to].map(|time| report.unix_ns(time));
    let length = span(report.to.saturating_sub(report.from) / 1000);
    format!("{} ({length})", units::stretch(from, to, zone))
}

/// The stretch of a whole run with its host: `…, web1`, or of a recording
/// `monday.trace: recorded on web1 (6.12.107), …`.
pub(super) fn of_run(report: &Report, recording: Option<&str>, zone: &TimeZone) -> String {
    let stretch = stretch(report, zone);
    match (recording, report.session.as_deref()) {
        (Some(name), session) => format!("{}: {}{stretch}", Sanitized(name), names::origin(session)),
        (None, Some(session)) => format!("{stretch}, {}", Sanitized(&session.host)),
        (None, None) => stretch,
    }
}
