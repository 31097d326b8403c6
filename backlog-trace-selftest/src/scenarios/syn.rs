//! SYNs that are refused, and SYNs that are answered by cookie.

use std::time::Duration;

use super::moves::{accept_all, connect, half_open, refused};
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::{Listen, Stack};
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;

/// listen(2) holds three connections; every SYN after them is refused, until
/// one is accepted and a client that tries again gets in.
pub(crate) fn accept_queue_full(arena: &mut Arena, stack: Stack, ipv6: bool) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 2).stack(stack))?;
    arena.begin()?;
    connect(arena, &listener, 3, ipv6)?;
    let mut expected = Expected::on(&listener);
    let mut patient = arena.client_by(&listener, ipv6)?;
    for _ in 0..2 {
        refused(arena, &listener, || patient.syn())?;
        expected = expected.told(Reason::SynAcceptQueueFull, Some("silent"), patient.address());
    }
    for _ in 0..2 {
        let mut client = arena.client_by(&listener, ipv6)?;
        refused(arena, &listener, || client.syn())?;
        expected = expected.told(Reason::SynAcceptQueueFull, Some("silent"), client.address());
    }
    let accepted = accept_all(&listener)?;
    patient.handshake()?;
    wait("the patient client in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([expected
        .packets(Reason::SynAcceptQueueFull, 4)
        .sk_drops(4)
        .syns(8)
        .established(4)
        .accepted(accepted)
        .connections(3, 1)
        .accept_queue(3, 2)]))
}

/// The same where every SYN wants a cookie: the kernel counts the wish and
/// then refuses all the same, since it looks at the accept queue second.
pub(crate) fn accept_queue_full_cookie_wanted(arena: &mut Arena) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_syncookies", 2)?;
    let listener = arena.listen(Listen::on(8080, 1))?;
    arena.begin()?;
    connect(arena, &listener, 2, false)?;
    for _ in 0..3 {
        let mut client = arena.client(&listener)?;
        refused(arena, &listener, || client.syn())?;
    }
    Ok(Expectation::exactly([Expected::on(&listener)
        .packets(Reason::SynCookieSent, 2)
        .packets(Reason::SynAcceptQueueFull, 3)
        .also("TCPReqQFullDoCookies", 3)
        .sk_drops(3)
        .syns(5)
        .established(2)
        .connections(3, 0)
        .accept_queue(2, 1)]))
}

/// Four half-open requests fit everywhere with listen(4), a fifth on most
/// kernels: those before "allow a connection when sk_max_ack_backlog is zero"
/// compare by `>=`. Without cookies the SYNs that follow are refused.
pub(crate) fn queue_full(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_syncookies", 0)?;
    let listener = arena.listen(Listen::on(8080, 4).stack(stack))?;
    arena.begin()?;
    half_open(arena, &listener, 4, stack != Stack::V4)?;
    let mut expected = Expected::on(&listener);
    let mut refusals = 0;
    for _ in 0..6 {
        let mut client = arena.client(&listener)?;
        client.syn()?;
        wait("an answer or a refusal", || {
            Ok(client.heard_synack(Duration::ZERO)? || arena.moved_at(&listener, "ListenDrops")? > refusals)
        })?;
        if arena.moved_at(&listener, "ListenDrops")? > refusals {
            refusals += 1;
            expected = expected.told(Reason::SynQueueFull, Some("silent"), client.address());
        }
    }
    let refusals = refusals.clamp(5, 6);
    Ok(Expectation::exactly([expected
        .packets(Reason::SynQueueFull, refusals)
        .sk_drops(refusals)
        .syns(10)
        .established(0)
        .connections(refusals, 0)
        .accept_queue(0, 4)]))
}

/// The same with cookies: what does not fit is answered by cookie, and a
/// client that returns its cookie is connected.
pub(crate) fn queue_full_cookie(arena: &mut Arena, stack: Stack) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 4).stack(stack))?;
    arena.begin()?;
    half_open(arena, &listener, 4, stack != Stack::V4)?;
    let mut expected = Expected::on(&listener);
    let mut cookies = 0;
    for _ in 0..5 {
        let mut client = arena.client(&listener)?;
        client.syn()?;
        client.hear_synack()?;
        if arena.moved_at(&listener, "SyncookiesSent")? > u64::from(cookies) {
            cookies += 1;
            expected = expected.told(Reason::SynCookieSent, None, client.address());
            client.ack()?;
            wait("the cookie's connection", || Ok(listener.accept_queue()? == cookies))?;
        }
    }
    let cookies = u64::from(cookies.clamp(4, 5));
    Ok(Expectation::exactly([expected
        .packets(Reason::SynCookieSent, cookies)
        .sk_drops(0)
        .syns(9)
        .established(cookies)
        .connections(0, 0)
        .accept_queue(cookies, 4)]))
}

/// tcp_syncookies 2: every SYN is answered by cookie, whatever the queues hold.
pub(crate) fn cookie_always(arena: &mut Arena) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_syncookies", 2)?;
    let listener = arena.listen(Listen::on(8080, 8))?;
    arena.begin()?;
    connect(arena, &listener, 3, false)?;
    half_open(arena, &listener, 2, false)?;
    Ok(Expectation::exactly([Expected::on(&listener)
        .packets(Reason::SynCookieSent, 5)
        .sk_drops(0)
        .syns(5)
        .established(3)
        .accept_queue(3, 8)]))
}

/// Without cookies the last quarter of tcp_max_syn_backlog is kept for peers
/// known from before: of eight, seven fit, as 8 - 7 is less than 8 / 4.
pub(crate) fn queue_reserved(arena: &mut Arena) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_syncookies", 0)?;
    sysctl("net/ipv4/tcp_max_syn_backlog", 8)?;
    let listener = arena.listen(Listen::on(8080, 64))?;
    arena.begin()?;
    half_open(arena, &listener, 7, false)?;
    let mut expected = Expected::on(&listener);
    for _ in 0..3 {
        let mut client = arena.client(&listener)?;
        refused(arena, &listener, || client.syn())?;
        expected = expected.told(Reason::SynQueueReserved, Some("silent"), client.address());
    }
    Ok(Expectation::exactly([expected
        .packets(Reason::SynQueueReserved, 3)
        .sk_drops(3)
        .syns(10)
        .established(0)
        .connections(3, 0)
        .accept_queue(0, 64)]))
}
