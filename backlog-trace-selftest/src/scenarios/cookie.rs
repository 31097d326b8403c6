//! Final ACKs whose handshake was kept in a cookie.

use super::moves::{half_open, refused};
use crate::arena::Arena;
use crate::counters::COOKIES_FAILED;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::{Listen, Stack};
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;
use crate::sight::Sight;

/// Four cookies on listen(1), whose accept queue holds two: the third and the
/// fourth ACK find it full, valid cookies or not.
pub(crate) fn accept_queue_full(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_syncookies", 2)?;
    let listener = arena.listen(Listen::on(8080, 1).stack(stack))?;
    arena.begin()?;
    let mut clients = half_open(arena, &listener, 4, stack != Stack::V4)?;
    let mut expected = Expected::on(&listener);
    for client in &clients {
        expected = expected.told(Reason::SynCookieSent, None, client.address());
    }
    for client in clients.iter_mut().take(2) {
        client.ack()?;
    }
    wait("two connections in the accept queue", || Ok(listener.accept_queue()? == 2))?;
    for client in clients.iter_mut().skip(2) {
        refused(arena, &listener, || client.ack())?;
        expected = expected.told(Reason::CookieAckAcceptQueueFull, Some("silent"), client.address());
    }
    Ok(Expectation::exactly([expected
        .packets(Reason::SynCookieSent, 4)
        .packets(Reason::CookieAckAcceptQueueFull, 2)
        // Not doubled as at an ordinary final ACK: the listener itself took
        // the packet, so tcp_v4_rcv() adds none.
        .sk_drops(2)
        .syns(4)
        .established(2)
        .connections(2, 0)
        .accept_queue(2, 1)]))
}

/// Of three clients that were answered by cookie, two acknowledge what was
/// never sent: their cookies are wrong, and each is told by a RST.
pub(crate) fn invalid(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_syncookies", 2)?;
    let listener = arena.listen(Listen::on(8080, 8).stack(stack))?;
    arena.begin()?;
    let mut clients = half_open(arena, &listener, 3, stack != Stack::V4)?;
    let mut expected = Expected::on(&listener);
    for client in &clients {
        expected = expected.told(Reason::SynCookieSent, None, client.address());
    }
    let mut valid = clients.split_off(2);
    for (client, failed) in clients.iter_mut().zip(1..) {
        client.ack_wrongly()?;
        arena.until(&listener, COOKIES_FAILED, failed)?;
        client.hear_reset()?;
        expected = expected.told(Reason::CookieAckInvalid, Some("reset"), client.address());
    }
    for client in &mut valid {
        client.ack()?;
    }
    wait("the valid one in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([expected
        .packets(Reason::SynCookieSent, 3)
        .packets(Reason::CookieAckInvalid, 2)
        .sk_drops(0)
        .syns(3)
        .established(1)
        .accept_queue(1, 8)])
    .shown_by(Sight::WrongCookies))
}
