//! How each hook is attached: which programs where, on each rung.

use backlog_trace_common::progress::{CARRIES_COOKIE, CARRIES_REQUEST};
use backlog_trace_model::check::{Hook, TABLE};
use backlog_trace_model::event::Rung;

use super::needs::Needs;

/// How one program is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
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
pub(super) struct Part {
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

/// How one hook is attached.
#[derive(Debug)]
pub(super) struct Programs {
    /// The hook.
    pub hook: Hook,
    /// Its programs on each rung that can carry it, best first.
    pub rungs: &'static [(Rung, &'static [Part])],
    /// A rung on which the programs of an earlier hook show it too.
    pub carried: Option<Carried>,
    /// Its programs are the same on every rung: it is said to stand on that of
    /// this earlier hook, and not on one that the kernel refuses.
    pub beside: Option<Hook>,
}

/// How a hook is shown by the programs of another one.
#[derive(Debug)]
pub(super) struct Carried {
    /// On this rung.
    pub rung: Rung,
    /// By this hook, where it stands on that rung.
    pub by: Hook,
    /// Its bit in [`backlog_trace_common::progress::CARRIED`].
    pub bit: u32,
}

impl Programs {
    /// Those of a hook.
    pub(super) fn of(hook: Hook) -> &'static Self {
        &PROGRAMS[hook as usize]
    }

    /// Its programs on one rung; `None` where that rung cannot carry it.
    pub(super) fn parts_on(&self, rung: Rung) -> Option<&'static [Part]> {
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

/// Those of every hook, in the order in which hooks are attached.
pub(super) const PROGRAMS: &[Programs] = &[
    Programs {
        hook: Hook::Listen,
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
    Programs {
        hook: Hook::Close,
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
    Programs {
        hook: Hook::Syn,
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
    Programs {
        hook: Hook::Ack,
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
                    part("connection_made", Kind::TpBtf, "inet_sock_set_state"),
                    part("listener_woken", Kind::TpBtf, "sk_data_ready"),
                    part("listener_woken_twin", Kind::TpBtf, "sk_data_ready"),
                ],
            ),
        ],
        carried: None,
        beside: None,
    },
    Programs {
        hook: Hook::Cookie,
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
        carried: Some(Carried { rung: Rung::Tracepoint, by: Hook::Ack, bit: CARRIES_COOKIE }),
        beside: None,
    },
    Programs {
        hook: Hook::Synack,
        rungs: &[(Rung::Fentry, SYNACK), (Rung::Kprobe, SYNACK), (Rung::Tracepoint, SYNACK)],
        carried: None,
        beside: Some(Hook::Syn),
    },
    Programs {
        hook: Hook::Expiry,
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
    Programs {
        hook: Hook::Request,
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
        carried: Some(Carried { rung: Rung::Tracepoint, by: Hook::Syn, bit: CARRIES_REQUEST }),
        beside: None,
    },
    Programs {
        hook: Hook::Accept,
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
    Programs {
        hook: Hook::Causes,
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

const _: () = {
    let mut place = 0;
    while place < PROGRAMS.len() {
        assert!(PROGRAMS[place].hook as usize == place, "in the order of the hooks");
        place += 1;
    }
    assert!(place == TABLE.len(), "one entry for each hook");
};

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use backlog_trace_model::check::unseen::SIGHTS;

    use super::*;
    use crate::probe::RUNGS;

    /// What one hook has attached is never taken back with another.
    #[test]
    fn no_program_is_of_two_hooks() {
        let mut owners = BTreeMap::new();
        for hook in PROGRAMS {
            for part in hook.rungs.iter().flat_map(|(_, parts)| *parts) {
                let owner = owners.entry(part.program).or_insert((hook.hook.name(), part.kind));
                assert_eq!(*owner, (hook.hook.name(), part.kind), "{}", part.program);
            }
        }
    }

    #[test]
    fn a_hook_is_carried_by_an_earlier_one_and_has_no_programs_there() {
        for (at, hook) in PROGRAMS.iter().enumerate() {
            let Some(carried) = &hook.carried else { continue };
            assert!(hook.parts_on(carried.rung).is_none(), "{}", hook.hook.name());
            let by = PROGRAMS.iter().position(|other| other.hook == carried.by).unwrap();
            assert!(by < at && PROGRAMS[by].parts_on(carried.rung).is_some(), "{}", hook.hook.name());
            assert!(carried.bit.is_power_of_two());
        }
    }

    #[test]
    fn a_hook_beside_an_earlier_one_has_the_same_programs_on_every_rung() {
        for (at, hook) in PROGRAMS.iter().enumerate() {
            let Some(beside) = hook.beside else { continue };
            assert!(PROGRAMS[..at].iter().any(|earlier| earlier.hook == beside), "{}", hook.hook.name());
            let programs = |parts: &[Part]| parts.iter().map(|part| part.program).collect::<Vec<_>>();
            let first = programs(hook.rungs[0].1);
            assert!(hook.rungs.iter().all(|(_, parts)| programs(parts) == first), "{}", hook.hook.name());
        }
    }

    #[test]
    fn what_no_program_of_a_rung_shows_is_said_to_be_unseen() {
        for (hook, rung) in PROGRAMS.iter().flat_map(|hook| RUNGS.iter().map(move |rung| (hook, *rung))) {
            let is_carried = hook.carried.as_ref().is_some_and(|carried| carried.rung == rung);
            if hook.parts_on(rung).is_none() && !is_carried {
                let is_said = SIGHTS.iter().any(|sight| (sight.rung, sight.hook) == (rung, hook.hook));
                assert!(is_said, "{} on {}", hook.hook.name(), rung.name());
            }
        }
    }

    #[test]
    fn no_rung_attaches_a_program_twice_to_one_target() {
        for (rung, parts) in PROGRAMS.iter().flat_map(|hook| hook.rungs) {
            let places: BTreeSet<_> = parts.iter().map(|part| (part.program, part.target)).collect();
            assert_eq!(places.len(), parts.len(), "{} on {}", parts[0].program, rung.name());
        }
    }

    #[test]
    fn the_rungs_of_a_hook_are_those_of_the_ladder_and_in_its_order() {
        for hook in PROGRAMS {
            let own: Vec<_> = hook.rungs.iter().map(|(rung, _)| *rung).collect();
            let ladder: Vec<_> = RUNGS.iter().copied().filter(|rung| own.contains(rung)).collect();
            assert_eq!(own, ladder, "{}", hook.hook.name());
        }
    }

    #[test]
    fn every_hook_has_a_program_it_cannot_do_without() {
        for hook in PROGRAMS {
            for (rung, parts) in hook.rungs {
                assert!(parts.iter().any(|part| !part.optional), "{} on {}", hook.hook.name(), rung.name());
            }
        }
    }
}
