//! A member of an SO_REUSEPORT group closes, and another one takes over what
//! waits in its queues (net.ipv4.tcp_migrate_req, 5.14 and later).

use super::moves::{accept_all, connect, half_open, refused};
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::Listen;
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;

/// A listener alone on its port gets two connections, which nobody accepts,
/// and two half-open requests. Another one opens on the port with a backlog of
/// one, and the first closes.
///
/// The second has the two connections now (`inet_csk_listen_stop()` does not
/// look at its limit), so its accept queue is full. The final ACKs of the other
/// two clients migrate to it (`reuseport_migrate_sock()` in tcp_v4_rcv()), are
/// refused there, and are charged to it. With room, one of them gets in: three
/// handshakes finished in all, two at the first listener and one at the second.
pub(crate) fn member_closes(arena: &mut Arena) -> Result<Expectation> {
    sysctl("net/ipv4/tcp_migrate_req", 1)?;
    let first = arena.listen(Listen::on(8080, 8).shared())?;
    arena.begin()?;
    connect(arena, &first, 2, false)?;
    let mut late = half_open(arena, &first, 2, false)?;
    let second = arena.listen(Listen::on(8080, 1).shared())?;
    first.close()?;
    wait("two connections to migrate", || Ok(second.accept_queue()? == 2))?;
    let mut expected = Expected::on(&second);
    for client in &mut late {
        refused(arena, &second, || client.ack())?;
        expected = expected.told(Reason::AckAcceptQueueFull, Some("silent"), client.address());
    }
    let accepted = accept_all(&second)?;
    if let Some(client) = late.first_mut() {
        client.ack()?;
    }
    wait("the refused client in the accept queue", || Ok(second.accept_queue()? == 1))?;
    Ok(Expectation::exactly([
        Expected::on(&first).sk_drops(0).syns(4).established(2).connections(0, 0),
        expected
            .packets(Reason::AckAcceptQueueFull, 2)
            .sk_drops(4)
            .syns(0)
            .established(1)
            .accepted(accepted)
            .connections(2, 1)
            .accept_queue(2, 1),
    ]))
}
