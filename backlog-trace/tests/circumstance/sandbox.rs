//! System calls that a sandbox does not let pass: seccomp, in the child alone.

use super::{Row, Then, row};
use crate::tool::Circumstances;

const NO_CALL: &[&str] = &["bpf()", "ENOSYS", "sandbox", "seccomp"];
const NO_PERMISSION: &[&str] = &["EPERM", "seccomp"];
const NO_SOCK_DIAG: Then = Then::Says(&["sock_diag"]);

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("bpf() is unknown", |command| {
            command.refusing(libc::SYS_bpf, None, libc::ENOSYS);
        })
        .polls(NO_CALL),
        row("bpf() is forbidden", |command| {
            command.refusing(libc::SYS_bpf, None, libc::EPERM);
        })
        .polls(NO_PERMISSION),
        // Kprobes alone need it.
        row("perf_event_open() is unknown", |command| {
            command.refusing(libc::SYS_perf_event_open, None, libc::ENOSYS);
        }),
        row("perf_event_open() is forbidden", |command| {
            command.refusing(libc::SYS_perf_event_open, None, libc::EPERM);
        }),
        Row {
            check: NO_SOCK_DIAG,
            listeners: NO_SOCK_DIAG,
            observe: NO_SOCK_DIAG,
            ..row("netlink sockets are unknown", |command| {
                command.refusing(libc::SYS_socket, Some(libc::AF_NETLINK.unsigned_abs()), libc::EAFNOSUPPORT);
            })
        },
        Row {
            check: NO_SOCK_DIAG,
            listeners: NO_SOCK_DIAG,
            observe: NO_SOCK_DIAG,
            ..row("netlink sockets are forbidden", |command| {
                command.refusing(libc::SYS_socket, Some(libc::AF_NETLINK.unsigned_abs()), libc::EPERM);
            })
        },
        Row {
            check: Then::Says(&["Landlock"]),
            ..row("Landlock is unknown", |command| {
                command.refusing(libc::SYS_landlock_create_ruleset, None, libc::ENOSYS);
            })
        },
        row("setns() is forbidden", |command| {
            command.refusing(libc::SYS_setns, None, libc::EPERM);
        }),
        row("membarrier() is forbidden", |command| {
            command.refusing(libc::SYS_membarrier, None, libc::EPERM);
        }),
        row("sched_setaffinity() is forbidden", |command| {
            command.refusing(libc::SYS_sched_setaffinity, None, libc::EPERM);
        }),
        row("prlimit() is forbidden", |command| {
            command.refusing(libc::SYS_prlimit64, None, libc::EPERM);
        }),
    ]
}
