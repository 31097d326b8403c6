//! SYNs to an address that no connection can have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use backlog_trace_common::reason::Reason;

use super::moves::refused;
use crate::failure::Result;
use crate::selftest::arena::Arena;
use crate::selftest::expectation::{Expectation, Expected};
use crate::selftest::listener_socket::{Listen, Stack};

/// A broadcast and a multicast SYN by IPv4, and a multicast one by IPv6 where
/// the machine has it: each reaches the listener and is refused by the wrapper
/// around `tcp_conn_request()`.
pub(in crate::selftest) fn to_everybody(arena: &mut Arena, ipv6: bool) -> Result<Expectation> {
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
