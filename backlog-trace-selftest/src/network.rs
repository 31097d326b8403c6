//! A private network: a namespace, its loopback, and a TUN device that plays
//! the clients.
//!
//! Sysctls are set in the namespace alone, and all that the scenarios depend
//! on are set, so that the host's defaults do not matter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use crate::counters::Counters;
use crate::failure::{Failure, Result};
use crate::interface;
use crate::namespace::Namespace;
use crate::patience;
use crate::tun::Tun;

/// The server's side: networks set apart for tests of network devices (RFC 2544) and unique local.
pub(crate) const SERVER_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const NETMASK_V4: Ipv4Addr = Ipv4Addr::new(255, 254, 0, 0);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd15, 0, 0, 0, 0, 0, 0, 1);
const PREFIX_V6: u32 = 64;

/// What every scenario starts from.
const DEFAULTS: [(&str, i64); 6] = [
    ("net/core/somaxconn", 4096),
    ("net/ipv4/tcp_syncookies", 1),
    ("net/ipv4/tcp_max_syn_backlog", 1024),
    ("net/ipv4/tcp_abort_on_overflow", 0),
    ("net/ipv4/tcp_synack_retries", 5),
    ("net/ipv4/tcp_fastopen", 1),
];

/// A private network.
pub(crate) struct Network {
    pub(crate) namespace: Namespace,
    pub(crate) tun: Rc<Tun>,
    /// Where the counters stood when the scenario began.
    pub(crate) baseline: Counters,
    /// It came after the scenario had begun.
    pub(crate) late: bool,
    /// Clients made so far: the next one gets an address of its own.
    clients: u16,
}

impl Network {
    /// Makes one and leaves this thread in its namespace.
    pub(crate) fn create() -> Result<Self> {
        let namespace = Namespace::create()?;
        for (name, value) in DEFAULTS {
            sysctl(name, value)?;
        }
        interface::set_up(interface::LOOPBACK, true)?;
        let tun = Tun::open()?;
        interface::set_ipv4(interface::TUN, SERVER_V4, NETMASK_V4)?;
        interface::set_up(interface::TUN, true)?;
        if has_ipv6() {
            interface::add_ipv6(interface::TUN, SERVER_V6, PREFIX_V6)?;
            // The kernel finishes that in a worker (addrconf_dad_work());
            // until then it takes packets for ones to forward.
            patience::wait("the IPv6 address to be usable", has_ipv6_server_route)?;
        }
        Ok(Self { namespace, tun: Rc::new(tun), baseline: Counters::default(), late: false, clients: 0 })
    }

    /// Addresses of a new client's two ends towards `port`; no other client has its address.
    pub(crate) fn route(&mut self, ipv6: bool, port: u16) -> (SocketAddr, SocketAddr) {
        self.clients += 1;
        let number = self.clients;
        let (from, to): (IpAddr, IpAddr) = if ipv6 {
            (Ipv6Addr::new(0xfd15, 0, 0, 0, 0, 0, 1, number).into(), SERVER_V6.into())
        } else {
            let [high, low] = number.to_be_bytes();
            (Ipv4Addr::new(198, 19, high, low).into(), SERVER_V4.into())
        };
        (SocketAddr::new(from, 20_000 + number % 20_000), SocketAddr::new(to, port))
    }
}

/// Writes a sysctl of this thread's namespace.
pub(crate) fn sysctl(name: &str, value: i64) -> Result<()> {
    let path = format!("/proc/sys/{name}");
    std::fs::write(&path, value.to_string())
        .map_err(|why| Failure::unexpected(format!("{path} cannot be set to {value}"), why))
}

/// Takes the loopback of this thread's namespace down, so that clients of the
/// kernel's own fall silent.
pub(crate) fn silence_loopback() -> Result<()> {
    interface::set_up(interface::LOOPBACK, false)
}

/// Whether this thread's namespace has IPv6.
pub(crate) fn has_ipv6() -> bool {
    let disabled = std::fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    disabled.is_ok_and(|value| value.trim() == "0")
}

/// Whether packets to the server's IPv6 address are this namespace's own.
fn has_ipv6_server_route() -> Result<bool> {
    let path = "/proc/thread-self/net/ipv6_route";
    let routes = std::fs::read_to_string(path)
        .map_err(|why| Failure::unexpected(format!("{path} cannot be read"), why))?;
    let host_route = format!("{:032x} 80 ", SERVER_V6.to_bits());
    Ok(routes.lines().any(|route| route.starts_with(&host_route)))
}
