//! The kernel's own counters of a namespace, from `/proc/net/netstat`.
//!
//! The file holds pairs of lines, names and values, each led by the table's
//! name. Columns move between kernel versions, so they are found by name.

use backlog_trace_common::counter::{ALL, COUNTERS, Counter};

/// More than the file can hold: 6.18 has about 150 names and values in it,
/// 5 KiB altogether.
pub(super) const LONGEST: u64 = 256 * 1024;

/// The audited counters, and those that tell some of their movements apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counters {
    /// In the order of [`ALL`].
    pub audited: [u64; COUNTERS],
    /// `SyncookiesRecv`: final ACKs with a valid cookie. Each of them is
    /// counted before a full accept queue can refuse it (`cookie_v4_check()`,
    /// net/ipv4/syncookies.c, 5.10 to 7.2).
    pub cookies_returned: u64,
    /// `TCPFastOpenPassiveFail`: Fast Open children that could not be made,
    /// among the drops although the handshake goes on (`tcp_try_fastopen()`,
    /// net/ipv4/tcp_fastopen.c).
    pub fastopen_failed: u64,
}

/// The audited counters in the order of [`ALL`], or the name of one that is not there.
pub(super) fn parse(netstat: &[u8]) -> Result<[u64; COUNTERS], &'static str> {
    named(netstat, ALL.map(Counter::name))
}

/// The audited counters, and the two by which their movements are told apart.
pub(super) fn parse_all(netstat: &[u8]) -> Result<Counters, &'static str> {
    let [cookies_returned, fastopen_failed] = named(netstat, ["SyncookiesRecv", "TCPFastOpenPassiveFail"])?;
    Ok(Counters { audited: parse(netstat)?, cookies_returned, fastopen_failed })
}

fn named<const N: usize>(netstat: &[u8], wanted: [&'static str; N]) -> Result<[u64; N], &'static str> {
    let text = String::from_utf8_lossy(netstat);
    let mut tables = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (tables.next().unwrap_or_default(), tables.next().unwrap_or_default());
    let mut found = [None; N];
    for (name, value) in names.split_ascii_whitespace().zip(values.split_ascii_whitespace()) {
        for (wanted, found) in wanted.iter().zip(&mut found) {
            if *wanted == name {
                *found = value.parse().ok();
            }
        }
    }
    let mut counts = [0; N];
    for ((name, found), count) in wanted.into_iter().zip(found).zip(&mut counts) {
        *count = found.ok_or(name)?;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: &str = "SyncookiesSent SyncookiesRecv ListenOverflows ListenDrops TCPReqQFullDoCookies \
                         TCPReqQFullDrop TCPSynRetrans";

    #[track_caller]
    fn check(text: &str, expected: Result<[u64; COUNTERS], &'static str>) {
        assert_eq!(parse(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn values_are_found_by_name() {
        // Order of ALL: overflows, drops, full drop, cookies wanted, cookies sent, sent again.
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3 4 5 6 8\n"), Ok([3, 4, 6, 5, 1, 8]));
        check(
            &format!(
                "MPTcpExt: ListenDrops\nMPTcpExt: 99\nTcpExt: New {NAMES}\nTcpExt: 7 1 2 3 4 5 6 8\nIpExt: A\nIpExt: 1\n"
            ),
            Ok([3, 4, 6, 5, 1, 8]),
        );
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3 {} 5 6 8\n", u64::MAX), Ok([3, u64::MAX, 6, 5, 1, 8]));
    }

    #[test]
    fn what_is_not_there_is_named() {
        check("", Err("ListenOverflows"));
        check(&format!("TcpExt: {NAMES}\n"), Err("ListenOverflows"));
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3\n"), Err("ListenDrops"));
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3 four 5 6 8\n"), Err("ListenDrops"));
        check("TcpExt: ListenOverflows ListenDrops\nTcpExt: 1 2\n", Err("TCPReqQFullDrop"));
    }

    #[test]
    fn what_tells_movements_apart_is_read_too() {
        let text = format!("TcpExt: {NAMES} TCPFastOpenPassiveFail\nTcpExt: 1 2 3 4 5 6 8 7\n");
        let all = Counters { audited: [3, 4, 6, 5, 1, 8], cookies_returned: 2, fastopen_failed: 7 };
        assert_eq!(parse_all(text.as_bytes()), Ok(all));
        assert_eq!(parse_all(b"TcpExt: SyncookiesRecv\nTcpExt: 2\n"), Err("TCPFastOpenPassiveFail"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, words in "(TcpExt: |ListenDrops|[ 0-9\n])*") {
            let _ = parse(&bytes);
            let _ = parse(words.as_bytes());
        }
    }
}
