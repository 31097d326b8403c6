//! Scenarios of the SYN.

use crate::selftest::listener_socket::Stack::{Dual, V4, V6};
use crate::selftest::scenario::Need::{Cookies, Ipv6, Tun};
use crate::selftest::scenario::Scenario;
use crate::selftest::scenarios::{addressed, syn};

/// In the order in which they are played.
pub(super) const ROWS: &[Scenario] = &[
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
        name: "syn_to_everybody",
        shows: "broadcast and multicast SYNs, refused before the queues are looked at",
        needs: &[Tun],
        hooks: &["syn"],
        live: true,
        play: |arena| addressed::to_everybody(arena, false),
    },
    Scenario {
        name: "syn_to_everybody_dual_stack",
        shows: "broadcast and multicast SYNs of both families at a dual-stack listener",
        needs: &[Tun, Ipv6],
        hooks: &["syn"],
        live: true,
        play: |arena| addressed::to_everybody(arena, true),
    },
    Scenario {
        name: "syn_no_route",
        shows: "SYNs refused because there is no route back to the client (--causes)",
        needs: &[Tun],
        hooks: &["syn", "causes"],
        live: true,
        play: |arena| addressed::from_nowhere(arena, V4),
    },
    Scenario {
        name: "syn_no_route_ipv6",
        shows: "SYNs refused because there is no route back to the client, by IPv6 (--causes)",
        needs: &[Tun, Ipv6],
        hooks: &["syn", "causes"],
        live: true,
        play: |arena| addressed::from_nowhere(arena, V6),
    },
];
