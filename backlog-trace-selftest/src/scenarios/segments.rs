//! One packet that counts as several in `sk_drops`.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::{Failure, Result};
use crate::listener_socket::Listen;
use crate::network::silence_loopback;
use crate::patience::wait;
use crate::reason::Reason;

/// Largest segment that the client sends, and how much it sends at once.
const SEGMENT: i32 = 500;
const DATA: [u8; 3000] = [b'x'; 3000];

/// A client of the kernel's own at a listener that waits for data: its bare ACK
/// is dropped, and by the time that it sends data, others have filled the
/// accept queue. The data is one packet on the loopback, refused once, and six
/// segments to `sk_drops` (tcp_v4_rcv(), discard_and_relse).
pub(crate) fn refused_together(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 1).defer(30))?;
    arena.begin()?;
    let sender = connect(8080)?;
    arena.until(&listener, "TCPDeferAcceptDrop", 1)?;
    for number in 1..=2 {
        let mut client = arena.client(&listener)?;
        client.syn()?;
        client.hear_synack()?;
        client.data(b"x")?;
        wait("a connection in the accept queue", || Ok(listener.accept_queue()? == number))?;
    }
    let before = listener.drops()?;
    rustix::net::send(&sender, &DATA, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
        .map_err(|why| Failure::unexpected("the client cannot send", why))?;
    arena.until(&listener, "ListenOverflows", 1)?;
    // What it sends again from now on does not arrive.
    silence_loopback()?;
    let (packets, drops) = (arena.moved_at(&listener, "ListenOverflows")?, listener.drops()? - before);
    // A packet of one segment counts as two: one as dropped, one as not received.
    if u64::from(drops) <= 2 * packets {
        let counted = format!("{packets} packets counted as {drops}");
        return Err(Failure::unexpected("no packet of several segments was refused", counted));
    }
    Ok(Expectation::at_least([Expected::on(&listener).packets(Reason::AckAcceptQueueFull, 1)]))
}

fn connect(port: u16) -> Result<OwnedFd> {
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let connected = socket.map_err(std::io::Error::from).and_then(|socket| {
        crate::listener_socket::set_tcp_option(&socket, libc::TCP_MAXSEG, SEGMENT)?;
        rustix::net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        Ok(socket)
    });
    connected.map_err(|why| Failure::unexpected(format!("a client cannot connect to port {port}"), why))
}
