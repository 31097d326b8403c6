//! Which listeners and reasons a view shows. The audit knows no selection.

use std::net::{IpAddr, Ipv6Addr};

use backlog_trace_common::reason::Reason;

use crate::listener::{Filter, Listener};

use super::{ReasonFilter, Who};

/// The discard prefix (RFC 6666): no filter asks for it.
const NOBODYS_ADDRESS: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0);

/// The filters of one command line.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Which listeners.
    pub listeners: Filter,
    /// Which reasons.
    pub reasons: ReasonFilter,
}

impl Selection {
    /// Whether everything is shown.
    pub fn is_all(&self) -> bool {
        self.reasons.is_all() && self.listeners.is_empty()
    }

    /// Whether a listener is shown.
    ///
    /// One that is not in the book is judged by what its detail tells: a
    /// filter that asks for more than namespace and port does not match it.
    pub fn wants_listener(&self, who: &Who) -> bool {
        match who {
            Who::Known(listener) => self.listeners.matches(listener),
            Who::Unknown { netns, port, cookie } => self.listeners.matches(&Listener {
                id: u32::MAX,
                keys: Vec::new(),
                netns: *netns,
                cookie: *cookie,
                address: IpAddr::V6(NOBODYS_ADDRESS),
                port: *port,
                inode: 0,
                owners: Vec::new(),
                cgroup: None,
                limit: None,
                somaxconn: None,
                netns_name: None,
                lost_before: false,
                v6only: false,
                closed: true,
                namespace: None,
            }),
            Who::Closed { .. } => self.listeners.is_empty(),
        }
    }

    /// Whether a reason is shown.
    pub const fn wants_reason(&self, reason: Reason) -> bool {
        self.reasons.wants(reason)
    }
}
