//! The counts plane: finding a listener's row, and meeting a new listener.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_get_smp_processor_id, bpf_ktime_get_ns,
};
use backlog_trace_common::counts::Counts;
use backlog_trace_common::key::ListenerKey;

use crate::globals::{
    ABSENT, OFF_FILE_INODE, OFF_INODE_INO, OFF_NET_INUM, OFF_SK_ACK_BACKLOG, OFF_SK_DROPS, OFF_SK_INO,
    OFF_SK_MAX_ACK_BACKLOG, OFF_SK_SOCKET, OFF_SKC_COOKIE, OFF_SKC_FAMILY, OFF_SKC_NET, OFF_SKC_NUM,
    OFF_SKC_RCV_SADDR, OFF_SKC_V6_RCV_SADDR, OFF_SOCKET_FILE, ROW_MASK,
};
use crate::maps::{CLOSED_KEYS, COUNTS, IDENTITIES, NEW_IDENTITY, SPILLED, ZERO_COUNTS};
use crate::read::{Memory, Ptr};

/// `AF_INET6`.
pub const INET6: u16 = 10;

/// The key of a listening socket.
#[inline(always)]
pub fn key<M: Memory>(tcp: Ptr) -> u64 {
    let cookie: u64 = M::load(tcp, OFF_SKC_COOKIE.load());
    if cookie != 0 { cookie } else { key_without_cookie::<M>(tcp) }
}

/// The key that a listening socket had before it had a cookie.
///
/// A socket that closes loses its inode (sock_orphan()) and its port
/// (inet_put_port()), and its half-open requests may meet something all the
/// same: then it goes by the key that it closed with.
#[inline(always)]
pub fn key_without_cookie<M: Memory>(tcp: Ptr) -> u64 {
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
        let _ = CLOSED_KEYS.insert(tcp as u64, key_without_cookie::<M>(tcp), 0);
    }
}

/// The socket's inode: what `ss` and `/proc/PID/fd` know it by. 0 for a socket
/// of the kernel's own.
#[inline(always)]
fn inode<M: Memory>(tcp: Ptr) -> u64 {
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

/// Where a hook runs. A packet's hook can interrupt one in process context on
/// the same CPU, so the two must not build the same thing in one place.
#[derive(Clone, Copy)]
pub enum Place {
    /// A packet or timer, bottom half off.
    Packet = 0,
    /// accept(), in process context.
    Accept = 1,
    /// listen() or the walk over listeners, in process context.
    Listen = 2,
}

/// A listener's row on this CPU. `None`: it found no room.
#[inline(always)]
pub fn of<M: Memory>(tcp: Ptr, place: Place) -> Option<(u64, *mut Counts)> {
    let key = key::<M>(tcp);
    let row = COUNTS.get_ptr_mut(key as u32 & ROW_MASK.load())?;
    // SAFETY: `row` is this CPU's live map value.
    let owner = unsafe { (*row).key };
    if owner == key {
        return Some((key, row));
    }
    // Only packets claim a free row: between their look and their claim
    // nothing else runs on this CPU.
    if owner == 0 && matches!(place, Place::Packet) {
        claim::<M>(tcp, row, key);
        meet::<M>(tcp, key, None, place);
        return Some((key, row));
    }
    spilled::<M>(tcp, key, place).map(|row| (key, row))
}

/// The row of a key on this CPU, where it has one.
#[inline(always)]
pub fn existing(key: u64) -> Option<*mut Counts> {
    let row = COUNTS.get_ptr_mut(key as u32 & ROW_MASK.load())?;
    // SAFETY: `row` is this CPU's live map value.
    if unsafe { (*row).key } == key { Some(row) } else { SPILLED.get_ptr_mut(key) }
}

/// The row of a listener whose place is taken, or that is first met by accept().
#[inline(always)]
fn spilled<M: Memory>(tcp: Ptr, key: u64, place: Place) -> Option<*mut Counts> {
    if let Some(row) = SPILLED.get_ptr_mut(key) {
        // SAFETY: this CPU's live map value; made by another CPU, it is empty here.
        if unsafe { (*row).key } == 0 {
            claim::<M>(tcp, row, key);
        }
        return Some(row);
    }
    meet::<M>(tcp, key, None, place);
    let zero = ZERO_COUNTS.get_ptr(0)?;
    // SAFETY: `zero` is a live map value. Another CPU may have been first:
    // its row stays.
    let _ = SPILLED.insert(key, unsafe { &*zero }, u64::from(BPF_NOEXIST));
    let row = SPILLED.get_ptr_mut(key)?;
    claim::<M>(tcp, row, key);
    Some(row)
}

/// Makes a row the listener's, with what its details say every time.
#[inline(always)]
fn claim<M: Memory>(tcp: Ptr, row: *mut Counts, key: u64) {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    // SAFETY: this CPU's live map value; the helper takes no arguments.
    unsafe {
        (*row).key = key;
        (*row).netns = M::load(net, OFF_NET_INUM.load());
        (*row).port = u32::from(M::load::<u16>(tcp, OFF_SKC_NUM.load()));
        (*row).cpu = bpf_get_smp_processor_id();
    }
}

/// The task that called listen().
pub struct Caller {
    pid: u32,
    cgroup: u64,
    comm: [u8; 16],
}

impl Caller {
    /// The current task, in a hook that runs in its context.
    #[inline(always)]
    pub fn current<C: EbpfContext>(ctx: &C) -> Self {
        // SAFETY: no arguments.
        let (pid, cgroup) =
            unsafe { ((bpf_get_current_pid_tgid() >> 32) as u32, bpf_get_current_cgroup_id()) };
        Self { pid, cgroup, comm: ctx.command().unwrap_or_default() }
    }
}

/// Records which socket a key stands for.
#[inline(always)]
pub fn meet<M: Memory>(tcp: Ptr, key: u64, caller: Option<Caller>, place: Place) {
    let Some(new) = NEW_IDENTITY.get_ptr_mut(place as u32) else { return };
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let family: u16 = M::load(tcp, OFF_SKC_FAMILY.load());
    let Caller { pid, cgroup, comm } = caller.unwrap_or(Caller { pid: 0, cgroup: 0, comm: [0; 16] });
    // SAFETY: `new` is this CPU's scratch value.
    unsafe {
        (*new).cookie = M::load(tcp, OFF_SKC_COOKIE.load());
        (*new).inode = inode::<M>(tcp);
        (*new).time = bpf_ktime_get_ns();
        (*new).cgroup = cgroup;
        let words: *mut u64 = (&raw mut (*new).address).cast();
        if family == INET6 {
            words.write(M::load(tcp, OFF_SKC_V6_RCV_SADDR.load()));
            words.add(1).write(M::load(tcp, OFF_SKC_V6_RCV_SADDR.load() + 8));
        } else {
            words.write(u64::from(M::load::<u32>(tcp, OFF_SKC_RCV_SADDR.load())));
            words.add(1).write(0);
        }
        (*new).netns = M::load(net, OFF_NET_INUM.load());
        (*new).pid = pid;
        (*new).drops = M::load(tcp, OFF_SK_DROPS.load());
        (*new).limit = M::load(tcp, OFF_SK_MAX_ACK_BACKLOG.load());
        (*new).port = M::load(tcp, OFF_SKC_NUM.load());
        (*new).family = family;
        (*new).comm = comm;
        (*new).closed = 0;
        (*new).closed_drops = 0;
        (*new).closed_accept_queue = 0;
        (*new).closed_syn_queue = 0;
        (*new).accept_queue = M::load(tcp, OFF_SK_ACK_BACKLOG.load());
        (*new).migrates = 0;
        (*new).closing = 0;
        (*new).lost_unaccepted = 0;
        (*new).lost_half_open = 0;
        (*new).left_unaccepted = 0;
        (*new).reserved = 0;
        (*new).charged = 0;
        // Another CPU may have met it first: what it recorded stays.
        let _ = IDENTITIES.insert(key, &*new, u64::from(BPF_NOEXIST));
    }
}

/// A socket can listen again after a shutdown: it keeps its row.
#[inline(always)]
pub fn reopen<M: Memory>(tcp: Ptr, key: u64) {
    open_again(key);
    let before = key_without_cookie::<M>(tcp);
    if before != key {
        open_again(before);
    }
}

#[inline(always)]
fn open_again(key: u64) {
    if let Some(identity) = IDENTITIES.get_ptr_mut(key) {
        // SAFETY: a live map value; listen() holds the socket's lock.
        unsafe { (*identity).closed = 0 };
    }
}

/// Adds one to a histogram's bucket. The compare is for the verifier.
#[inline(always)]
pub fn bump<const N: usize>(histogram: *mut [u64; N], bucket: usize) {
    if bucket < N {
        // SAFETY: the index was checked; the histogram lies in a live map value.
        unsafe { *histogram.cast::<u64>().add(bucket) += 1 };
    }
}
