//! The kernel's own counters of a namespace, from `/proc/net/netstat`.
//!
//! The file holds pairs of lines, names and values, each led by the table's
//! name. Columns move between kernel versions, so they are found by name.

use backlog_trace_common::counter::{ALL, COUNTERS};

/// More than the file can hold: 6.18 has about 150 names and values in it,
/// 5 KiB altogether.
pub(super) const LONGEST: u64 = 256 * 1024;

/// The counters in the order of [`ALL`], or the name of one that is not there.
pub(super) fn parse(netstat: &[u8]) -> Result<[u64; COUNTERS], &'static str> {
    let text = String::from_utf8_lossy(netstat);
    let mut tables = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (tables.next().unwrap_or_default(), tables.next().unwrap_or_default());
    let mut found = [None; COUNTERS];
    for (name, value) in names.split_ascii_whitespace().zip(values.split_ascii_whitespace()) {
        for counter in ALL {
            if counter.name() == name {
                found[counter.index()] = value.parse().ok();
            }
        }
    }
    let mut counts = [0; COUNTERS];
    for counter in ALL {
        counts[counter.index()] = found[counter.index()].ok_or(counter.name())?;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: &str =
        "SyncookiesSent SyncookiesRecv ListenOverflows ListenDrops TCPReqQFullDoCookies TCPReqQFullDrop";

    #[track_caller]
    fn check(text: &str, expected: Result<[u64; COUNTERS], &'static str>) {
        assert_eq!(parse(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn values_are_found_by_name() {
        // Order of ALL: overflows, drops, full drop, cookies wanted, cookies sent.
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3 4 5 6\n"), Ok([3, 4, 6, 5, 1]));
        check(
            &format!(
                "MPTcpExt: ListenDrops\nMPTcpExt: 99\nTcpExt: New {NAMES}\nTcpExt: 7 1 2 3 4 5 6\nIpExt: A\nIpExt: 1\n"
            ),
            Ok([3, 4, 6, 5, 1]),
        );
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3 {} 5 6\n", u64::MAX), Ok([3, u64::MAX, 6, 5, 1]));
    }

    #[test]
    fn what_is_not_there_is_named() {
        check("", Err("ListenOverflows"));
        check(&format!("TcpExt: {NAMES}\n"), Err("ListenOverflows"));
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3\n"), Err("ListenDrops"));
        check(&format!("TcpExt: {NAMES}\nTcpExt: 1 2 3 four 5 6\n"), Err("ListenDrops"));
        check("TcpExt: ListenOverflows ListenDrops\nTcpExt: 1 2\n", Err("TCPReqQFullDrop"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, words in "(TcpExt: |ListenDrops|[ 0-9\n])*") {
            let _ = parse(&bytes);
            let _ = parse(words.as_bytes());
        }
    }
}
