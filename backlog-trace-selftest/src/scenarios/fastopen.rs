//! TCP Fast Open: a SYN with data makes a connection at once, which waits in
//! the accept queue while its handshake is not finished.

use super::moves::refused;
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::Listen;
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;

/// Servers take data in SYNs (2), from clients without a cookie too (0x200).
const WITHOUT_COOKIE: i64 = 0x202;

/// listen(1) holds two connections, whether or not their handshakes are
/// finished: a third SYN with data is refused like any other. A Fast Open
/// connection that finishes its handshake stays in the queue that it is in.
pub(crate) fn accept_queue_full(arena: &mut Arena) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_fastopen", WITHOUT_COOKIE)?;
    let listener = arena.listen(Listen::on(8080, 1).fastopen(8))?;
    arena.begin()?;
    for number in 1..=2 {
        let mut client = arena.client(&listener)?;
        client.syn_with(b"GET / HTTP/1.1\r\n")?;
        wait("a Fast Open connection in the accept queue", || Ok(listener.accept_queue()? == number))?;
        client.hear_synack()?;
        client.ack()?;
    }
    let mut client = arena.client(&listener)?;
    refused(arena, &listener, || client.syn_with(b"GET / HTTP/1.1\r\n"))?;
    Ok(Expectation::exactly([Expected::on(&listener)
        .packets(Reason::SynAcceptQueueFull, 1)
        .told(Reason::SynAcceptQueueFull, Some("silent"), client.address())
        .also("TCPFastOpenPassive", 2)
        .sk_drops(1)
        .syns(3)
        .established(2)
        .connections(1, 0)
        .accept_queue(2, 1)]))
}

/// One Fast Open connection may be unfinished at a time. The second client's
/// data is not taken, its SYN is answered all the same: nothing is lost.
pub(crate) fn queue_full(arena: &mut Arena) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_fastopen", WITHOUT_COOKIE)?;
    let listener = arena.listen(Listen::on(8080, 8).fastopen(1))?;
    arena.begin()?;
    let mut first = arena.client(&listener)?;
    first.syn_with(b"GET / HTTP/1.1\r\n")?;
    wait("the Fast Open connection in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    let mut second = arena.client(&listener)?;
    second.syn_with(b"GET / HTTP/1.1\r\n")?;
    second.hear_synack()?;
    second.ack()?;
    wait("the second connection in the accept queue", || Ok(listener.accept_queue()? == 2))?;
    Ok(Expectation::exactly([Expected::on(&listener)
        .packets(Reason::FastopenQueueFull, 1)
        .also("TCPFastOpenPassive", 1)
        .also("TCPFastOpenListenOverflow", 1)
        .sk_drops(0)
        .syns(2)
        .established(2)
        .connections(0, 0)
        .accept_queue(2, 8)]))
}
