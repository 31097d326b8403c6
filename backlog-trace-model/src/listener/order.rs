//! In which order listeners are shown: the members of a reuseport group stand under
//! one another, at the place of the first of them.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Listener, Standing};

/// What decides who comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Losses so far, then the share of the limit that is in use.
    #[default]
    Losses,
    /// The share of the limit that is in use, then losses.
    Queue,
    /// The port.
    Port,
    /// The name of the first process that holds the socket.
    Owner,
}

/// What the members of a group have in common.
fn group(listener: &Listener) -> (u32, std::net::IpAddr, u16) {
    (listener.netns, listener.address, listener.port)
}

impl Order {
    /// Puts them into this order. Those that it does not tell apart stay as they are.
    pub fn sort(self, standings: &mut [Standing]) {
        match self {
            Self::Losses => standings.sort_by_key(|standing| Reverse((standing.drops, standing.in_use()))),
            Self::Queue => standings.sort_by_key(|standing| Reverse((standing.in_use(), standing.drops))),
            Self::Port => standings.sort_by_key(|standing| standing.listener.port),
            Self::Owner => standings.sort_by(|one, other| owner(one).cmp(&owner(other))),
        }
        let mut first = HashMap::new();
        for (place, standing) in standings.iter().enumerate() {
            first.entry(group(&standing.listener)).or_insert(place);
        }
        standings.sort_by_cached_key(|standing| first.get(&group(&standing.listener)).copied());
    }
}

/// By name; those without an owner last.
fn owner(standing: &Standing) -> (bool, Option<&str>) {
    let first = standing.listener.owners.first().map(|owner| owner.comm.as_str());
    (first.is_none(), first)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::listener::Owner;

    /// Port, queue against a limit of 100, drops, owner.
    type Given = (u16, u32, Option<u32>, Option<&'static str>);

    fn standing(id: u32, (port, queue, drops, owner): Given) -> Standing {
        let listener = Listener {
            id,
            keys: vec![],
            netns: 1,
            cookie: None,
            address: "::".parse().unwrap(),
            port,
            inode: 1,
            owners: owner.map(|comm| Owner::new(9, comm)).into_iter().collect(),
            cgroup: None,
            limit: Some(100),
            somaxconn: None,
            netns_name: None,
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        };
        Standing {
            listener: Arc::new(listener),
            accept_queue: queue,
            syn_queue: None,
            limited_by: None,
            drops,
        }
    }

    #[track_caller]
    fn check(order: Order, expected: [u32; 5]) {
        let given = [
            (80, 1, Some(0), Some("b")),
            (443, 5, Some(7), Some("a")),
            (22, 90, Some(0), None),
            (8080, 0, None, Some("d")),
            // Of one group with the first.
            (80, 2, Some(9), Some("c")),
        ];
        let mut standings: Vec<_> = (0..).zip(given).map(|(id, given)| standing(id, given)).collect();
        order.sort(&mut standings);
        let ids: Vec<u32> = standings.iter().map(|standing| standing.listener.id).collect();
        assert_eq!(ids, expected, "{order:?}");
    }

    #[test]
    fn the_worst_comes_first_and_its_group_with_it() {
        check(Order::Losses, [4, 0, 1, 2, 3]);
        check(Order::Queue, [2, 1, 4, 0, 3]);
        check(Order::Port, [2, 0, 4, 1, 3]);
        check(Order::Owner, [1, 0, 4, 3, 2]);
    }

    #[test]
    fn a_queue_is_near_its_limit_above_80_percent_of_it() {
        let near = |queue| standing(0, (80, queue, None, None)).is_near_its_limit();
        assert_eq!([80, 81, 101].map(near), [false, true, true]);
    }
}
