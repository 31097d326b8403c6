//! The key under which the kernel maps keep a listener.
//!
//! A listener is a socket, and a socket's cookie (4129, say) is never used twice
//! while the host is up. `sock_diag` and the `listen` hook make the kernel
//! generate the cookie (`__sock_gen_cookie()`, net/core/sock_diag.c). Before that
//! `skc_cookie` is 0, and the key is made of the socket's inode and port, with
//! the top bit set. User space joins the two keys of one socket by namespace and
//! inode.

/// A listener's key in the kernel maps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct ListenerKey(pub u64);

/// Set where the key was made of inode and port and not of the cookie.
const BY_INODE: u64 = 1 << 63;

impl ListenerKey {
    /// The key of a socket that has a cookie.
    #[inline(always)]
    pub const fn from_cookie(cookie: u64) -> Self {
        Self(cookie & !BY_INODE)
    }

    /// The key of a socket whose cookie nobody has asked for yet. Inode numbers
    /// of sockets are counted up for the whole host (`get_next_ino()`). The
    /// kernel's own sockets have no inode; those the port tells apart.
    #[inline(always)]
    pub const fn from_inode(inode: u64, port: u16) -> Self {
        Self(BY_INODE | ((port as u64) << 32) | (inode & 0xffff_ffff))
    }

    /// The socket's cookie, where the key carries it.
    pub const fn cookie(self) -> Option<u64> {
        if self.0 & BY_INODE == 0 && self.0 != 0 { Some(self.0) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_back_and_an_inode_key_has_none() {
        assert_eq!(ListenerKey::from_cookie(4129).cookie(), Some(4129));
        assert_eq!(ListenerKey::from_inode(102_322, 8080).cookie(), None);
    }

    #[test]
    fn inode_and_port_both_tell_sockets_apart() {
        assert_ne!(ListenerKey::from_inode(7, 80), ListenerKey::from_inode(8, 80));
        assert_ne!(ListenerKey::from_inode(0, 80), ListenerKey::from_inode(0, 81));
    }
}
