//! Clients of the kernel's own, over the loopback: they retry their SYN, their
//! data and their FIN as the kernel likes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use super::Clock;
use super::plan::Call;
use crate::failure::{Failure, Result};
use crate::namespace::Namespace;

/// How often they are looked after.
const TICK: Duration = Duration::from_millis(5);

/// Makes the calls of one network; returns those that have not hung up.
///
/// Who is not connected does not hang up: its SYN+ACK would be answered by a
/// RST that no request takes.
pub(super) fn call(namespace: &Namespace, calls: &[Call], clock: &Clock) -> Result<Vec<OwnedFd>> {
    namespace.enter()?;
    let mut waiting: Vec<&Call> = calls.iter().collect();
    let mut lines: Vec<(OwnedFd, &Call)> = Vec::new();
    while !clock.is_over() {
        let now = clock.now();
        for due in waiting.extract_if(.., |call| call.at <= now) {
            lines.push((dial(due)?, due));
        }
        let connected = connected(&lines)?;
        let mut at = 0;
        lines.retain(|(socket, call)| {
            let is_connected = connected.get(at).copied().unwrap_or(false);
            at += 1;
            if is_connected && call.talks {
                // Refused once the buffer is full: enough has been said then.
                let _ = rustix::net::send(socket, b"hello", SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            }
            !(is_connected && now >= call.until)
        });
        std::thread::sleep(TICK);
    }
    Ok(lines.into_iter().map(|(socket, _)| socket).collect())
}

fn dial(call: &Call) -> Result<OwnedFd> {
    let (family, host) = if call.ipv6 {
        (AddressFamily::INET6, Ipv6Addr::LOCALHOST.into())
    } else {
        (AddressFamily::INET, Ipv4Addr::LOCALHOST.into())
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)
        .map_err(|why| Failure::unexpected("no socket for a client", why))?;
    // A port where nobody listens refuses at once: that is a fate too.
    let _ = rustix::net::connect(&socket, &SocketAddr::new(host, call.port));
    Ok(socket)
}

/// Which of them are connected.
fn connected(lines: &[(OwnedFd, &Call)]) -> Result<Vec<bool>> {
    let mut sockets: Vec<PollFd<'_>> =
        lines.iter().map(|(socket, _)| PollFd::new(socket, PollFlags::OUT)).collect();
    poll(&mut sockets, Some(&Timespec::default()))
        .map_err(|why| Failure::unexpected("the clients cannot be looked at", why))?;
    let failed = PollFlags::ERR | PollFlags::HUP;
    Ok(sockets
        .iter()
        .map(|socket| socket.revents().contains(PollFlags::OUT) && !socket.revents().intersects(failed))
        .collect())
}
