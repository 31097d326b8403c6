//! A service restarts: its clients are refused by one socket and let in by the
//! next one at the same address and port.

use super::moves::{accept_all, connect, refused};
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::Result;
use crate::listener_socket::Listen;
use crate::patience::wait;
use crate::reason::Reason;

/// When the next socket opens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opens {
    /// Once the first has closed.
    After,
    /// Before, in a reuseport group with it.
    Before,
}

/// Two connections fill the first listener, and five clients are refused. It
/// closes, and their SYNs are sent again to its successor: three get in, one is
/// heard of no more, and one is refused a second time, because by then the
/// successor is full as well. The clients know: three of five are in. The
/// successor alone has refused nobody who was not refused before.
pub(crate) fn restart(
    arena: &mut Arena,
    first: Listen,
    successor: Listen,
    opens: Opens,
) -> Result<Expectation> {
    let first = arena.listen(first)?;
    arena.begin()?;
    connect(arena, &first, 2, false)?;
    let mut clients = Vec::new();
    let mut expected = Expected::on(&first);
    for _ in 0..5 {
        let mut client = arena.client_by(&first, false)?;
        refused(arena, &first, || client.syn())?;
        expected = expected.told(Reason::SynAcceptQueueFull, Some("silent"), client.address());
        clients.push(client);
    }
    let second = if opens == Opens::Before {
        let second = arena.listen(successor)?;
        first.close()?;
        second
    } else {
        first.close()?;
        arena.listen(successor)?
    };
    let mut again = Expected::on(&second);
    for (number, client) in (1..).zip(clients.iter_mut().take(4)) {
        if number == 4 {
            refused(arena, &second, || client.syn())?;
            again = again.told(Reason::SynAcceptQueueFull, Some("silent"), client.address());
            continue;
        }
        client.handshake()?;
        wait("a retry in the successor's accept queue", || Ok(second.accept_queue()? == number))?;
    }
    let accepted = accept_all(&second)?;
    Ok(Expectation::exactly([
        expected.packets(Reason::SynAcceptQueueFull, 5).sk_drops(5).syns(7).established(2).connections(5, 3),
        again
            .packets(Reason::SynAcceptQueueFull, 1)
            .sk_drops(1)
            .syns(4)
            .established(3)
            .accepted(accepted)
            .connections(0, 0),
    ]))
}
