//! Half-open requests that end without a connection.

use super::moves::{connect, half_open, refused};
use crate::arena::Arena;
use crate::counters::{RESETS, TIMEOUTS};
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::{Listen, Stack};
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;

/// Two of three clients reset their half-open request; the third gets in.
pub(crate) fn reset(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8).stack(stack))?;
    arena.begin()?;
    let mut clients = half_open(arena, &listener, 3, stack != Stack::V4)?;
    let mut expected = Expected::on(&listener);
    let mut spared = clients.split_off(2);
    for (client, resets) in clients.iter_mut().zip(1..) {
        client.reset()?;
        arena.until(&listener, RESETS, resets)?;
        expected = expected.told(Reason::RequestReset, None, client.address());
    }
    for client in &mut spared {
        client.ack()?;
    }
    wait("the spared client in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([expected
        .packets(Reason::RequestReset, 2)
        // tcp_v4_rcv() adds one for each packet that tcp_check_req() ends.
        .sk_drops(2)
        .syns(3)
        .established(1)
        .connections(0, 0)
        .accept_queue(1, 8)]))
}

/// With tcp_synack_retries 0 a request is given up when its timer runs for the
/// first time. Two clients never answer; the ACK of a third was refused.
pub(crate) fn expired(arena: &mut Arena) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_synack_retries", 0)?;
    let listener = arena.listen(Listen::on(8080, 4))?;
    arena.begin()?;
    connect(arena, &listener, 4, false)?;
    let silent = half_open(arena, &listener, 2, false)?;
    let mut late = half_open(arena, &listener, 1, false)?;
    connect(arena, &listener, 1, false)?;
    let mut expected = Expected::on(&listener);
    for client in &silent {
        expected = expected.told(Reason::SynackExpired, Some("client_silent"), client.address());
    }
    for client in &mut late {
        refused(arena, &listener, || client.ack())?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address()).told(
            Reason::SynackExpired,
            Some("ack_refused"),
            client.address(),
        );
    }
    arena.until(&listener, TIMEOUTS, 3)?;
    Ok(Expectation::exactly([expected
        .packets(Reason::AckAcceptQueueFull, 1)
        .packets(Reason::SynackExpired, 3)
        .sk_drops(2)
        .syns(8)
        .established(5)
        .connections(1, 0)
        .accept_queue(5, 4)]))
}

/// A listener closes with three connections unaccepted and two half-open
/// requests: five connections are lost, and the kernel counts none of them.
pub(crate) fn listener_closed(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8).stack(stack))?;
    arena.begin()?;
    connect(arena, &listener, 3, stack != Stack::V4)?;
    half_open(arena, &listener, 2, stack != Stack::V4)?;
    listener.close()?;
    Ok(Expectation::exactly([Expected::on(&listener)
        .packets(Reason::ListenerClosed, 5)
        .sk_drops(0)
        .syns(5)
        .established(3)
        .accept_queue(3, 8)]))
}
