//! The two things that are measured: a connection that is accepted, and a SYN
//! that a full accept queue refuses. Both over loopback, where the kernel does
//! all of a handshake before connect() returns.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept, bind, connect, listen, socket_with};

/// A listener that accepts: socket, connect, accept, two closes.
#[derive(Debug)]
pub(crate) struct Accepted {
    listener: OwnedFd,
    address: SocketAddrV4,
}

impl Accepted {
    /// Opens the listener.
    pub(crate) fn open() -> Result<Self> {
        let (listener, address) = listener(7001, 128)?;
        Ok(Self { listener, address })
    }

    /// One connection.
    pub(crate) fn connection(&mut self) -> Result<()> {
        let client = socket(SocketFlags::empty())?;
        connect(&client, &self.address).context("connect")?;
        let server = accept(&self.listener).context("accept")?;
        drop(client);
        drop(server);
        Ok(())
    }
}

/// A listener that is full: socket, connect without waiting, close.
#[derive(Debug)]
pub(crate) struct Refused {
    _listener: OwnedFd,
    _queued: OwnedFd,
    address: SocketAddrV4,
}

impl Refused {
    /// Opens the listener and fills it. With listen(0) the queue is over its
    /// limit as soon as one connection waits in it (`sk_acceptq_is_full`).
    pub(crate) fn open() -> Result<Self> {
        let (listener, address) = listener(7002, 0)?;
        let queued = socket(SocketFlags::empty())?;
        connect(&queued, &address).context("the connection that fills the queue")?;
        Ok(Self { _listener: listener, _queued: queued, address })
    }

    /// One refused SYN.
    pub(crate) fn connection(&mut self) -> Result<()> {
        let client = socket(SocketFlags::NONBLOCK)?;
        match connect(&client, &self.address) {
            Err(Errno::INPROGRESS) => Ok(()),
            Ok(()) => bail!("a connection to a full accept queue was established"),
            Err(error) => Err(error).context("connect"),
        }
    }
}

fn listener(port: u16, backlog: i32) -> Result<(OwnedFd, SocketAddrV4)> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let listener = socket(SocketFlags::empty())?;
    bind(&listener, &address).with_context(|| format!("bind to {address}"))?;
    listen(&listener, backlog).context("listen")?;
    Ok((listener, address))
}

fn socket(flags: SocketFlags) -> Result<OwnedFd> {
    socket_with(AddressFamily::INET, SocketType::STREAM, flags | SocketFlags::CLOEXEC, None).context("socket")
}
