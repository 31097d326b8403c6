//! The sysctls of a namespace that decide what becomes of a connection before
//! accept(), from /proc/sys/net. They are read, never written.

use backlog_trace_model::listener::Sysctls;

use super::process::read_bounded;

/// Those of the calling thread's network namespace: /proc/sys/net shows the
/// namespace of the thread that opens the file (`net_ctl_header_lookup()`,
/// net/sysctl_net.c). One whose file is missing or not readable is unknown.
pub(super) fn sysctls() -> Sysctls {
    Sysctls::by_name(|name| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        parse(&read_bounded(&path, 64).ok()?)
    })
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
    fn this_kernel_has_those_that_every_kernel_has() {
        let sysctls = sysctls();
        assert!(sysctls.somaxconn.is_some_and(|limit| limit > 0));
        assert!(sysctls.tcp_max_syn_backlog.is_some() && sysctls.tcp_synack_retries.is_some());
        assert!(sysctls.tcp_abort_on_overflow.is_some() && sysctls.tcp_fastopen.is_some());
    }
}
