//! Listeners on loopback and the SYNs that they refuse.
//!
//! A thread that stays on one CPU makes exact losses over loopback: what it
//! sends is handled on that CPU in the order of sending, and a connection that
//! stands says that all before it has been handled. So a SYN is counted as
//! refused, and its listener closed, with nothing left under way.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, accept, bind, connect, listen, socket_with, sockopt,
};

/// A listener that nobody accepts on.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddrV4,
    /// Closed first: its clients must not leave anything in TIME_WAIT.
    _socket: OwnedFd,
    /// Connections in its accept queue.
    queued: Vec<OwnedFd>,
}

impl Listener {
    /// Opens it with room for one connection.
    pub(crate) fn open(port: u16) -> Result<Self> {
        let (socket, address) = listening(port, 1)?;
        Ok(Self { address, _socket: socket, queued: Vec::new() })
    }

    /// Fills its accept queue: one connection more than its backlog gets in
    /// (`sk_acceptq_is_full()` asks for more than, not as many as).
    pub(crate) fn fill(&mut self) -> Result<()> {
        for _ in 0..2 {
            let client = socket(SocketFlags::empty())?;
            connect(&client, &self.address).context("a connection that fills an accept queue")?;
            self.queued.push(client);
        }
        Ok(())
    }

    /// Has the full accept queue refuse a SYN, whose client gives up at once.
    pub(crate) fn refuse(&self) -> Result<()> {
        let client = socket(SocketFlags::NONBLOCK)?;
        match connect(&client, &self.address) {
            Err(Errno::INPROGRESS) => Ok(()),
            Ok(()) => bail!("a full accept queue let a connection in on {}", self.address),
            Err(error) => Err(error).context("a SYN to a full accept queue"),
        }
    }
}

/// A listener whose connections are accepted at once.
#[derive(Debug)]
pub(crate) struct Healthy {
    address: SocketAddrV4,
    socket: OwnedFd,
}

impl Healthy {
    /// Opens it.
    pub(crate) fn open(port: u16) -> Result<Self> {
        let (socket, address) = listening(port, 16)?;
        Ok(Self { address, socket })
    }

    /// A connection that is made, accepted and reset: when it returns, what
    /// this CPU sent before has been handled.
    pub(crate) fn connection(&self) -> Result<()> {
        let client = socket(SocketFlags::empty())?;
        connect(&client, &self.address).context("a connection to a healthy listener")?;
        let server = accept(&self.socket).context("accept")?;
        drop(client);
        drop(server);
        Ok(())
    }
}

fn listening(port: u16, backlog: i32) -> Result<(OwnedFd, SocketAddrV4)> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let listener = socket(SocketFlags::empty())?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    bind(&listener, &address).with_context(|| format!("bind to {address}"))?;
    listen(&listener, backlog).context("listen")?;
    Ok((listener, address))
}

/// A socket that resets its connection when it is closed: no TIME_WAIT.
fn socket(flags: SocketFlags) -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags | SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    Ok(socket)
}
