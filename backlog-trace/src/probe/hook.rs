//! The hooks: what is attached where, and what is lost without it.

use backlog_trace_common::reason::Reason;

use crate::event::Rung;

/// How one program is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// On the way into a kernel function.
    Fentry,
    /// On the way out of a kernel function.
    Fexit,
    /// On a tracepoint, with typed arguments.
    TpBtf,
    /// Where a kernel function begins, by its registers.
    Kprobe,
    /// Where a kernel function has returned to, by its registers.
    Kretprobe,
}

/// One program of a hook.
#[derive(Debug)]
pub struct Part {
    /// Name in the eBPF object.
    pub program: &'static str,
    /// How it is attached.
    pub kind: Kind,
    /// Kernel function or tracepoint.
    pub target: &'static str,
    /// A kernel may lack or refuse it without anything being missed by that
    /// (no MPTCP, no IPv6, no cookie helper).
    pub optional: bool,
}

/// One hook: a step of the handshake.
#[derive(Debug)]
pub struct Hook {
    /// Name in every output.
    pub name: &'static str,
    /// What cannot be seen without it.
    pub gives: &'static str,
    /// The reasons that it counts; no two hooks count the same one.
    pub reasons: &'static [Reason],
    /// Without it there is nothing worth observing.
    pub required: bool,
    /// Attached only where it is asked for, because every SYN pays for it.
    pub on_request: bool,
    /// Its programs on each rung that can carry it, best first.
    pub rungs: &'static [(Rung, &'static [Part])],
}

impl Hook {
    /// Its programs on one rung; `None` where that rung cannot carry it.
    pub fn parts_on(&self, rung: Rung) -> Option<&'static [Part]> {
        self.rungs.iter().find(|(own, _)| *own == rung).map(|(_, parts)| *parts)
    }
}

const fn part(program: &'static str, kind: Kind, target: &'static str) -> Part {
    Part { program, kind, target, optional: false }
}

const fn optional(program: &'static str, kind: Kind, target: &'static str) -> Part {
    Part { program, kind, target, optional: true }
}

/// Every hook, in the order in which they are attached: listeners that open
/// while the others are attached must not be missed.
pub const HOOKS: &[Hook] = &[
    Hook {
        name: "listen",
        gives: "who called listen(), also for listeners that close at once",
        reasons: &[],
        required: true,
        on_request: false,
        rungs: &[
            (
                Rung::Fentry,
                &[
                    optional("listen_cookie", Kind::Fentry, "inet_csk_listen_start"),
                    part("listen_begin", Kind::Fentry, "inet_csk_listen_start"),
                    part("listen_done", Kind::Fexit, "inet_csk_listen_start"),
                ],
            ),
            (
                Rung::Kprobe,
                &[
                    part("listen_in", Kind::Kprobe, "inet_csk_listen_start"),
                    part("listen_out", Kind::Kretprobe, "inet_csk_listen_start"),
                ],
            ),
        ],
    },
    Hook {
        name: "close",
        gives: "connections lost in the queues of a listener that closed",
        reasons: &[Reason::ListenerClosed],
        required: false,
        on_request: false,
        rungs: &[
            (
                Rung::Fentry,
                &[
                    part("close", Kind::Fentry, "inet_csk_listen_stop"),
                    part("unaccepted", Kind::Fentry, "inet_child_forget"),
                    part("close_done", Kind::Fexit, "inet_csk_listen_stop"),
                ],
            ),
            (
                Rung::Kprobe,
                &[
                    part("close_in", Kind::Kprobe, "inet_csk_listen_stop"),
                    part("unaccepted_in", Kind::Kprobe, "inet_child_forget"),
                    part("close_out", Kind::Kretprobe, "inet_csk_listen_stop"),
                ],
            ),
        ],
    },
    Hook {
        name: "syn",
        gives: "SYNs refused and cookies sent",
        reasons: &[
            Reason::SynAcceptQueueFull,
            Reason::SynQueueFull,
            Reason::SynQueueReserved,
            Reason::SynNotUnicast,
            Reason::SynRefusedOther,
            Reason::SynCookieSent,
            Reason::FastopenAcceptQueueFull,
            Reason::FastopenChildFailed,
            Reason::FastopenListenerClosed,
            Reason::FastopenQueueFull,
        ],
        required: true,
        on_request: false,
        rungs: &[
            (
                Rung::Fentry,
                &[
                    part("syn_v4", Kind::Fexit, "tcp_v4_conn_request"),
                    optional("syn_v6", Kind::Fexit, "tcp_v6_conn_request"),
                    optional("syn_mptcp_v4", Kind::Fexit, "subflow_v4_conn_request"),
                    optional("syn_mptcp_v6", Kind::Fexit, "subflow_v6_conn_request"),
                ],
            ),
            (
                Rung::Kprobe,
                &[
                    part("syn_v4_in", Kind::Kprobe, "tcp_v4_conn_request"),
                    part("syn_v4_out", Kind::Kretprobe, "tcp_v4_conn_request"),
                    optional("syn_v6_in", Kind::Kprobe, "tcp_v6_conn_request"),
                    optional("syn_v6_out", Kind::Kretprobe, "tcp_v6_conn_request"),
                    optional("syn_v4_in", Kind::Kprobe, "subflow_v4_conn_request"),
                    optional("syn_v4_out", Kind::Kretprobe, "subflow_v4_conn_request"),
                    optional("syn_v6_in", Kind::Kprobe, "subflow_v6_conn_request"),
                    optional("syn_v6_out", Kind::Kretprobe, "subflow_v6_conn_request"),
                ],
            ),
        ],
    },
    Hook {
        name: "ack",
        gives: "final ACKs dropped, half-open requests reset by their client",
        reasons: &[
            Reason::AckAcceptQueueFull,
            Reason::AckChildFailed,
            Reason::AckListenerClosed,
            Reason::RequestReset,
        ],
        required: true,
        on_request: false,
        rungs: &[
            (Rung::Fentry, &[part("ack", Kind::Fexit, "tcp_check_req")]),
            (
                Rung::Kprobe,
                &[
                    part("ack_in", Kind::Kprobe, "tcp_check_req"),
                    part("ack_out", Kind::Kretprobe, "tcp_check_req"),
                ],
            ),
        ],
    },
    Hook {
        name: "cookie",
        gives: "final ACKs with a cookie dropped or refused",
        reasons: &[
            Reason::CookieAckAcceptQueueFull,
            Reason::CookieAckChildFailed,
            Reason::CookieAckInvalid,
            Reason::CookieAckLost,
        ],
        required: false,
        on_request: false,
        rungs: &[
            (
                Rung::Fentry,
                &[
                    part("cookie_v4", Kind::Fexit, "cookie_v4_check"),
                    optional("cookie_v6", Kind::Fexit, "cookie_v6_check"),
                ],
            ),
            (
                Rung::Kprobe,
                &[
                    part("cookie_v4_in", Kind::Kprobe, "cookie_v4_check"),
                    part("cookie_v4_out", Kind::Kretprobe, "cookie_v4_check"),
                    optional("cookie_v6_in", Kind::Kprobe, "cookie_v6_check"),
                    optional("cookie_v6_out", Kind::Kretprobe, "cookie_v6_check"),
                ],
            ),
        ],
    },
    Hook {
        name: "synack",
        gives: "SYN+ACKs sent again",
        reasons: &[Reason::SynackRetransmit],
        required: false,
        on_request: false,
        rungs: &[
            (Rung::Fentry, &[part("synack", Kind::TpBtf, "tcp_retransmit_synack")]),
            (
                Rung::Kprobe,
                &[
                    // Needs neither trampolines nor kprobes.
                    part("synack", Kind::TpBtf, "tcp_retransmit_synack"),
                ],
            ),
        ],
    },
    Hook {
        name: "expiry",
        gives: "half-open requests given up",
        reasons: &[Reason::SynackExpired],
        required: false,
        on_request: false,
        rungs: &[
            (
                Rung::Fentry,
                &[
                    part("request_timer", Kind::Fentry, "reqsk_timer_handler"),
                    part("request_timer_done", Kind::Fexit, "reqsk_timer_handler"),
                ],
            ),
            (
                Rung::Kprobe,
                &[
                    part("request_timer_in", Kind::Kprobe, "reqsk_timer_handler"),
                    part("request_timer_out", Kind::Kretprobe, "reqsk_timer_handler"),
                ],
            ),
        ],
    },
    Hook {
        name: "request",
        gives: "half-open requests removed by an ICMP error or an unreachable neighbour",
        required: false,
        on_request: false,
        reasons: &[Reason::RequestAborted],
        rungs: &[
            (
                Rung::Fentry,
                &[
                    part("request_error", Kind::Fentry, "tcp_req_err"),
                    part("request_aborted", Kind::Fexit, "tcp_req_err"),
                ],
            ),
            (
                Rung::Kprobe,
                &[
                    part("request_in", Kind::Kprobe, "tcp_req_err"),
                    part("request_out", Kind::Kretprobe, "tcp_req_err"),
                ],
            ),
        ],
    },
    Hook {
        name: "accept",
        gives: "connections accepted and how long they waited",
        reasons: &[],
        required: false,
        on_request: false,
        rungs: &[
            (Rung::Fentry, &[part("accept", Kind::Fexit, "inet_csk_accept")]),
            (
                Rung::Kprobe,
                &[
                    part("accept_dance", Kind::Kprobe, "inet_csk_complete_hashdance"),
                    part("accept_queued", Kind::Kprobe, "inet_csk_reqsk_queue_add"),
                    part("accept_graft", Kind::Kprobe, "security_sock_graft"),
                ],
            ),
        ],
    },
    Hook {
        name: "causes",
        gives: "why other SYNs were refused, and SYNs lost to an identical one (on request: --causes)",
        reasons: &[Reason::SynNoMemory, Reason::SynNoRoute, Reason::SynSecurityModule, Reason::SynDuplicate],
        required: false,
        on_request: true,
        rungs: &[
            (
                Rung::Fentry,
                &[
                    part("cause_memory", Kind::Fexit, "inet_reqsk_alloc"),
                    optional("cause_security", Kind::Fexit, "security_inet_conn_request"),
                    part("cause_route_v4", Kind::Fexit, "inet_csk_route_req"),
                    optional("cause_route_v6", Kind::Fexit, "inet6_csk_route_req"),
                    optional("cause_twin", Kind::Fexit, "inet_csk_reqsk_queue_hash_add"),
                ],
            ),
            (
                Rung::Kprobe,
                &[
                    part("cause_memory_out", Kind::Kretprobe, "inet_reqsk_alloc"),
                    optional("cause_security_out", Kind::Kretprobe, "security_inet_conn_request"),
                    part("cause_route_out", Kind::Kretprobe, "inet_csk_route_req"),
                    optional("cause_route_out", Kind::Kretprobe, "inet6_csk_route_req"),
                    optional("cause_twin_in", Kind::Kprobe, "inet_csk_reqsk_queue_hash_add"),
                    optional("cause_twin_out", Kind::Kretprobe, "inet_csk_reqsk_queue_hash_add"),
                ],
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::probe::RUNGS;

    #[test]
    fn names_of_hooks_are_unique() {
        let names: BTreeSet<_> = HOOKS.iter().map(|hook| hook.name).collect();
        assert_eq!(names.len(), HOOKS.len());
    }

    /// What one hook has attached is never taken back with another.
    #[test]
    fn no_program_is_of_two_hooks() {
        let mut owners = BTreeMap::new();
        for hook in HOOKS {
            for part in hook.rungs.iter().flat_map(|(_, parts)| *parts) {
                let owner = owners.entry(part.program).or_insert((hook.name, part.kind));
                assert_eq!(*owner, (hook.name, part.kind), "{}", part.program);
            }
        }
    }

    #[test]
    fn no_rung_attaches_a_program_twice_to_one_target() {
        for (rung, parts) in HOOKS.iter().flat_map(|hook| hook.rungs) {
            let places: BTreeSet<_> = parts.iter().map(|part| (part.program, part.target)).collect();
            assert_eq!(places.len(), parts.len(), "{} on {}", parts[0].program, rung.name());
        }
    }

    #[test]
    fn the_rungs_of_a_hook_are_those_of_the_ladder_and_in_its_order() {
        for hook in HOOKS {
            let own: Vec<_> = hook.rungs.iter().map(|(rung, _)| *rung).collect();
            let ladder: Vec<_> = RUNGS.iter().copied().filter(|rung| own.contains(rung)).collect();
            assert_eq!(own, ladder, "{}", hook.name);
        }
    }

    #[test]
    fn no_reason_is_counted_by_two_hooks() {
        let reasons: Vec<_> = HOOKS.iter().flat_map(|hook| hook.reasons).collect();
        assert_eq!(reasons.iter().collect::<BTreeSet<_>>().len(), reasons.len());
    }

    #[test]
    fn every_hook_has_a_program_it_cannot_do_without() {
        for hook in HOOKS {
            for (rung, parts) in hook.rungs {
                assert!(parts.iter().any(|part| !part.optional), "{} on {}", hook.name, rung.name());
            }
        }
    }
}
