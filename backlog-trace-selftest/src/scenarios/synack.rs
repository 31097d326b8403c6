//! SYN+ACKs that are sent again, and why.

use super::moves::{connect, half_open, refused};
use crate::arena::Arena;
use crate::counters::SYN_RETRANSMITS;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::Listen;
use crate::patience::wait;
use crate::reason::Reason;

/// Two clients never answer their SYN+ACK: each gets it again after a second.
pub(crate) fn client_silent(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8))?;
    arena.begin()?;
    let mut clients = half_open(arena, &listener, 2, false)?;
    arena.until(&listener, SYN_RETRANSMITS, 2)?;
    for client in &mut clients {
        client.hear_synack()?;
    }
    Ok(Expectation::exactly([Expected::on(&listener)
        .sk_drops(0)
        .syns(2)
        .established(0)
        .connections(0, 0)
        .retransmits_because("client_silent", 0)]))
}

/// A client answers, its ACK is refused by a full accept queue, and the
/// kernel sends the SYN+ACK again; the client answers again, in vain.
pub(crate) fn ack_refused(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 1))?;
    arena.begin()?;
    let mut refused_ones = half_open(arena, &listener, 1, false)?;
    let by_cookie = connect(arena, &listener, 2, false)?;
    // On a slow machine it may have been sent again before the client answers.
    let too_early = arena.moved_at(&listener, SYN_RETRANSMITS)?;
    let mut expected = Expected::on(&listener).cookies(&by_cookie);
    for client in &mut refused_ones {
        refused(arena, &listener, || client.ack())?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address());
        client.hear_synack()?;
        refused(arena, &listener, || client.ack())?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address());
    }
    Ok(Expectation::exactly([expected
        .packets(Reason::AckAcceptQueueFull, 2)
        .sk_drops(4)
        .syns(3)
        .established(2)
        .connections(1, 0)
        .accept_queue(2, 1)
        .retransmits_because("ack_refused", too_early)]))
}

/// A client sends its SYN twice: the second is answered by the same SYN+ACK,
/// and counted on the socket all the same.
pub(crate) fn duplicate_syn(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8))?;
    arena.begin()?;
    let mut clients = half_open(arena, &listener, 1, false)?;
    for client in &mut clients {
        client.syn()?;
        client.hear_synack()?;
        // The handshake is finished at once, before the timer sends one too.
        client.ack()?;
    }
    wait("the connection in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    let by_timer = arena.moved_at(&listener, SYN_RETRANSMITS)?.saturating_sub(1);
    Ok(Expectation::exactly([Expected::on(&listener)
        .sk_drops(1)
        .syns(1)
        .established(1)
        .retransmits_because("duplicate_syn", by_timer)]))
}
