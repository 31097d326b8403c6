//! The key under which the kernel maps keep a listener.
//!
//! A listener is a socket, and a socket's cookie is never used twice while the
//! host is up. `sock_diag` and the `listen` hook make the kernel generate it
//! (`__sock_gen_cookie()`, net/core/sock_diag.c); before that `skc_cookie` is
//! 0 and the key falls back to the socket's address mixed with its inode,
//! tagged by the top bit. User space joins the two keys of one socket by
//! namespace and inode.

/// A listener's key in the kernel maps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct ListenerKey(pub u64);

/// Set where the key was made from the socket's address and not its cookie.
const BY_ADDRESS: u64 = 1 << 63;

impl ListenerKey {
    /// The key of a socket that has a cookie.
    #[inline(always)]
    pub const fn from_cookie(cookie: u64) -> Self {
        Self(cookie & !BY_ADDRESS)
    }

    /// The key of a socket whose cookie nobody has asked for yet.
    ///
    /// Slab objects of sockets are cache-line aligned, so 6 bits of the
    /// address say nothing; the next 31 and the inode tell any two sockets
    /// apart whose lives overlap, and two sockets that use one address after
    /// the other by their inodes.
    #[inline(always)]
    pub const fn from_address(socket: u64, inode: u64) -> Self {
        Self(BY_ADDRESS | (((socket >> 6) & 0x7fff_ffff) << 32) | (inode & 0xffff_ffff))
    }

    /// The socket's cookie, where the key carries it.
    pub const fn cookie(self) -> Option<u64> {
        if self.0 & BY_ADDRESS == 0 && self.0 != 0 { Some(self.0) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_back_and_an_address_key_has_none() {
        assert_eq!(ListenerKey::from_cookie(4129).cookie(), Some(4129));
        assert_eq!(ListenerKey::from_address(0xffff_8880_1234_5640, 102_322).cookie(), None);
    }

    #[test]
    fn one_address_reused_with_another_inode_is_another_listener() {
        let socket = 0xffff_8880_1234_5640;
        assert_ne!(ListenerKey::from_address(socket, 7), ListenerKey::from_address(socket, 8));
    }
}
