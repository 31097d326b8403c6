//! The hooks: what is attached where, and what is lost without it.

use backlog_trace_common::progress::{CARRIES_COOKIE, CARRIES_REQUEST};
use backlog_trace_common::reason::Reason;

use super::needs::Needs;
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
    /// What it must find in the kernel beside that.
    pub needs: Needs,
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
    /// A rung on which the programs of an earlier hook show it too.
    pub carried: Option<Carried>,
    /// Its programs are the same on every rung: it is said to stand on that of
    /// this earlier hook, and not on one that the kernel refuses.
    pub beside: Option<&'static str>,
}

/// How a hook is shown by the programs of another one.
#[derive(Debug)]
pub struct Carried {
    /// On this rung.
    pub rung: Rung,
    /// By this hook, where it stands on that rung.
    pub by: &'static str,
    /// Its bit in [`backlog_trace_common::progress::CARRIED`].
    pub bit: u32,
}

impl Hook {
    /// Its programs on one rung; `None` where that rung cannot carry it.
    pub fn parts_on(&self, rung: Rung) -> Option<&'static [Part]> {
        self.rungs.iter().find(|(own, _)| *own == rung).map(|(_, parts)| *parts)
    }
}

const fn part(program: &'static str, kind: Kind, target: &'static str) -> Part {
    Part { program, kind, target, optional: false, needs: Needs::NOTHING }
}

const fn optional(program: &'static str, kind: Kind, target: &'static str) -> Part {
    Part { program, kind, target, optional: true, needs: Needs::NOTHING }
}

/// Where the kernel keeps its listeners, by which those of packets are found.
const LISTENERS: &[&str] = &[
    "OFF_NET_HASHINFO",
    "OFF_HASHINFO_LHASH2",
    "OFF_HASHINFO_LHASH2_MASK",
    "OFF_BUCKET_HEAD",
    "BYTES_BUCKET",
    "OFF_SKC_NULLS_NODE",
    "OFF_SKC_IPV6ONLY",
    "OFF_SKC_BOUND_DEV",
    "OFF_SKC_INCOMING_CPU",
    "OFF_SK_REUSEPORT_CB",
    "OFF_REUSE_NUM",
    "OFF_REUSE_SOCKS",
    "OFF_SKB_TRANSPORT",
    "OFF_SKB_REFDST",
    "OFF_SKB_IIF",
    "OFF_DST_DEV",
    "OFF_DEV_NET",
];

/// A program that takes packets that are consumed.
const fn consumed(program: &'static str) -> Part {
    let needs = Needs {
        arguments: 2,
        saying: "where a packet is freed",
        places: &["tcp_rcv_state_process", "icmp_rcv", "icmpv6_rcv"],
        facts: LISTENERS,
    };
    Part { program, kind: Kind::TpBtf, target: "consume_skb", optional: false, needs }
}

/// A program that takes packets that are dropped.
const fn dropped(program: &'static str) -> Part {
    let needs = Needs {
        arguments: 4,
        saying: "for which socket a packet is dropped",
        places: &[
            "tcp_v4_rcv",
            "tcp_v6_rcv",
            "tcp_v4_do_rcv",
            "tcp_v6_do_rcv",
            "tcp_rcv_state_process",
            "cookie_v4_check",
            "cookie_v6_check",
        ],
        facts: &["OFF_SK_REUSEPORT_CB", "OFF_SYSCTL_ABORT_ON_OVERFLOW"],
    };
    Part { program, kind: Kind::TpBtf, target: "kfree_skb", optional: false, needs }
}

/// Says of which member of a group a SYN was.
const REQUEST_QUEUED: Part = Part {
    needs: Needs {
        places: &["reqsk_timer_handler"],
        facts: &["OFF_TIMER_FUNCTION", "OFF_REQ_TIMER"],
        ..Needs::NOTHING
    },
    ..optional("request_queued", Kind::TpBtf, "timer_start")
};

/// A tracepoint shows it on every rung that has programs at all.
const SYNACK: &[Part] = &[part("synack", Kind::TpBtf, "tcp_retransmit_synack")];

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
            (
                Rung::Tracepoint,
                &[
                    optional("state_cookie", Kind::TpBtf, "inet_sock_set_state"),
                    part("state_listen", Kind::TpBtf, "inet_sock_set_state"),
                ],
            ),
        ],
        carried: None,
        beside: None,
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
                    optional("migrated", Kind::Fexit, "reuseport_migrate_sock"),
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
            (Rung::Tracepoint, &[part("state_close", Kind::TpBtf, "inet_sock_set_state")]),
        ],
        carried: None,
        beside: None,
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
            (
                Rung::Tracepoint,
                &[consumed("packet_consumed"), consumed("packet_consumed_twin"), REQUEST_QUEUED],
            ),
        ],
        carried: None,
        beside: None,
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
            (
                Rung::Tracepoint,
                &[
                    dropped("packet_dropped"),
                    dropped("packet_dropped_twin"),
                    optional("connection_made", Kind::TpBtf, "inet_sock_set_state"),
                    optional("listener_woken", Kind::TpBtf, "sk_data_ready"),
                    optional("listener_woken_twin", Kind::TpBtf, "sk_data_ready"),
                ],
            ),
        ],
        carried: None,
        beside: None,
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
        carried: Some(Carried { rung: Rung::Tracepoint, by: "ack", bit: CARRIES_COOKIE }),
        beside: None,
    },
    Hook {
        name: "synack",
        gives: "SYN+ACKs sent again",
        reasons: &[Reason::SynackRetransmit],
        required: false,
        on_request: false,
        rungs: &[(Rung::Fentry, SYNACK), (Rung::Kprobe, SYNACK), (Rung::Tracepoint, SYNACK)],
        carried: None,
        beside: Some("syn"),
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
        carried: None,
        beside: None,
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
        carried: Some(Carried { rung: Rung::Tracepoint, by: "syn", bit: CARRIES_REQUEST }),
        beside: None,
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
                    optional("accept_migrating", Kind::Kprobe, "reuseport_migrate_sock"),
                    optional("accept_migrated", Kind::Kretprobe, "reuseport_migrate_sock"),
                ],
            ),
        ],
        carried: None,
        beside: None,
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
        carried: None,
        beside: None,
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
    fn a_hook_is_carried_by_an_earlier_one_and_has_no_programs_there() {
        for (at, hook) in HOOKS.iter().enumerate() {
            let Some(carried) = &hook.carried else { continue };
            assert!(hook.parts_on(carried.rung).is_none(), "{}", hook.name);
            let by = HOOKS.iter().position(|other| other.name == carried.by).unwrap();
            assert!(by < at && HOOKS[by].parts_on(carried.rung).is_some(), "{}", hook.name);
            assert!(carried.bit.is_power_of_two());
        }
    }

    #[test]
    fn a_hook_beside_an_earlier_one_has_the_same_programs_on_every_rung() {
        for (at, hook) in HOOKS.iter().enumerate() {
            let Some(beside) = hook.beside else { continue };
            assert!(HOOKS[..at].iter().any(|earlier| earlier.name == beside), "{}", hook.name);
            let programs = |parts: &[Part]| parts.iter().map(|part| part.program).collect::<Vec<_>>();
            let first = programs(hook.rungs[0].1);
            assert!(hook.rungs.iter().all(|(_, parts)| programs(parts) == first), "{}", hook.name);
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
