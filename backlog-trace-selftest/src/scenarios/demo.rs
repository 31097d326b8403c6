//! A lively six seconds: what the tool is for, as a workload.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::moves::{accept_all, half_open};
use crate::arena::Arena;
use crate::client::Client;
use crate::expectation::{Expectation, Expected};
use crate::failure::{Failure, Result};
use crate::listener_socket::Listen;
use crate::network::silence_loopback;
use crate::reason::Reason;

const LENGTH: Duration = Duration::from_millis(6000);
const TICK: Duration = Duration::from_millis(10);
/// While it lasts nobody accepts on the first listener. Clients that were
/// refused come again after one second, in vain, and after three.
const STALL: std::ops::Range<Duration> = Duration::from_millis(1500)..Duration::from_millis(3700);
/// When the played clients send the final ACKs they kept.
const LATE_ACKS: Duration = Duration::from_millis(2000);
const LATE_CLIENTS: u32 = 4;

/// Connections that open at even distances.
struct Stream {
    port: u16,
    first: Duration,
    every: Duration,
    count: u32,
    opened: u32,
}

impl Stream {
    const fn new(port: u16, first: u64, every: u64, count: u32) -> Self {
        let (first, every) = (Duration::from_millis(first), Duration::from_millis(every));
        Self { port, first, every, count, opened: 0 }
    }

    /// Opens what is due by `now`.
    fn open(&mut self, now: Duration, connections: &mut Vec<OwnedFd>) -> Result<()> {
        while self.opened < self.count && now >= self.first + self.every * self.opened {
            connections.push(connect(self.port)?);
            self.opened += 1;
        }
        Ok(())
    }
}

/// Two listeners serve sixty clients; one of them has a backlog of eight and
/// stalls for two seconds under a burst. Some clients lose SYNs, four lose
/// their final ACKs, and most get in when it resumes.
pub(crate) fn stall_and_resume(arena: &mut Arena) -> Result<Expectation> {
    let stalling = arena.listen(Listen::on(8080, 8))?;
    let healthy = arena.listen(Listen::on(8081, 128))?;
    arena.begin()?;
    let mut streams =
        [Stream::new(8080, 0, 300, 16), Stream::new(8080, 1520, 18, 20), Stream::new(8081, 0, 280, 20)];
    let mut connections = Vec::new();
    let mut late: Option<Vec<Client>> = None;
    let mut acked = false;
    let start = Instant::now();
    loop {
        let now = start.elapsed();
        if now >= LENGTH {
            break;
        }
        if now >= STALL.start && late.is_none() {
            late = Some(half_open(arena, &stalling, LATE_CLIENTS, false)?);
        }
        for stream in &mut streams {
            stream.open(now, &mut connections)?;
        }
        for client in late.iter_mut().flatten() {
            // Each ACK at first, then again for each SYN+ACK that comes again.
            if (now >= LATE_ACKS && !acked) || client.heard_synack(Duration::ZERO)? {
                client.ack()?;
            }
        }
        acked |= now >= LATE_ACKS;
        accept_all(&healthy)?;
        if !STALL.contains(&now) {
            accept_all(&stalling)?;
        }
        std::thread::sleep(TICK);
    }
    drop(connections);
    silence_loopback()?;
    Ok(Expectation::at_least([
        Expected::on(&stalling)
            .packets(Reason::SynAcceptQueueFull, 8)
            .packets(Reason::AckAcceptQueueFull, u64::from(LATE_CLIENTS)),
        Expected::on(&healthy).sk_drops(0),
    ]))
}

/// Opens a connection without waiting for it, as a client with a timeout does.
fn connect(port: u16) -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .map_err(|why| Failure::unexpected("no socket for a client", why))?;
    match rustix::net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
        Err(why) => Err(Failure::unexpected(format!("a client cannot connect to port {port}"), why)),
    }
}
