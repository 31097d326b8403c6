//! A listening socket of a scenario, and what the kernel says of it.
//!
//! Its state is asked of the socket itself (TCP_INFO, SO_MEMINFO), not by the
//! way the tool takes.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::failure::{Failure, Result};
use crate::network::SERVER_V4;

/// Which clients a listener takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stack {
    /// IPv4, on 0.0.0.0.
    V4,
    /// IPv4, on the address that clients connect to.
    V4Address,
    /// IPv6 alone, on [::].
    V6,
    /// IPv6 and IPv4, on [::].
    Dual,
}

/// How to open a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listen {
    pub(crate) stack: Stack,
    pub(crate) port: u16,
    /// The argument of listen().
    pub(crate) backlog: i32,
    /// Shares its port with others (SO_REUSEPORT).
    pub(crate) shared: bool,
    /// Speaks MPTCP too.
    pub(crate) mptcp: bool,
    /// Seconds that it waits for data before a connection counts (TCP_DEFER_ACCEPT).
    pub(crate) defer: i32,
    /// Connections that may have sent data in their SYN (TCP_FASTOPEN).
    pub(crate) fastopen: i32,
}

impl Listen {
    /// An IPv4 listener.
    pub(crate) const fn on(port: u16, backlog: i32) -> Self {
        Self { stack: Stack::V4, port, backlog, shared: false, mptcp: false, defer: 0, fastopen: 0 }
    }

    /// The same for MPTCP.
    pub(crate) const fn mptcp(self) -> Self {
        Self { mptcp: true, ..self }
    }

    /// The same, waiting for data.
    pub(crate) const fn defer(self, seconds: i32) -> Self {
        Self { defer: seconds, ..self }
    }

    /// The same, taking data in SYNs.
    pub(crate) const fn fastopen(self, connections: i32) -> Self {
        Self { fastopen: connections, ..self }
    }

    /// The same for other clients.
    pub(crate) const fn stack(self, stack: Stack) -> Self {
        Self { stack, ..self }
    }

    /// The same, sharing its port.
    pub(crate) const fn shared(self) -> Self {
        Self { shared: true, ..self }
    }
}

/// A listening socket.
pub(crate) struct ListenerSocket {
    /// The number of its network in the arena.
    pub(crate) network: usize,
    /// Network namespace's inode number.
    pub(crate) netns: u32,
    pub(crate) address: SocketAddr,
    pub(crate) stack: Stack,
    pub(crate) inode: u64,
    socket: RefCell<Option<OwnedFd>>,
    /// `sk_drops` when it was closed.
    last_drops: Cell<u32>,
    /// Whether more may be dropped than can be read.
    more: Cell<bool>,
    /// Whether it ever ended listening.
    closed: Cell<bool>,
}

impl ListenerSocket {
    /// Opens it in this thread's namespace.
    pub(crate) fn open(listen: Listen, network: usize, netns: u32) -> Result<Self> {
        let address = SocketAddr::new(
            match listen.stack {
                Stack::V4 => Ipv4Addr::UNSPECIFIED.into(),
                Stack::V4Address => SERVER_V4.into(),
                Stack::V6 | Stack::Dual => Ipv6Addr::UNSPECIFIED.into(),
            },
            listen.port,
        );
        let (socket, inode) = open(listen, address)
            .map_err(|why| Failure::unexpected(format!("no listener on {address} can be opened"), why))?;
        Ok(Self {
            network,
            netns,
            address,
            stack: listen.stack,
            inode,
            socket: RefCell::new(Some(socket)),
            last_drops: Cell::new(0),
            // SO_MEMINFO of an MPTCP socket is not that of its listening subflow.
            more: Cell::new(listen.mptcp),
            closed: Cell::new(false),
        })
    }

    /// Connections in its accept queue.
    pub(crate) fn accept_queue(&self) -> Result<u32> {
        // tcp_get_info(): tcpi_unacked of a listener is sk_ack_backlog.
        self.ask(|socket| option::<8>(socket, libc::IPPROTO_TCP, libc::TCP_INFO).map(|info| info[6]))
    }

    /// Its `sk_drops`; where it is closed, what they were by then.
    pub(crate) fn drops(&self) -> Result<u32> {
        if self.socket.borrow().is_none() {
            return Ok(self.last_drops.get());
        }
        self.ask(|socket| option::<9>(socket, libc::SOL_SOCKET, libc::SO_MEMINFO).map(|info| info[8]))
    }

    /// Takes a connection out of the accept queue; `None` where it is empty.
    pub(crate) fn accept(&self) -> Result<Option<OwnedFd>> {
        self.ask(|socket| {
            match rustix::net::accept_with(socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(connection) => Ok(Some(connection)),
                Err(rustix::io::Errno::AGAIN) => Ok(None),
                Err(why) => Err(why.into()),
            }
        })
    }

    /// A second descriptor of the same socket, for another process to hold.
    pub(crate) fn duplicate(&self) -> Result<OwnedFd> {
        self.ask(|socket| socket.try_clone_to_owned())
    }

    /// Whether it was closed or shut, even if it listens again.
    pub(crate) fn has_closed(&self) -> bool {
        self.closed.get()
    }

    /// Closes it, after a last look at its `sk_drops`.
    pub(crate) fn close(&self) -> Result<()> {
        self.last_drops.set(self.drops()?);
        self.closed.set(true);
        self.socket.take();
        Ok(())
    }

    /// Closes it while packets come: more may be dropped after the last look.
    pub(crate) fn close_under_load(&self) -> Result<()> {
        self.more.set(true);
        self.close()
    }

    /// Whether more may have been dropped than [`Self::drops`] says.
    pub(crate) fn may_have_dropped_more(&self) -> bool {
        self.more.get()
    }

    /// Ends listening without closing the socket (`tcp_disconnect()`), so that
    /// it can still be asked, and told to listen again.
    pub(crate) fn shut(&self) -> Result<()> {
        self.closed.set(true);
        self.ask(|socket| Ok(rustix::net::shutdown(socket, rustix::net::Shutdown::Read)?))
    }

    /// listen() again, on a socket that listens or one that was shut.
    pub(crate) fn relisten(&self, backlog: i32) -> Result<()> {
        self.ask(|socket| Ok(rustix::net::listen(socket, backlog)?))
    }

    fn ask<T>(&self, question: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> Result<T> {
        let socket = self.socket.borrow();
        let answer = match &*socket {
            Some(socket) => question(socket.as_fd()),
            None => Err(io::Error::from(io::ErrorKind::NotConnected)),
        };
        answer.map_err(|why| Failure::unexpected(format!("listener {} cannot be asked", self.address), why))
    }
}

fn open(listen: Listen, address: SocketAddr) -> io::Result<(OwnedFd, u64)> {
    let family = match address.ip() {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let protocol = listen.mptcp.then_some(rustix::net::ipproto::MPTCP);
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, protocol)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if family == AddressFamily::INET6 {
        sockopt::set_ipv6_v6only(&socket, listen.stack == Stack::V6)?;
    }
    if listen.shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    if listen.defer > 0 {
        set_tcp_option(&socket, libc::TCP_DEFER_ACCEPT, listen.defer)?;
    }
    if listen.fastopen > 0 {
        set_tcp_option(&socket, libc::TCP_FASTOPEN, listen.fastopen)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, listen.backlog)?;
    let inode = rustix::fs::fstat(&socket)?.st_ino;
    Ok((socket, inode))
}

/// Sets an option of a TCP socket that is an `int`.
pub(crate) fn set_tcp_option(socket: impl AsFd, name: i32, value: i32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    #[expect(unsafe_code, reason = "no safe binding sets all of these")]
    // SAFETY: the kernel reads `length` bytes of `value`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            name,
            (&raw const value).cast(),
            length,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The first `WORDS` 32-bit words of a socket option.
fn option<const WORDS: usize>(socket: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<[u32; WORDS]> {
    let mut words = [0; WORDS];
    let mut length = libc::socklen_t::try_from(size_of_val(&words)).unwrap_or(0);
    #[expect(unsafe_code, reason = "no safe binding reads SO_MEMINFO")]
    // SAFETY: the kernel writes at most `length` bytes to `words`, any bytes
    // are valid u32s, and both outlive the call.
    let done = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, words.as_mut_ptr().cast(), &raw mut length)
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if usize::try_from(length).is_ok_and(|length| length < size_of_val(&words)) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the kernel's answer is too short"));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_tells_its_queue_and_its_drops() {
        let listener = ListenerSocket::open(Listen::on(0, 1), 0, 0).unwrap();
        assert_eq!((listener.accept_queue().unwrap(), listener.drops().unwrap()), (0, 0));
        assert!(listener.accept().unwrap().is_none());
        listener.close().unwrap();
        assert!(listener.accept_queue().is_err());
        assert_eq!(listener.drops().unwrap(), 0);
    }
}
