//! The parsers of this module for the fuzz targets, which are another crate.
//! It exists in fuzzing builds only.

use super::message::{Flaws, read};
use super::process::numbered;
use super::{cgroup, counters, mountinfo};

/// Reads a netlink datagram that answers request `sequence`; what each socket
/// in it says of itself.
pub fn netlink(datagram: &[u8], sequence: u32) -> Vec<String> {
    let mut sockets = Vec::new();
    let _ = read(datagram, sequence, &mut Flaws::default(), |socket| sockets.push(format!("{socket:?}")));
    sockets
}

/// Reads the bytes as each of the /proc files and links that name listeners.
pub fn proc(bytes: &[u8]) {
    let _ = counters::parse(bytes);
    let _ = counters::parse_all(bytes);
    for (_, point) in mountinfo::namespaces(bytes) {
        assert!(point.as_os_str().len() <= bytes.len());
    }
    let _ = cgroup::parse(&String::from_utf8_lossy(bytes));
    for kind in ["socket", "net"] {
        let _ = numbered(bytes, kind);
    }
}
