//! Moves that many scenarios make.

use std::net::SocketAddr;

use crate::arena::Arena;
use crate::client::Client;
use crate::failure::Result;
use crate::listener_socket::ListenerSocket;
use crate::patience::wait;

/// Lets `count` clients connect, one after the other, and waits until the last
/// of them is in the accept queue; says which of them were answered by cookie.
pub(super) fn connect(
    arena: &mut Arena,
    listener: &ListenerSocket,
    count: u32,
    ipv6: bool,
) -> Result<Vec<SocketAddr>> {
    let before = listener.accept_queue()?;
    let mut by_cookie = Vec::new();
    for number in 1..=count {
        let cookies = arena.moved_at(listener, "SyncookiesSent")?;
        let mut client = arena.client_by(listener, ipv6)?;
        client.handshake()?;
        wait("a connection in the accept queue", || Ok(listener.accept_queue()? >= before + number))?;
        if arena.moved_at(listener, "SyncookiesSent")? > cookies {
            by_cookie.push(client.address());
        }
    }
    Ok(by_cookie)
}

/// Lets `count` clients stop half-open: each got its SYN+ACK and keeps its ACK.
pub(super) fn half_open(
    arena: &mut Arena,
    listener: &ListenerSocket,
    count: u32,
    ipv6: bool,
) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = arena.client_by(listener, ipv6)?;
        client.syn()?;
        client.hear_synack()?;
        clients.push(client);
    }
    Ok(clients)
}

/// Lets a packet go that the kernel must refuse, and waits until it is counted.
pub(super) fn refused(
    arena: &Arena,
    listener: &ListenerSocket,
    send: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let before = arena.moved_at(listener, "ListenDrops")?;
    send()?;
    arena.until(listener, "ListenDrops", before + 1)
}

/// Takes every connection out of the accept queue; how many there were.
pub(super) fn accept_all(listener: &ListenerSocket) -> Result<u64> {
    let mut accepted = 0;
    while listener.accept()?.is_some() {
        accepted += 1;
    }
    Ok(accepted)
}
