//! Dumps of a namespace's TCP sockets through a `sock_diag` netlink socket.
//!
//! A dump makes the kernel generate the cookie of each socket it reports.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::message::{Flaws, Progress, Socket, States, read, request};

/// The kernel fills at most 32 KiB at a time (`netlink_recvmsg()` caps
/// `max_recvmsg_len`, net/netlink/af_netlink.c).
const DATAGRAM: usize = 64 * 1024;

/// How often a dump is asked for before its failure is final.
const TRIES: u32 = 4;

/// More sockets than any host has listeners or a SYN queue's limits allow;
/// beyond it a dump is not kept.
const MOST: usize = 4 << 20;

/// How long the kernel may take for one datagram.
const PATIENCE: Duration = Duration::from_secs(5);

/// A `sock_diag` socket; it belongs to the namespace it was opened in, from
/// whichever thread it is used.
#[derive(Debug)]
pub(super) struct SockDiag {
    socket: OwnedFd,
    sequence: u32,
}

impl SockDiag {
    /// Opens one in the calling thread's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        let protocol = Some(netlink::SOCK_DIAG);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// All TCP sockets of a family in these states; a kernel without IPv6 has
    /// none of that.
    pub(super) fn dump_family(&mut self, family: u8, states: States) -> io::Result<Vec<Socket>> {
        until_whole(|| self.attempt(family, states))
    }

    fn attempt(&mut self, family: u8, states: States) -> io::Result<(Vec<Socket>, Flaws)> {
        self.sequence = self.sequence.wrapping_add(1);
        send(&self.socket, &request(family, states, self.sequence), SendFlags::empty())?;
        let (mut sockets, mut flaws) = (Vec::new(), Flaws::default());
        let mut datagram: Vec<u8> = Vec::with_capacity(DATAGRAM);
        loop {
            datagram.clear();
            let (read_bytes, length) = recv(&self.socket, spare_capacity(&mut datagram), RecvFlags::TRUNC)?;
            if length > read_bytes {
                return Err(io::Error::other("the kernel sent more than fits a netlink datagram"));
            }
            match read(&datagram, self.sequence, &mut flaws, |socket| sockets.push(socket)) {
                Progress::More if sockets.len() > MOST => {
                    return Err(io::Error::other("the kernel reports more sockets than it can have"));
                }
                Progress::More => {}
                Progress::Done if flaws.malformed > 0 => {
                    log::warn!("{} sock_diag messages could not be read", flaws.malformed);
                    return Ok((sockets, flaws));
                }
                Progress::Done => return Ok((sockets, flaws)),
                Progress::Failed(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }
}

/// Asks until a dump is whole, at most [`TRIES`] times.
fn until_whole(mut attempt: impl FnMut() -> io::Result<(Vec<Socket>, Flaws)>) -> io::Result<Vec<Socket>> {
    let mut last = io::Error::other("the kernel's tables changed under every dump");
    for _ in 0..TRIES {
        match attempt() {
            Ok((sockets, flaws)) if !flaws.interrupted => return Ok(sockets),
            Ok(_) => {}
            Err(error) if may_pass(&error) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Whether asking again can help: no memory for an answer, an earlier dump of
/// this socket not read to its end, a signal.
fn may_pass(error: &io::Error) -> bool {
    let passing = [Errno::NOBUFS, Errno::BUSY, Errno::INTR, Errno::AGAIN];
    passing.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::MetadataExt;

    use netlink_packet_sock_diag::{AF_INET, AF_INET6};

    use super::*;

    fn inode(socket: &impl std::os::fd::AsFd) -> u64 {
        std::fs::File::from(socket.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap().ino()
    }

    #[test]
    fn a_listener_of_this_process_is_found_with_its_address_and_the_limit_std_asks_for() {
        let mut diag = SockDiag::open().unwrap();
        for (family, address) in [(AF_INET, "127.0.0.1:0"), (AF_INET6, "[::1]:0")] {
            let listener = TcpListener::bind(address).unwrap();
            let bound = listener.local_addr().unwrap();
            let found = diag.dump_family(family, States::Listen).unwrap();
            let own: Vec<_> = found.iter().filter(|row| u64::from(row.inode) == inode(&listener)).collect();
            let [row] = own.as_slice() else { panic!("{address}: {own:?}") };
            assert_eq!((row.address, row.port), (bound.ip(), bound.port()));
            // What std::net::TcpListener::bind passes to listen() on Linux.
            assert_eq!((row.limit, row.accept_queue, row.drops), (Some(128), 0, Some(0)));
            assert!(row.cookie.is_some_and(|cookie| cookie != 0));
            let again = diag.dump_family(family, States::Listen).unwrap();
            assert!(again.iter().any(|other| other.cookie == row.cookie), "a cookie stays");
            drop(listener);
            let after = diag.dump_family(family, States::Listen).unwrap();
            assert!(after.iter().all(|other| other.cookie != row.cookie));
        }
    }

    /// What each attempt gives: an errno, or whether it was interrupted; and
    /// after how many attempts which errno, if any, is the answer.
    #[track_caller]
    fn check(script: &[Result<bool, Errno>], attempts: usize, expected: Result<(), Option<i32>>) {
        let mut made = 0;
        let answer = until_whole(|| {
            made += 1;
            match script[(made - 1).min(script.len() - 1)] {
                Ok(interrupted) => Ok((Vec::new(), Flaws { interrupted, malformed: 0 })),
                Err(errno) => Err(errno.into()),
            }
        });
        assert_eq!(answer.map(|_| ()).map_err(|error| error.raw_os_error()), expected);
        assert_eq!(made, attempts);
    }

    #[test]
    fn what_may_pass_is_asked_for_again_and_not_for_ever() {
        check(&[Ok(false)], 1, Ok(()));
        check(&[Ok(true), Ok(false)], 2, Ok(()));
        check(&[Err(Errno::NOBUFS), Err(Errno::INTR), Ok(false)], 3, Ok(()));
        check(&[Ok(true)], 4, Err(None));
        check(&[Err(Errno::NOBUFS)], 4, Err(Some(105)));
        check(&[Err(Errno::NOENT)], 1, Err(Some(2)));
    }

    #[test]
    fn a_connection_waiting_for_accept_is_in_the_accept_queue() {
        let mut diag = SockDiag::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let clients: Vec<_> =
            (0..3).map(|_| std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap()).collect();
        let found = diag.dump_family(AF_INET, States::Listen).unwrap();
        let row = found.iter().find(|row| u64::from(row.inode) == inode(&listener)).unwrap();
        assert_eq!(row.accept_queue, 3);
        drop(clients);
    }
}
