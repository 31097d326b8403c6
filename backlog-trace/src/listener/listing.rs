//! Listing a namespace's TCP sockets: by `sock_diag`, and where the kernel does
//! not offer that, by /proc/net/tcp and tcp6, which say less.

use std::fs::File;
use std::io::{self, BufReader, Seek};

use netlink_packet_sock_diag::{AF_INET, AF_INET6};
use rustix::io::Errno;

use super::message::{Socket, States};
use super::sock_diag::SockDiag;
use super::socket_table;

/// What lists the sockets of one namespace.
#[derive(Debug)]
pub(super) struct Listing {
    diag: Result<SockDiag, String>,
    /// IPv4 and IPv6; opened when they are needed for the first time.
    tables: Option<[Option<File>; 2]>,
    lacks: Option<String>,
    has_drops: bool,
}

impl Listing {
    /// Opens it in the calling thread's network namespace.
    pub(super) fn open() -> Self {
        let diag = SockDiag::open().map_err(|error| refusal(&error));
        Self { diag, tables: None, lacks: None, has_drops: true }
    }

    /// All TCP sockets in these states, IPv4 and IPv6. `inside` runs something
    /// on a thread inside the namespace.
    ///
    /// What one way does not list of a family, the other does.
    ///
    /// # Errors
    /// Neither does: what `sock_diag` says of it, or why the tables cannot be read.
    pub(super) fn dump(
        &mut self,
        states: States,
        inside: impl FnOnce(fn() -> io::Result<[Option<File>; 2]>) -> io::Result<[Option<File>; 2]>,
    ) -> io::Result<Vec<Socket>> {
        let (mut sockets, mut missing) = (Vec::new(), Vec::new());
        self.lacks = None;
        for (at, family) in [AF_INET, AF_INET6].into_iter().enumerate() {
            let listed = match &mut self.diag {
                Ok(diag) => diag.dump_family(family, states).map_err(|error| refusal(&error)),
                Err(why) => Err(why.clone()),
            };
            match listed {
                Ok(listed) => sockets.extend(listed),
                Err(why) => {
                    missing.push(at);
                    self.lacks = Some(why);
                }
            }
        }
        if states == States::Listen {
            self.has_drops = sockets.iter().all(|socket| socket.drops.is_some());
        }
        let Some(why) = self.lacks.as_ref().map(|why| io::Error::other(why.clone())) else {
            return Ok(sockets);
        };
        let tables = match &mut self.tables {
            Some(tables) => tables,
            none => none.insert(inside(tables)?),
        };
        for at in missing {
            match tables.get_mut(at) {
                Some(Some(file)) => {
                    file.rewind()?;
                    sockets.extend(socket_table::sockets(BufReader::new(&*file), states)?);
                }
                // A kernel without IPv6 has no tcp6.
                _ if at > 0 => {}
                _ => return Err(why),
            }
        }
        Ok(sockets)
    }

    /// Closes the tables: they are opened again where they are needed.
    pub(super) fn let_go(&mut self) {
        self.tables = None;
    }

    /// Why the last listing was not by `sock_diag`; `None` where it was.
    pub(super) fn lacks(&self) -> Option<&str> {
        self.lacks.as_deref()
    }

    /// Whether the kernel told the drops of each socket that it listed.
    pub(super) const fn has_drops(&self) -> bool {
        self.has_drops
    }
}

/// What an error of `sock_diag` means, where that is known.
fn refusal(error: &io::Error) -> String {
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    // No handler for the family or the protocol, and no module that brings one
    // (sock_diag_lock_handler(), inet_diag_lock_handler(), 4.4 to 7.2).
    if is(Errno::NOENT) {
        "the module tcp_diag is not loaded".to_owned()
    } else if is(Errno::PROTONOSUPPORT) {
        "this kernel, or the sandbox around this process, has no sock_diag".to_owned()
    } else {
        format!("sock_diag: {error}")
    }
}

/// The tables of the calling thread's namespace. /proc/net would be the main
/// thread's (`proc_net_ns_ops`, fs/proc/proc_net.c).
fn tables() -> io::Result<[Option<File>; 2]> {
    let open = |name: &str| match File::open(format!("/proc/thread-self/net/{name}")) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    Ok([open("tcp")?, open("tcp6")?])
}
