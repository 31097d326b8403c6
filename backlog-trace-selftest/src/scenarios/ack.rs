//! Final ACKs that find the accept queue full.

use super::moves::{accept_all, connect, half_open, refused};
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::{Listen, Stack};
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;

/// Three connections and four half-open requests on listen(4), whose accept
/// queue holds five: of the four final ACKs two are taken and two refused. One
/// of the refused believes it is connected and sends data, which is refused
/// again; the other one gets in once there is room.
pub(crate) fn accept_queue_full(arena: &mut Arena, stack: Stack, ipv6: bool) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 4).stack(stack))?;
    arena.begin()?;
    connect(arena, &listener, 3, ipv6)?;
    let mut clients = half_open(arena, &listener, 4, ipv6)?;
    let mut expected = Expected::on(&listener);
    let mut late = clients.split_off(2);
    for client in &mut clients {
        client.ack()?;
    }
    wait("five connections in the accept queue", || Ok(listener.accept_queue()? == 5))?;
    for client in &mut late {
        refused(arena, &listener, || client.ack())?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address());
    }
    if let Some(client) = late.first_mut() {
        refused(arena, &listener, || client.data(b"GET / HTTP/1.1\r\n"))?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address());
    }
    let accepted = accept_all(&listener)?;
    if let Some(client) = late.last_mut() {
        client.ack()?;
    }
    wait("the refused client in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([expected
        .packets(Reason::AckAcceptQueueFull, 3)
        // One in tcp_v4_syn_recv_sock() and one in tcp_v4_rcv() for each.
        .sk_drops(6)
        .syns(7)
        .established(6)
        .accepted(accepted)
        .connections(2, 1)
        .accept_queue(5, 4)]))
}

/// The same with tcp_abort_on_overflow: the client is told by a RST.
pub(crate) fn abort_on_overflow(arena: &mut Arena, stack: Stack, ipv6: bool) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_abort_on_overflow", 1)?;
    let listener = arena.listen(Listen::on(8080, 4).stack(stack))?;
    arena.begin()?;
    connect(arena, &listener, 3, ipv6)?;
    let mut clients = half_open(arena, &listener, 4, ipv6)?;
    let mut expected = Expected::on(&listener);
    for client in clients.iter_mut().take(2) {
        client.ack()?;
    }
    wait("five connections in the accept queue", || Ok(listener.accept_queue()? == 5))?;
    for client in clients.iter_mut().skip(2) {
        refused(arena, &listener, || client.ack())?;
        client.hear_reset()?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("reset"), client.address());
    }
    Ok(Expectation::exactly([expected
        .packets(Reason::AckAcceptQueueFull, 2)
        .sk_drops(4)
        .syns(7)
        .established(5)
        .connections(2, 0)
        .accept_queue(5, 4)]))
}

/// The experiment of every text about backlog: listen(1), nobody accepts,
/// three clients. Two are established, one more than the limit; the third
/// stays half-open although it believes it is connected. What the texts leave
/// out is the fourth: its SYN is refused.
///
/// The third sends its SYN first: kernels that compare the SYN queue by `>=`
/// hold one request, and answer the other two by cookie.
pub(crate) fn experiment(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 1))?;
    arena.begin()?;
    let mut third = half_open(arena, &listener, 1, false)?;
    let by_cookie = connect(arena, &listener, 2, false)?;
    let mut expected = Expected::on(&listener).cookies(&by_cookie);
    for client in &mut third {
        refused(arena, &listener, || client.ack())?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address());
    }
    let mut fourth = arena.client(&listener)?;
    refused(arena, &listener, || fourth.syn())?;
    let expected = expected.told(Reason::SynAcceptQueueFull, Some("silent"), fourth.address());
    // Where the one request fills the SYN queue, the fourth wants a cookie too.
    let wanted = u64::from(!by_cookie.is_empty());
    Ok(Expectation::exactly([expected
        .packets(Reason::AckAcceptQueueFull, 1)
        .packets(Reason::SynAcceptQueueFull, 1)
        .also("TCPReqQFullDoCookies", wanted)
        .sk_drops(3)
        .syns(4)
        .established(2)
        .connections(2, 0)
        .accept_queue(2, 1)]))
}
