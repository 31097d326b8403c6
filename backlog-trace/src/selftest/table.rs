//! Every scenario: a new one is a row here and a function below `scenarios`.

use super::listener_socket::Stack::{Dual, V4, V6};
use super::scenario::Need::{Cookies, Ipv6, Program, Tun};
use super::scenario::Scenario;
use super::scenarios::{ack, cookie, demo, half_open, listeners, packaged, request, syn, synack};

/// Every scenario, in the order in which they are played.
pub(super) const TABLE: &[Scenario] = &[
    Scenario {
        name: "syn_accept_queue_full",
        shows: "SYNs refused by a full accept queue; one client tries again and gets in",
        needs: &[Tun],
        hooks: &["syn"],
        live: true,
        play: |arena| syn::accept_queue_full(arena, V4, false),
    },
    Scenario {
        name: "syn_accept_queue_full_ipv6",
        shows: "SYNs refused by a full accept queue, by IPv6",
        needs: &[Tun, Ipv6],
        hooks: &["syn"],
        live: false,
        play: |arena| syn::accept_queue_full(arena, V6, true),
    },
    Scenario {
        name: "syn_accept_queue_full_dual_stack",
        shows: "SYNs of IPv4 clients refused by a dual-stack listener, counted once",
        needs: &[Tun, Ipv6],
        hooks: &["syn"],
        live: true,
        play: |arena| syn::accept_queue_full(arena, Dual, false),
    },
    Scenario {
        name: "syn_accept_queue_full_cookie_wanted",
        shows: "SYNs refused by a full accept queue although a cookie was wanted (tcp_syncookies 2)",
        needs: &[Tun, Cookies],
        hooks: &["syn"],
        live: false,
        play: syn::accept_queue_full_cookie_wanted,
    },
    Scenario {
        name: "syn_queue_full",
        shows: "SYNs refused by a full SYN queue (tcp_syncookies 0)",
        needs: &[Tun, Cookies],
        hooks: &["syn"],
        live: true,
        play: |arena| syn::queue_full(arena, V4),
    },
    Scenario {
        name: "syn_queue_full_ipv6",
        shows: "SYNs refused by a full SYN queue, by IPv6",
        needs: &[Tun, Ipv6, Cookies],
        hooks: &["syn"],
        live: false,
        play: |arena| syn::queue_full(arena, V6),
    },
    Scenario {
        name: "syn_queue_full_cookie",
        shows: "SYNs answered by cookie for a full SYN queue (tcp_syncookies 1)",
        needs: &[Tun, Cookies],
        hooks: &["syn"],
        live: true,
        play: |arena| syn::queue_full_cookie(arena, V4),
    },
    Scenario {
        name: "syn_queue_full_cookie_ipv6",
        shows: "SYNs answered by cookie for a full SYN queue, by IPv6",
        needs: &[Tun, Ipv6, Cookies],
        hooks: &["syn"],
        live: false,
        play: |arena| syn::queue_full_cookie(arena, V6),
    },
    Scenario {
        name: "syn_cookie_always",
        shows: "every SYN answered by cookie, with both queues nearly empty (tcp_syncookies 2)",
        needs: &[Tun, Cookies],
        hooks: &["syn"],
        live: false,
        play: syn::cookie_always,
    },
    Scenario {
        name: "syn_queue_reserved",
        shows: "SYNs refused in the last quarter of tcp_max_syn_backlog (tcp_syncookies 0)",
        needs: &[Tun, Cookies],
        hooks: &["syn"],
        live: true,
        play: syn::queue_reserved,
    },
    Scenario {
        name: "ack_accept_queue_full",
        shows: "final ACKs, and data after one, refused by a full accept queue; one client gets in later",
        needs: &[Tun],
        hooks: &["syn", "ack"],
        live: true,
        play: |arena| ack::accept_queue_full(arena, V4, false),
    },
    Scenario {
        name: "ack_accept_queue_full_ipv6",
        shows: "final ACKs refused by a full accept queue, by IPv6",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "ack"],
        live: false,
        play: |arena| ack::accept_queue_full(arena, V6, true),
    },
    Scenario {
        name: "ack_accept_queue_full_dual_stack",
        shows: "final ACKs of IPv4 clients refused by a dual-stack listener, counted once",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "ack"],
        live: true,
        play: |arena| ack::accept_queue_full(arena, Dual, false),
    },
    Scenario {
        name: "ack_abort_on_overflow",
        shows: "final ACKs answered by RST for a full accept queue (tcp_abort_on_overflow 1)",
        needs: &[Tun],
        hooks: &["syn", "ack"],
        live: true,
        play: |arena| ack::abort_on_overflow(arena, V4, false),
    },
    Scenario {
        name: "ack_abort_on_overflow_ipv6",
        shows: "final ACKs answered by RST for a full accept queue, by IPv6",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "ack"],
        live: false,
        play: |arena| ack::abort_on_overflow(arena, V6, true),
    },
    Scenario {
        name: "ack_abort_on_overflow_dual_stack",
        shows: "final ACKs of IPv4 clients answered by RST by a dual-stack listener, counted once",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "ack"],
        live: true,
        play: |arena| ack::abort_on_overflow(arena, Dual, false),
    },
    Scenario {
        name: "experiment",
        shows: "listen(1) and nobody accepts: two established, the third half-open, the fourth refused",
        needs: &[Tun],
        hooks: &["syn", "ack"],
        live: true,
        play: ack::experiment,
    },
    Scenario {
        name: "cookie_ack_accept_queue_full",
        shows: "final ACKs with valid cookies refused by a full accept queue",
        needs: &[Tun, Cookies],
        hooks: &["syn", "cookie"],
        live: true,
        play: |arena| cookie::accept_queue_full(arena, V4),
    },
    Scenario {
        name: "cookie_ack_accept_queue_full_ipv6",
        shows: "final ACKs with valid cookies refused by a full accept queue, by IPv6",
        needs: &[Tun, Ipv6, Cookies],
        hooks: &["syn", "cookie"],
        live: false,
        play: |arena| cookie::accept_queue_full(arena, V6),
    },
    Scenario {
        name: "synack_client_silent",
        shows: "SYN+ACKs sent again to clients that never answer",
        needs: &[Tun],
        hooks: &["syn", "synack"],
        live: true,
        play: synack::client_silent,
    },
    Scenario {
        name: "synack_ack_refused",
        shows: "a SYN+ACK sent again to a client whose final ACK was refused",
        needs: &[Tun],
        hooks: &["syn", "ack", "synack"],
        live: true,
        play: synack::ack_refused,
    },
    Scenario {
        name: "synack_duplicate_syn",
        shows: "a SYN+ACK sent again for a second SYN: no loss, though the socket counts a drop",
        needs: &[Tun],
        hooks: &["syn", "ack", "synack"],
        live: true,
        play: synack::duplicate_syn,
    },
    Scenario {
        name: "request_aborted",
        shows: "half-open requests removed by an ICMP error; a stray error removes none",
        needs: &[Tun],
        hooks: &["syn", "request"],
        live: true,
        play: |arena| request::aborted(arena, V4),
    },
    Scenario {
        name: "request_aborted_ipv6",
        shows: "half-open requests removed by an ICMP error, by IPv6",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "request"],
        live: false,
        play: |arena| request::aborted(arena, V6),
    },
    Scenario {
        name: "cookie_ack_invalid",
        shows: "ACKs whose cookie is wrong",
        needs: &[Tun, Cookies],
        hooks: &["syn", "cookie"],
        live: true,
        play: |arena| cookie::invalid(arena, V4),
    },
    Scenario {
        name: "cookie_ack_invalid_ipv6",
        shows: "ACKs whose cookie is wrong, by IPv6",
        needs: &[Tun, Ipv6, Cookies],
        hooks: &["syn", "cookie"],
        live: false,
        play: |arena| cookie::invalid(arena, V6),
    },
    Scenario {
        name: "synack_expired",
        shows: "half-open requests given up: two silent clients, and one whose final ACK was refused",
        needs: &[Tun],
        hooks: &["syn", "ack", "expiry"],
        live: true,
        play: half_open::expired,
    },
    Scenario {
        name: "request_reset",
        shows: "half-open requests reset by their clients",
        needs: &[Tun],
        hooks: &["syn", "ack"],
        live: true,
        play: |arena| half_open::reset(arena, V4),
    },
    Scenario {
        name: "request_reset_ipv6",
        shows: "half-open requests reset by their clients, by IPv6",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "ack"],
        live: false,
        play: |arena| half_open::reset(arena, V6),
    },
    Scenario {
        name: "listener_closed",
        shows: "a listener that closes with connections unaccepted and half-open",
        needs: &[Tun],
        hooks: &["syn", "close"],
        live: false,
        play: |arena| half_open::listener_closed(arena, V4),
    },
    Scenario {
        name: "listener_closed_dual_stack",
        shows: "a dual-stack listener that closes with connections unaccepted and half-open",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "close"],
        live: false,
        play: |arena| half_open::listener_closed(arena, Dual),
    },
    Scenario {
        name: "two_listeners",
        shows: "two listeners at once, of which one overflows",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::two_listeners,
    },
    Scenario {
        name: "two_namespaces",
        shows: "the same port in two namespaces, of which one overflows",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::two_namespaces,
    },
    Scenario {
        name: "namespace_again",
        shows: "a namespace that goes away and another one that mostly gets its number; both overflow",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::namespace_again,
    },
    Scenario {
        name: "opened_late",
        shows: "a listener that opens after the tool started",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::opened_late,
    },
    Scenario {
        name: "closed_early",
        shows: "a listener that closes before the tool ends",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::closed_early,
    },
    Scenario {
        name: "opened_late_closed_early",
        shows: "a listener that opens, overflows and closes while the tool watches",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::opened_late_closed_early,
    },
    Scenario {
        name: "prefork",
        shows: "one listener held by two processes: both are its owners",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::prefork,
    },
    Scenario {
        name: "reuseport",
        shows: "two listeners of one port (SO_REUSEPORT), of which one overflows",
        needs: &[Tun],
        hooks: &["syn"],
        live: false,
        play: listeners::reuseport,
    },
    Scenario {
        name: "packaged_server",
        shows: "a stopped nginx under load from wrk or ab",
        needs: &[Tun, Program(&["nginx"]), Program(&["wrk", "ab"])],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        play: packaged::nginx_stopped,
    },
    Scenario {
        name: "demo",
        shows: "six seconds of sixty clients at two listeners, one of which stalls and resumes",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        play: demo::stall_and_resume,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_words_and_sentences_have_no_full_stop() {
        let mut names: Vec<&str> = TABLE.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        for scenario in TABLE {
            let name = scenario.name;
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert!(!scenario.shows.ends_with('.') && !scenario.shows.is_empty(), "{name}");
            assert!(!scenario.hooks.is_empty(), "{name}");
        }
    }
}
