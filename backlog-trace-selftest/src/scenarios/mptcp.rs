//! Listeners that speak MPTCP: their SYNs come by `subflow_v4_conn_request()`
//! and `subflow_v6_conn_request()`, their final ACKs by `subflow_syn_recv_sock()`.

use super::moves::{accept_all, connect, half_open, refused};
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::{Listen, Stack};
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;

/// Clients of plain TCP at an MPTCP listener with a backlog of two, one of
/// them half-open before three fill the accept queue: its final ACK is
/// refused, and so are two more SYNs. Once there is room it gets in.
pub(crate) fn accept_queue_full(arena: &mut Arena, stack: Stack, ipv6: bool) -> Result<Expectation> {
    sysctl("net/mptcp/enabled", 1)?;
    let listener = arena.listen(Listen::on(8080, 2).stack(stack).mptcp())?;
    arena.begin()?;
    let mut expected = Expected::on(&listener);
    let mut late = half_open(arena, &listener, 1, ipv6)?;
    connect(arena, &listener, 3, ipv6)?;
    for client in &mut late {
        refused(arena, &listener, || client.ack())?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address());
    }
    for _ in 0..2 {
        let mut client = arena.client_by(&listener, ipv6)?;
        refused(arena, &listener, || client.syn())?;
        expected = expected.told(Reason::SynAcceptQueueFull, Some("silent"), client.address());
    }
    let accepted = accept_all(&listener)?;
    for client in &mut late {
        client.ack()?;
    }
    wait("the refused client in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([expected
        .packets(Reason::AckAcceptQueueFull, 1)
        .packets(Reason::SynAcceptQueueFull, 2)
        .syns(6)
        .established(4)
        .accepted(accepted)
        .connections(3, 1)
        .accept_queue(3, 2)]))
}
