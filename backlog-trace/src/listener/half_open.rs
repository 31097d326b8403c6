//! SYN queue lengths from a dump of half-open requests. Pure.
//!
//! The kernel reports a request by the address that the client called, not by
//! the listener that holds it, so a request is matched to the listener as the
//! kernel would look it up: same family (a request has its listener's, in
//! `inet_reqsk_alloc()`), same port, the exact address before the wildcard.
//! Members of a reuseport group share all of that: their requests are counted
//! for the group.

use std::collections::HashMap;
use std::net::IpAddr;

use super::message::Socket;

/// Half-open requests of one namespace.
#[derive(Debug, Default)]
pub(super) struct HalfOpen {
    /// By the address and port that the client called.
    called: HashMap<(IpAddr, u16), u32>,
}

/// Half-open requests of one bound address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Share {
    /// How many.
    pub length: u32,
    /// By how many listeners they are shared: 1 unless it is a reuseport group.
    pub listeners: u32,
}

impl HalfOpen {
    /// Counts a dump of [`super::message::States::HalfOpen`].
    pub(super) fn count(requests: &[Socket]) -> Self {
        let mut called = HashMap::new();
        for request in requests {
            *called.entry((request.address, request.port)).or_insert(0) += 1;
        }
        Self { called }
    }

    /// SYN queue lengths of a namespace's listeners, by bound address and port.
    pub(super) fn shares(
        &self,
        listeners: impl Iterator<Item = (IpAddr, u16)>,
    ) -> HashMap<(IpAddr, u16), Share> {
        let mut shares: HashMap<(IpAddr, u16), Share> = HashMap::new();
        for bound in listeners {
            shares.entry(bound).or_insert(Share { length: 0, listeners: 0 }).listeners += 1;
        }
        for ((address, port), count) in &self.called {
            let exact = (*address, *port);
            let bound = if shares.contains_key(&exact) { exact } else { (wildcard(*address), *port) };
            if let Some(share) = shares.get_mut(&bound) {
                share.length = share.length.saturating_add(*count);
            }
        }
        shares
    }
}

/// The wildcard of an address's family.
const fn wildcard(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(address: &str, port: u16) -> Socket {
        Socket {
            cookie: None,
            address: address.parse().unwrap(),
            port,
            inode: 0,
            accept_queue: 0,
            limit: None,
            drops: None,
            v6only: false,
            uid: 0,
            cgroup: None,
        }
    }

    /// Listeners, requests, and per listener: length and by how many shared.
    #[track_caller]
    fn check(listeners: &[(&str, u16)], requests: &[(&str, u16)], expected: &[(u32, u32)]) {
        let requests: Vec<_> = requests.iter().map(|(address, port)| request(address, *port)).collect();
        let bound: Vec<(IpAddr, u16)> =
            listeners.iter().map(|(address, port)| (address.parse().unwrap(), *port)).collect();
        let shares = HalfOpen::count(&requests).shares(bound.iter().copied());
        let found: Vec<_> = bound.iter().map(|b| (shares[b].length, shares[b].listeners)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_exact_address_comes_before_the_wildcard() {
        check(
            &[("0.0.0.0", 80), ("10.0.0.1", 80), ("0.0.0.0", 81)],
            &[("10.0.0.1", 80), ("10.0.0.1", 80), ("10.0.0.2", 80)],
            &[(1, 1), (2, 1), (0, 1)],
        );
    }

    #[test]
    fn a_dual_stack_listener_has_requests_of_mapped_addresses() {
        check(
            &[("::", 80), ("0.0.0.0", 80)],
            &[("::ffff:10.0.0.1", 80), ("10.0.0.1", 80)],
            &[(1, 1), (1, 1)],
        );
    }

    #[test]
    fn members_of_a_group_share() {
        check(&[("0.0.0.0", 80), ("0.0.0.0", 80)], &[("10.0.0.1", 80)], &[(1, 2), (1, 2)]);
    }

    #[test]
    fn a_request_of_a_closed_listener_is_nobodys() {
        check(&[("0.0.0.0", 80)], &[("10.0.0.1", 81), ("::1", 80)], &[(0, 1)]);
    }
}
