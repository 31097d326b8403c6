//! The sysctls of a namespace that decide what becomes of a listener's queues.
//! They are read, never written.

/// Their values; `None` where the file is missing or not readable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sysctls {
    /// `net.core.somaxconn`: caps what an application may ask for in listen().
    pub somaxconn: Option<u32>,
    /// `net.ipv4.tcp_max_syn_backlog`: with cookies off, the last quarter of
    /// it is kept for clients that have proved themselves before.
    pub max_syn_backlog: Option<u32>,
    /// `net.ipv4.tcp_syncookies`: 0 never, 1 when the SYN queue is full, 2 always.
    pub syncookies: Option<u32>,
    /// `net.ipv4.tcp_abort_on_overflow`: 1 answers a refused final ACK with a RST.
    pub abort_on_overflow: Option<u32>,
    /// `net.ipv4.tcp_synack_retries`: how often a SYN+ACK is sent again.
    pub synack_retries: Option<u32>,
}

impl Sysctls {
    /// Those of the calling thread's network namespace: /proc/sys/net shows
    /// the namespace of the thread that opens the file
    /// (`net_ctl_header_lookup()`, net/sysctl_net.c).
    pub(super) fn of_this_thread() -> Self {
        Self {
            somaxconn: somaxconn(),
            max_syn_backlog: read("ipv4/tcp_max_syn_backlog"),
            syncookies: read("ipv4/tcp_syncookies"),
            abort_on_overflow: read("ipv4/tcp_abort_on_overflow"),
            synack_retries: read("ipv4/tcp_synack_retries"),
        }
    }
}

/// That of the calling thread's network namespace.
pub(super) fn somaxconn() -> Option<u32> {
    read("core/somaxconn")
}

fn read(name: &str) -> Option<u32> {
    let bytes = super::process::read_bounded(&format!("/proc/sys/net/{name}"), 64).ok()?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_nothing_else() {
        for (bytes, expected) in [
            (&b"4096\n"[..], Some(4096)),
            (b"0\n", Some(0)),
            (b"-1\n", None),
            (b"4294967296\n", None),
            (b"1\t2\n", None),
            (b"", None),
            (b"\xff", None),
        ] {
            assert_eq!(parse(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn this_kernel_has_all_of_them() {
        let sysctls = Sysctls::of_this_thread();
        assert!(sysctls.somaxconn.is_some_and(|limit| limit > 0));
        assert!(sysctls.max_syn_backlog.is_some_and(|limit| limit > 0));
        assert!(sysctls.syncookies.is_some_and(|mode| mode <= 2));
        assert!(sysctls.abort_on_overflow.is_some());
        assert!(sysctls.synack_retries.is_some());
    }
}
