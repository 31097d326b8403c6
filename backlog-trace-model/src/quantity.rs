//! Numbers with their units, as a person reads them.

/// `1 packet`, `2 packets`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `1 process`, `2 processes`: a noun whose plural is not made by an s.
pub fn counted_as(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `1 packet was`, `2 packets were`.
pub fn were(count: u64, noun: &str) -> String {
    format!("{} {}", counted(count, noun), if count == 1 { "was" } else { "were" })
}

/// A stretch of time in microseconds, with two or three digits: `850 us`, `1.0 s`, `2.5 min`.
pub fn span(us: u64) -> String {
    let (unit, name) = match us {
        0..1_000 => return format!("{us} us"),
        1_000..1_000_000 => (1_000, "ms"),
        1_000_000..60_000_000 => (1_000_000, "s"),
        60_000_000..3_600_000_000 => (60_000_000, "min"),
        _ => (3_600_000_000, "h"),
    };
    let tenths = us.saturating_mul(10) / unit;
    if tenths >= 100 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// Seconds as [`span`] has them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of more than an integer holds gives its maximum, of less than nothing 0"
)]
pub fn span_of(seconds: f64) -> String {
    span((seconds * 1e6) as u64)
}

/// A rate with two or three digits: `0.5`, `18`, `1250`.
pub fn rate(per_second: f64) -> String {
    if per_second < 9.95 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_span(us: u64, expected: &str) {
        assert_eq!(span(us), expected);
    }

    #[test]
    fn spans() {
        check_span(0, "0 us");
        check_span(999, "999 us");
        check_span(1_000, "1.0 ms");
        check_span(1_024, "1.0 ms");
        check_span(16_383, "16 ms");
        check_span(999_999, "999 ms");
        check_span(1_030_000, "1.0 s");
        check_span(59_999_999, "59 s");
        check_span(150_000_000, "2.5 min");
        check_span(7_200_000_000, "2.0 h");
        check_span(u64::MAX, "512409557 h");
        assert_eq!(span_of(1.5), "1.5 s");
        assert_eq!([span_of(-1.0), span_of(f64::NAN)], ["0 us", "0 us"]);
    }

    #[test]
    fn rates() {
        assert_eq!([0.04, 0.5, 9.94, 9.96, 1249.6].map(rate), ["0.0", "0.5", "9.9", "10", "1250"]);
    }
}
