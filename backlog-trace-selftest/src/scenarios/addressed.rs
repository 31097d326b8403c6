//! SYNs to and from an address that no connection can have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::moves::refused;
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::{Listen, Stack};
use crate::network::sysctl;
use crate::reason::Reason;

/// A broadcast and a multicast SYN by IPv4, and a multicast one by IPv6 where
/// the machine has it: each reaches the listener and is refused by the wrapper
/// around `tcp_conn_request()`.
pub(crate) fn to_everybody(arena: &mut Arena, ipv6: bool) -> Result<Expectation> {
    let stack = if ipv6 { Stack::Dual } else { Stack::V4 };
    let listener = arena.listen(Listen::on(8080, 8).stack(stack))?;
    arena.begin()?;
    let ipv4: [IpAddr; 2] = [Ipv4Addr::BROADCAST.into(), Ipv4Addr::new(224, 0, 0, 1).into()];
    let all_nodes = ipv6.then_some(IpAddr::from(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)));
    let mut expected = Expected::on(&listener);
    let mut refusals = 0;
    for to in ipv4.into_iter().chain(all_nodes) {
        let mut client = arena.client_of(&listener, to)?;
        refused(arena, &listener, || client.syn())?;
        refusals += 1;
        expected = expected.told(Reason::SynNotUnicast, Some("silent"), client.address());
    }
    Ok(Expectation::exactly([expected
        .packets(Reason::SynNotUnicast, refusals)
        .sk_drops(refusals)
        .syns(refusals)
        .established(0)
        .connections(refusals, 0)
        .accept_queue(0, 8)]))
}

/// Two clients from an address to which the machine has no route, so that no
/// SYN+ACK can be sent (`tcp_v4_route_req()`, `tcp_v6_route_req()`); a third
/// client is answered.
pub(crate) fn from_nowhere(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    // Without the check that would drop the packet before TCP sees it.
    for interface in ["all", "default", "lo"] {
        sysctl(&format!("net/ipv4/conf/{interface}/rp_filter"), 0)?;
    }
    let listener = arena.listen(Listen::on(8080, 8).stack(stack))?;
    arena.begin()?;
    let nowhere: IpAddr = match stack {
        Stack::V4 => Ipv4Addr::new(203, 0, 113, 9).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).into(),
    };
    let mut expected = Expected::on(&listener);
    for _ in 0..2 {
        let mut client = arena.client_from(&listener, nowhere)?;
        refused(arena, &listener, || client.syn())?;
        expected = expected.told(Reason::SynNoRoute, Some("silent"), client.address());
    }
    let mut client = arena.client(&listener)?;
    client.syn()?;
    client.hear_synack()?;
    Ok(Expectation::exactly([expected
        .packets(Reason::SynNoRoute, 2)
        .sk_drops(2)
        .syns(3)
        .established(0)
        .connections(2, 0)
        .accept_queue(0, 8)]))
}
