//! Numbers that the kernel promises never to change (include/uapi, net/tcp_states.h).

/// `TCP_LISTEN`, a socket's state.
pub const LISTEN: u8 = 10;

/// `AF_INET6`, a socket's family.
pub const INET6: u16 = 10;

/// `ETH_P_IP`, a packet's protocol, in network order.
pub const IPV4: u16 = 0x0800u16.to_be();
