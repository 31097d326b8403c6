//! Half-open requests that the network ends.

use super::moves::{half_open, refused};
use crate::arena::Arena;
use crate::counters::STRAY_ICMP;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::{Listen, ListenerSocket, Stack};
use crate::patience::wait;
use crate::reason::Reason;
use crate::sight::Sight;

/// Three clients got their SYN+ACK. Of two the network says that they cannot
/// be reached, which removes their requests (`tcp_req_err()`). Of the third it
/// says so too, but quotes a sequence number that was never sent: that request
/// stays, and its client gets in.
pub(crate) fn aborted(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8).stack(stack))?;
    arena.begin()?;
    let mut clients = half_open(arena, &listener, 3, stack != Stack::V4)?;
    let mut expected = Expected::on(&listener);
    let mut spared = clients.split_off(2);
    for client in &clients {
        refused(arena, &listener, || client.unreachable())?;
        expected = expected.told(Reason::RequestAborted, None, client.address());
    }
    for client in &mut spared {
        client.unreachable_by_stray()?;
        arena.until(&listener, STRAY_ICMP, 1)?;
        client.ack()?;
    }
    one_got_in(&listener, expected)
}

/// Three clients got their SYN+ACK; then the listener is shut. Of two clients the
/// network says that they cannot be reached: their requests are the listener's
/// all the same. It listens again, and the third gets in.
pub(crate) fn aborted_after_shutdown(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8))?;
    arena.begin()?;
    let mut clients = half_open(arena, &listener, 3, false)?;
    let mut expected = Expected::on(&listener);
    let mut spared = clients.split_off(2);
    listener.shut()?;
    for client in &clients {
        refused(arena, &listener, || client.unreachable())?;
        expected = expected.told(Reason::RequestAborted, None, client.address());
    }
    listener.relisten(8)?;
    for client in &mut spared {
        client.ack()?;
    }
    Ok(one_got_in(&listener, expected)?.shown_by(Sight::ClosedListeners))
}

/// What came of three clients of which two were aborted.
fn one_got_in(listener: &ListenerSocket, expected: Expected) -> Result<Expectation> {
    wait("the spared client in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([expected
        .packets(Reason::RequestAborted, 2)
        .sk_drops(2)
        .syns(3)
        .established(1)
        .connections(2, 0)
        .accept_queue(1, 8)]))
}
