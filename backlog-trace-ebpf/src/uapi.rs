//! Numbers of the kernel that no version of it changes (include/uapi,
//! include/net/tcp_states.h).

use backlog_trace_common::family;

/// `IPPROTO_TCP`: `sk_protocol` of a TCP socket.
pub const TCP: u16 = 6;

/// `TCP_SYN_RECV`: state of a connection whose handshake has just finished.
pub const SYN_RECV: u8 = 3;

/// `TCP_TIME_WAIT`: behind the pointer is no `struct sock`.
pub const TIME_WAIT: u8 = 6;

/// `TCP_CLOSE`: state of a socket that has stopped listening.
pub const CLOSE: u8 = 7;

/// `TCP_LISTEN`: state of a listener.
pub const LISTEN: u8 = 10;

/// `TCP_NEW_SYN_RECV`: behind the pointer is a half-open request.
pub const NEW_SYN_RECV: u8 = 12;

/// `AF_INET6` as `skc_family` holds it.
pub const INET6: u16 = family::INET6 as u16;

/// `ETH_P_IP`, a packet's protocol, in network order.
pub const IPV4: u16 = 0x0800u16.to_be();
