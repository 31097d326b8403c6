//! Address families, by the numbers that the kernel promises never to change
//! (include/linux/socket.h). Listeners and clients of TCP have one of these.

/// `AF_INET`: IPv4.
pub const INET: u8 = 2;

/// `AF_INET6`: IPv6. A dual-stack listener is of this family, and so are its
/// half-open requests, those of IPv4 clients too.
pub const INET6: u8 = 10;
