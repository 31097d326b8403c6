//! `sock_diag` messages: the request, and what an answer says. Pure.
//!
//! Answers are read as hostile: one that makes no sense is counted, not
//! believed, and costs only itself.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN, NetlinkBuffer,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla as _, Parseable,
};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_packet_sock_diag::{AF_INET, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY, SockDiagMessage};

/// The attribute with the socket's cgroup id (`INET_DIAG_CGROUP_ID`, since 5.8).
const CGROUP_ID: u16 = 21;

/// Bytes of a netlink header.
const HEADER: usize = 16;

/// Which sockets a dump asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum States {
    /// Listeners.
    Listen,
    /// Half-open requests (`TCP_NEW_SYN_RECV`, 12 in include/net/tcp_states.h):
    /// exactly what a SYN queue's length counts.
    HalfOpen,
}

/// One listening socket as the kernel reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Socket {
    /// Cookie: made by this very dump where nobody had asked for it yet; `None`
    /// where the socket is known by /proc alone.
    pub cookie: Option<u64>,
    /// Bound address; its family is the socket's.
    pub address: IpAddr,
    /// Local port; for a half-open request as well.
    pub port: u16,
    /// Socket inode; 0 for a half-open request.
    pub inode: u32,
    /// Accept queue length (`idiag_rqueue`: `sk_ack_backlog`).
    pub accept_queue: u32,
    /// Limit (`idiag_wqueue`: `sk_max_ack_backlog`); not in /proc.
    pub limit: Option<u32>,
    /// `sk_drops`: a count that wraps at 2^32.
    pub drops: Option<u32>,
    /// Takes IPv6 clients only.
    pub v6only: bool,
    /// User id of the socket's creator.
    pub uid: u32,
    /// cgroup id of the socket's creator.
    pub cgroup: Option<u64>,
}

/// What a datagram leaves to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// More datagrams follow.
    More,
    /// The dump is complete.
    Done,
    /// The kernel refused it or broke it off, with this errno.
    Failed(i32),
}

/// What a dump gave besides its sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Flaws {
    /// The kernel says that the tables changed under the dump (`NLM_F_DUMP_INTR`).
    pub interrupted: bool,
    /// Messages that could not be read.
    pub malformed: u32,
}

/// A dump request, ready to send.
pub(super) fn request(family: u8, states: States, sequence: u32) -> Vec<u8> {
    let states = match states {
        States::Listen => StateFlags::LISTEN,
        States::HalfOpen => StateFlags::from_bits_retain(1 << 12),
    };
    let socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::SKMEMINFO,
        states,
        socket_id,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = sequence;
    let mut message =
        NetlinkMessage::new(header, NetlinkPayload::from(SockDiagMessage::InetRequest(request)));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Reads the messages of one datagram that answer request `sequence`; others
/// are left over from a dump that was given up.
pub(super) fn read(
    mut datagram: &[u8],
    sequence: u32,
    flaws: &mut Flaws,
    mut found: impl FnMut(Socket),
) -> Progress {
    while !datagram.is_empty() {
        let Ok(message) = NetlinkBuffer::new_checked(datagram) else {
            // Where one message ends is where the next begins: without a
            // length that makes sense, the rest says nothing.
            flaws.malformed += 1;
            return Progress::More;
        };
        let length = (message.length() as usize).next_multiple_of(4);
        let body = datagram.get(HEADER..message.length() as usize).unwrap_or_default();
        datagram = datagram.get(length..).unwrap_or_default();
        if message.sequence_number() != sequence {
            continue;
        }
        flaws.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
        match message.message_type() {
            SOCK_DIAG_BY_FAMILY => match InetResponse::parse(body) {
                Ok(response) => found(socket(&response)),
                Err(_) => flaws.malformed += 1,
            },
            NLMSG_DONE => match errno(body) {
                0 => return Progress::Done,
                errno => return Progress::Failed(errno),
            },
            NLMSG_ERROR => return Progress::Failed(errno(body)),
            NLMSG_OVERRUN => return Progress::Failed(rustix::io::Errno::NOBUFS.raw_os_error()),
            _ => {}
        }
    }
    Progress::More
}

/// The positive errno at the start of a message's body; 0 where there is none.
fn errno(body: &[u8]) -> i32 {
    body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code).checked_neg().unwrap_or(0).max(0))
}

fn socket(response: &InetResponse) -> Socket {
    let header = &response.header;
    // Two words, the lower one first, in the host's byte order
    // (sock_diag_save_cookie(), net/core/sock_diag.c).
    let [a, b, c, d, e, f, g, h] = header.socket_id.cookie;
    let low = u64::from(u32::from_ne_bytes([a, b, c, d]));
    let high = u64::from(u32::from_ne_bytes([e, f, g, h]));
    let mut socket = Socket {
        cookie: Some(high << 32 | low),
        address: header.socket_id.source_address,
        port: header.socket_id.source_port,
        inode: header.inode,
        accept_queue: header.recv_queue,
        limit: Some(header.send_queue),
        drops: None,
        v6only: false,
        uid: header.uid,
        cgroup: None,
    };
    for attribute in &response.nlas {
        match attribute {
            Nla::MemInfo(memory) => socket.drops = Some(memory.drops),
            Nla::SkV6Only(only) => socket.v6only = *only,
            Nla::Other(other) if other.kind() == CGROUP_ID && other.value_len() == 8 => {
                let mut id = [0; 8];
                other.emit_value(&mut id);
                socket.cgroup = Some(u64::from_ne_bytes(id));
            }
            _ => {}
        }
    }
    socket
}

#[cfg(test)]
mod tests;
