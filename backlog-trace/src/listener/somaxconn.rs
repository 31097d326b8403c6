//! `net.core.somaxconn` of a namespace, which caps what an application may ask
//! for in listen(). It is read, never written.

/// That of the calling thread's network namespace: /proc/sys/net shows the
/// namespace of the thread that opens the file (`net_ctl_header_lookup()`,
/// net/sysctl_net.c). `None` where the file is missing or not readable.
pub(super) fn somaxconn() -> Option<u32> {
    parse(&super::process::read_bounded("/proc/sys/net/core/somaxconn", 64).ok()?)
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
    fn this_kernel_has_it() {
        assert!(somaxconn().is_some_and(|limit| limit > 0));
    }
}
