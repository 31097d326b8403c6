//! Which socket a listener's key stands for, recorded when the listener is first met:
//! enough for user space to name it after it has closed.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_get_current_cgroup_id;

use crate::atomic::add;
use crate::globals::{
    OFF_NET_INUM, OFF_SK_ACK_BACKLOG, OFF_SK_DROPS, OFF_SK_MAX_ACK_BACKLOG, OFF_SKC_COOKIE, OFF_SKC_FAMILY,
    OFF_SKC_NET, OFF_SKC_NUM,
};
use crate::maps::{IDENTITIES, MET, NEW_IDENTITY};
use crate::read::{Memory, Ptr};
use crate::{address, context, key, namespace};

/// Where a hook runs. A packet's hook can interrupt a hook in process context on the
/// same CPU, so the two must not build their identities in the same memory.
#[derive(Clone, Copy)]
pub enum Place {
    /// A packet or timer, bottom half off.
    Packet = 0,
    /// accept(), in process context.
    Accept = 1,
    /// listen() or close(), in process context.
    Listen = 2,
    /// The walk over listeners, in process context. It writes out what it has built, so
    /// a task that preempts it and calls listen() must not build there.
    Walk = 3,
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
        let cgroup = unsafe { bpf_get_current_cgroup_id() };
        let pid = (context::thread() >> 32) as u32;
        Self { pid, cgroup, comm: ctx.command().unwrap_or_default() }
    }
}

/// Records which socket a key stands for. `false` where there is no room for it.
#[inline(always)]
pub fn meet<M: Memory>(tcp: Ptr, key: u64, caller: Option<Caller>, place: Place) -> bool {
    let Some(new) = NEW_IDENTITY.get_ptr_mut(place as u32) else { return false };
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let family: u16 = M::load(tcp, OFF_SKC_FAMILY.load());
    let Caller { pid, cgroup, comm } = caller.unwrap_or(Caller { pid: 0, cgroup: 0, comm: [0; 16] });
    // SAFETY: `new` is this CPU's scratch value.
    unsafe {
        (*new).cookie = M::load(tcp, OFF_SKC_COOKIE.load());
        (*new).inode = key::inode::<M>(tcp);
        (*new).time = context::now();
        (*new).cgroup = cgroup;
        (&raw mut (*new).address).cast::<[u64; 2]>().write(address::local::<M>(tcp, family));
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
        (*new).taken_over = 0;
        (*new).netns_slot = match namespace::slot_of::<M>(net) {
            Some(slot) => slot + 1,
            None => 0,
        };
        (*new).met_by_packet = match place {
            Place::Packet | Place::Accept => 1,
            Place::Listen | Place::Walk => 0,
        };
        (*new).namespace = namespace::name::<M>(net);
        (*new).is_gone = 0;
        (*new).charged = 0;
        // Where another CPU has met the listener first, what that CPU recorded stays.
        if IDENTITIES.insert(key, &*new, u64::from(BPF_NOEXIST)).is_ok() {
            if let Some(met) = MET.get_ptr_mut(0) {
                // Atomically, because a packet can interrupt a listen() here.
                add(met, 1);
            }
            return true;
        }
    }
    is_known(key)
}

/// Whether there is an identity of this key.
#[inline(always)]
pub fn is_known(key: u64) -> bool {
    IDENTITIES.get_ptr(key).is_some()
}

/// A socket listens again after a shutdown: it keeps its identity and its rows, under
/// both keys that it may have.
#[inline(always)]
pub fn reopen<M: Memory>(tcp: Ptr, key: u64) {
    open_again(key);
    let before = key::without_cookie::<M>(tcp);
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
