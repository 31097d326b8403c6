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

/// The key that a listening socket had before it had a cookie.
///
/// A socket that closes loses its inode (sock_orphan()) and its port
/// (inet_put_port()), and its half-open requests may meet something all the
/// same: then it goes by the key that it closed with.
#[inline(always)]
pub fn without_cookie<M: Memory>(tcp: Ptr) -> u64 {
    let inode = inode::<M>(tcp);
    if inode == 0 {
        // SAFETY: a key is entered whole, and read only while it is used.
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

/// The socket's inode: what `ss` and `/proc/PID/fd` know it by. 0 for a socket
/// of the kernel's own.
#[inline(always)]
pub fn inode<M: Memory>(tcp: Ptr) -> u64 {
    if OFF_SK_INO.load() != ABSENT {
        return M::load(tcp, OFF_SK_INO.load());
    }
    // struct socket_alloc is out of reach of a typed pointer to its first
    // member, so the way goes through the file.
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
