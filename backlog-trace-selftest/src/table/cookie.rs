//! Scenarios in which every SYN is answered by cookie (tcp_syncookies 2).
//!
//! They come late: once tcp_syncookies has been 2 anywhere on the host, the
//! kernel side reads all counters at each SYN, and what it does without that
//! is to be seen too.

use crate::listener_socket::Stack::{V4, V6};
use crate::scenario::Need::{Cookies, Ipv6, Tun};
use crate::scenario::Scenario;
use crate::scenarios::{cookie, syn};

/// In the order in which they are played.
pub(super) const ROWS: &[Scenario] = &[
    Scenario {
        name: "syn_accept_queue_full_cookie_wanted",
        shows: "SYNs refused by a full accept queue although a cookie was wanted (tcp_syncookies 2)",
        needs: &[Tun, Cookies],
        hooks: &["syn"],
        live: false,
        fresh: false,
        play: syn::accept_queue_full_cookie_wanted,
    },
    Scenario {
        name: "syn_cookie_always",
        shows: "every SYN answered by cookie, with both queues nearly empty (tcp_syncookies 2)",
        needs: &[Tun, Cookies],
        hooks: &["syn"],
        live: false,
        fresh: false,
        play: syn::cookie_always,
    },
    Scenario {
        name: "cookie_ack_accept_queue_full",
        shows: "final ACKs with valid cookies refused by a full accept queue",
        needs: &[Tun, Cookies],
        hooks: &["syn", "cookie"],
        live: true,
        fresh: false,
        play: |arena| cookie::accept_queue_full(arena, V4),
    },
    Scenario {
        name: "cookie_ack_accept_queue_full_ipv6",
        shows: "final ACKs with valid cookies refused by a full accept queue, by IPv6",
        needs: &[Tun, Ipv6, Cookies],
        hooks: &["syn", "cookie"],
        live: false,
        fresh: false,
        play: |arena| cookie::accept_queue_full(arena, V6),
    },
    Scenario {
        name: "cookie_ack_invalid",
        shows: "ACKs whose cookie is wrong",
        needs: &[Tun, Cookies],
        hooks: &["syn", "cookie"],
        live: true,
        fresh: false,
        play: |arena| cookie::invalid(arena, V4),
    },
    Scenario {
        name: "cookie_ack_invalid_ipv6",
        shows: "ACKs whose cookie is wrong, by IPv6",
        needs: &[Tun, Ipv6, Cookies],
        hooks: &["syn", "cookie"],
        live: false,
        fresh: false,
        play: |arena| cookie::invalid(arena, V6),
    },
];
