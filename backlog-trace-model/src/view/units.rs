//! Instants and stretches of time as they are printed.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::escape::Sanitized;

/// An instant of Unix time in ns; one that no calendar holds is its first or last.
pub(super) fn instant(unix_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(unix_ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// RFC 3339 in UTC with nine digits: `2026-11-20T10:00:01.123456789Z`.
pub(crate) fn rfc3339(unix_ns: i64) -> String {
    format!("{:.9}", instant(unix_ns))
}

/// Time of day with `digits` of the second's fraction: `10:00:01.123456`.
pub(super) fn clock(unix_ns: i64, digits: usize, zone: &TimeZone) -> String {
    let local = instant(unix_ns).to_zoned(zone.clone());
    match digits {
        0 => local.strftime("%H:%M:%S").to_string(),
        3 => local.strftime("%H:%M:%S%.3f").to_string(),
        _ => local.strftime("%H:%M:%S%.6f").to_string(),
    }
}

/// The day of an instant, and in which zone that is: what a stretch of times of
/// day says once. Two that are alike need no other.
pub(super) fn day(unix_ns: i64, zone: &TimeZone) -> String {
    let local = instant(unix_ns).to_zoned(zone.clone());
    format!("{}, times in {}", local.strftime("%Y-%m-%d"), zone_name(&local))
}

/// From when to when, with date and zone:
/// `2026-11-20 10:00:00 to 10:00:10 UTC`.
pub(super) fn stretch(from_unix_ns: i64, to_unix_ns: i64, zone: &TimeZone) -> String {
    let [from, to] = [from_unix_ns, to_unix_ns].map(|unix_ns| instant(unix_ns).to_zoned(zone.clone()));
    let begin = from.strftime("%Y-%m-%d %H:%M:%S");
    let end =
        if from.date() == to.date() { to.strftime("%H:%M:%S") } else { to.strftime("%Y-%m-%d %H:%M:%S") };
    // Clocks were put back or forward meanwhile.
    let moved = if from.offset() == to.offset() { String::new() } else { format!(" {}", zone_name(&from)) };
    format!("{begin}{moved} to {end} {}", zone_name(&to))
}

/// From when on: `from 2026-11-20 10:00:00 UTC`.
pub(super) fn stretch_from(unix_ns: i64, zone: &TimeZone) -> String {
    let local = instant(unix_ns).to_zoned(zone.clone());
    format!("from {} {}", local.strftime("%Y-%m-%d %H:%M:%S"), zone_name(&local))
}

/// `UTC`, `America/New_York (-05:00)`, `CET (+01:00)`.
fn zone_name(at: &Zoned) -> String {
    let (offset, abbreviation) = (at.strftime("%:z"), at.strftime("%Z").to_string());
    match at.time_zone().iana_name() {
        _ if *at.time_zone() == TimeZone::UTC => "UTC".to_owned(),
        Some(name) if at.offset().is_zero() && name.ends_with("UTC") => "UTC".to_owned(),
        // A name is that of a file, of whatever directory TZDIR says.
        Some(name) => format!("{} ({offset})", Sanitized(name)),
        None if abbreviation.starts_with(['+', '-']) => offset.to_string(),
        None => format!("{} ({offset})", Sanitized(&abbreviation)),
    }
}

/// Seconds between two stamps in ns, to the microsecond.
pub(super) fn seconds(from: u64, to: u64) -> f64 {
    Duration::from_micros(to.saturating_sub(from) / 1000).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        assert_eq!(rfc3339(1_795_168_801_123_456_000), "2026-11-20T10:00:01.123456000Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(clock(1_795_168_801_123_456_789, 6, &TimeZone::UTC), "10:00:01.123456");
        assert_eq!(clock(1_795_168_801_123_456_789, 3, &TimeZone::UTC), "10:00:01.123");
        assert_eq!(clock(1_795_168_801_123_456_789, 0, &TimeZone::UTC), "10:00:01");
    }

    #[track_caller]
    fn check_stretch(zone: &TimeZone, from: i64, seconds: i64, expected: &str) {
        let ns = |unix: i64| unix * 1_000_000_000;
        assert_eq!(stretch(ns(from), ns(from + seconds), zone), expected);
    }

    /// Expectations as `TZ=… date -d @SECONDS` prints them.
    #[test]
    fn dates_and_zones() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        check_stretch(&TimeZone::UTC, 1_795_168_800, 10, "2026-11-20 10:00:00 to 10:00:10 UTC");
        check_stretch(
            &TimeZone::get("Etc/UTC").unwrap(),
            1_795_168_800,
            0,
            "2026-11-20 10:00:00 to 10:00:00 UTC",
        );
        check_stretch(
            &new_york,
            1_795_168_800,
            10,
            "2026-11-20 05:00:00 to 05:00:10 America/New_York (-05:00)",
        );
        check_stretch(
            &TimeZone::UTC,
            1_795_168_800,
            86_400,
            "2026-11-20 10:00:00 to 2026-11-21 10:00:00 UTC",
        );
        // Clocks are put back at 06:00:00 UTC.
        check_stretch(
            &new_york,
            1_793_512_799,
            1,
            "2026-11-01 01:59:59 America/New_York (-04:00) to 01:00:00 America/New_York (-05:00)",
        );
        let posix = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        check_stretch(&posix, 1_795_168_800, 0, "2026-11-20 11:00:00 to 11:00:00 CET (+01:00)");
        assert_eq!(day(1_795_168_800_000_000_000, &TimeZone::UTC), "2026-11-20, times in UTC");
        assert_eq!(
            day(1_795_168_800_000_000_000, &TimeZone::get("Asia/Tokyo").unwrap()),
            "2026-11-20, times in Asia/Tokyo (+09:00)"
        );
    }
}
