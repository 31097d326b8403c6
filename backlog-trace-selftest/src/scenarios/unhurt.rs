//! Packets that `sk_drops` counts although no connection is lost by them.

use super::moves::half_open;
use crate::arena::Arena;
use crate::counters::RESETS;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::Listen;
use crate::patience::wait;
use crate::reason::Reason;

/// A listener that waits for data (TCP_DEFER_ACCEPT) drops the bare final ACK,
/// and takes the client with its data.
pub(crate) fn deferred(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8).defer(5))?;
    arena.begin()?;
    let mut client = arena.client(&listener)?;
    client.handshake()?;
    arena.until(&listener, "TCPDeferAcceptDrop", 1)?;
    client.data(b"GET / HTTP/1.1\r\n")?;
    wait("the connection in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([Expected::on(&listener)
        .also("TCPDeferAcceptDrop", 1)
        .sk_drops(1)
        .syns(1)
        .established(1)
        .connections(0, 0)]))
}

/// A final ACK with a time stamp older than its SYN's is not believed (PAWS);
/// one with a newer stamp is.
pub(crate) fn old_stamp(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8))?;
    arena.begin()?;
    let mut client = arena.client(&listener)?;
    client.stamped(5000).syn()?;
    client.hear_synack()?;
    client.stamped(4000).ack()?;
    arena.until(&listener, "PAWSEstab", 1)?;
    client.stamped(5001).ack()?;
    wait("the connection in the accept queue", || Ok(listener.accept_queue()? == 1))?;
    Ok(Expectation::exactly([Expected::on(&listener)
        .also("PAWSEstab", 1)
        .sk_drops(1)
        .syns(1)
        .established(1)
        .connections(0, 0)]))
}

/// A client resets its half-open request, and sends its RST once more: that
/// one finds no request. The listener drops it (`tcp_rcv_state_process()`, case
/// TCP_LISTEN), which no hook sees: it is the rest that the balance must show.
pub(crate) fn reset_twice(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 8))?;
    arena.begin()?;
    let mut expected = Expected::on(&listener);
    for client in &mut half_open(arena, &listener, 1, false)? {
        client.reset()?;
        expected = expected.told(Reason::RequestReset, None, client.address());
        arena.until(&listener, RESETS, 1)?;
        client.reset()?;
    }
    wait("the stray RST to be dropped", || Ok(listener.drops()? == 2))?;
    Ok(Expectation::exactly([expected
        .packets(Reason::RequestReset, 1)
        .also(RESETS, 1)
        .sk_drops(2)
        .residual(1)
        .syns(1)
        .established(0)]))
}
