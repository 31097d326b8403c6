//! The key of a listener in the maps: see [`backlog_trace_common::key`].

use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::key::ListenerKey;

use crate::globals::{
    OFF_FILE_INODE, OFF_INODE_INO, OFF_SK_INO, OFF_SK_SOCKET, OFF_SKC_COOKIE, OFF_SKC_NUM, OFF_SOCKET_FILE,
};
use crate::maps::CLOSED_KEYS;
use crate::read::{Memory, Ptr};

/// The key of a listening socket.
#[inline(always)]
pub fn of<M: Memory>(tcp: Ptr) -> u64 {
    let cookie: u64 = M::load(tcp, OFF_SKC_COOKIE.load());
    if cookie != 0 { cookie } else { without_cookie::<M>(tcp) }
}

/// The key that a listening socket had before it had a cookie: made of its inode
/// and port.
///
/// A socket that closes loses both (sock_orphan(), inet_put_port()), but its
/// half-open requests live on until their next timer or ACK, and what is lost
/// with them is the listener's: then the key that it closed with is looked up by
/// the socket's address.
#[inline(always)]
pub fn without_cookie<M: Memory>(tcp: Ptr) -> u64 {
    let inode = inode::<M>(tcp);
    if inode == 0 {
        // SAFETY: the key is copied at once; a map value of eight bytes is
        // written whole.
        if let Some(key) = unsafe { CLOSED_KEYS.get(tcp as u64) } {
            return *key;
        }
    }
    ListenerKey::from_inode(inode, M::load(tcp, OFF_SKC_NUM.load())).0
}

/// Remembers the key of a listener that closes without a cookie.
#[inline(always)]
pub fn remember_closed<M: Memory>(tcp: Ptr) {
    let cookie: u64 = M::load(tcp, OFF_SKC_COOKIE.load());
    if cookie == 0 && inode::<M>(tcp) != 0 {
        let _ = CLOSED_KEYS.insert(tcp as u64, without_cookie::<M>(tcp), 0);
    }
}

/// The number of the socket's inode, by which `ss` and `/proc/PID/fd` know the
/// socket (`socket:[102322]`). 0 for a socket of the kernel's own.
#[inline(always)]
pub fn inode<M: Memory>(tcp: Ptr) -> u64 {
    if OFF_SK_INO.load() != ABSENT {
        return M::load(tcp, OFF_SK_INO.load());
    }
    // The inode lies in struct socket_alloc, behind its first member struct
    // socket. The verifier lets a typed pointer to that member go no further, so
    // the way to the inode leads through the socket's file.
    let socket: Ptr = M::load(tcp, OFF_SK_SOCKET.load());
    if socket.is_null() {
        return 0;
    }
    let file: Ptr = M::load(socket, OFF_SOCKET_FILE.load());
    if file.is_null() {
        return 0;
    }
    let inode: Ptr = M::load(file, OFF_FILE_INODE.load());
    if inode.is_null() { 0 } else { M::load(inode, OFF_INODE_INO.load()) }
}
