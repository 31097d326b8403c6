//! The details plane: one record per packet worth telling about, in the ring
//! buffer.
//!
//! A record that finds no room there is counted as missed. No count is derived
//! from records.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use backlog_trace_common::detail::{Cause, Detail, Kind, Outcome};
use backlog_trace_common::reason::Reason;

use crate::context;
use crate::globals::{OFF_NET_INUM, OFF_SK_MAX_ACK_BACKLOG, OFF_SKC_NET, OFF_SKC_NUM};
use crate::lost_lately;
use crate::maps::{DETAILS, MISSED};
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Ptr};
use crate::row::Row;

/// What a record says besides listener, queues and client.
pub struct What {
    /// What the record tells of.
    pub kind: Kind,
    /// Why, where `kind` is [`Kind::Reason`].
    pub reason: Reason,
    /// What the client was told.
    pub outcome: Outcome,
    /// Why a SYN+ACK was sent again, or a request given up.
    pub cause: Cause,
    /// Which retransmit of the SYN+ACK: 1 for the first.
    pub attempt: u8,
    /// Bytes of data in the packet.
    pub payload: u32,
}

impl What {
    /// A packet that met a reason.
    #[inline(always)]
    pub const fn reason(reason: Reason, outcome: Outcome) -> Self {
        Self { kind: Kind::Reason, reason, outcome, cause: Cause::None, attempt: 0, payload: 0 }
    }

    /// Something that happened to the listener or to a connection of it.
    #[inline(always)]
    pub const fn kind(kind: Kind) -> Self {
        Self {
            kind,
            reason: Reason::SynAcceptQueueFull,
            outcome: Outcome::None,
            cause: Cause::None,
            attempt: 0,
            payload: 0,
        }
    }
}

/// Writes one record about the listener of a row.
#[inline(always)]
pub fn tell<M: Memory>(tcp: Ptr, row: Row, queues: Queues, what: What, peer: Peer) {
    let head = Head::of_row::<M>(tcp, row, queues);
    row.set_limit(head.limit);
    write::<M>(head, what, peer);
}

/// Writes one record about a listener in process context, where its row on this CPU
/// is not looked for.
#[inline(always)]
pub fn tell_without_row<M: Memory>(tcp: Ptr, key: u64, what: What) {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let head = Head {
        key,
        netns: M::load(net, OFF_NET_INUM.load()),
        port: u32::from(M::load::<u16>(tcp, OFF_SKC_NUM.load())),
        cpu: context::cpu(),
        limit: M::load(tcp, OFF_SK_MAX_ACK_BACKLOG.load()),
        queues: Queues::of::<M>(tcp),
    };
    write::<M>(head, what, Peer::Nobody);
}

/// What a record says of its listener.
struct Head {
    key: u64,
    netns: u32,
    port: u32,
    cpu: u32,
    limit: u32,
    queues: Queues,
}

impl Head {
    /// What does not change is kept in the row, so that it is not read again for
    /// each record.
    #[inline(always)]
    fn of_row<M: Memory>(tcp: Ptr, row: Row, queues: Queues) -> Self {
        let (key, netns, port, cpu) = (row.key(), row.netns(), row.port(), row.cpu());
        Self { key, netns, port, cpu, limit: M::load(tcp, OFF_SK_MAX_ACK_BACKLOG.load()), queues }
    }
}

/// Prepares a record about a listener and a half-open request that the hooked
/// function may free. [`send`] writes it on the function's way out.
#[inline(always)]
pub fn prepare<M: Memory>(record: &mut Detail, tcp: Ptr, row: Row, what: What, peer: Peer) {
    let head = Head::of_row::<M>(tcp, row, Queues::of::<M>(tcp));
    // SAFETY: a record that the caller lends.
    unsafe { fill::<M>(record, head, what, peer) };
}

/// Writes a prepared record of this reason.
#[inline(always)]
pub fn send(prepared: &Detail, reason: Reason) {
    let Some(mut entry) = DETAILS.reserve::<Detail>(0) else { return missed() };
    // SAFETY: the ring has reserved memory for one record. Copied as a whole: by value,
    // LLVM would take the record apart and copy it member by member.
    unsafe { entry.as_mut_ptr().copy_from_nonoverlapping(prepared, 1) };
    lost_lately::note(reason, prepared.netns, u32::from(prepared.port), prepared.time);
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

#[inline(always)]
fn missed() {
    if let Some(missed) = MISSED.get_ptr_mut(0) {
        // SAFETY: this CPU's live map value.
        unsafe { *missed += 1 };
    }
}

#[inline(always)]
fn write<M: Memory>(head: Head, what: What, peer: Peer) {
    let reason = matches!(what.kind, Kind::Reason).then_some((what.reason, head.netns, head.port));
    let Some(mut entry) = DETAILS.reserve::<Detail>(0) else {
        // The client of this loss is not known to user space, so its retries are
        // not followed. Those of clients whose records found room are.
        if let Some((reason, netns, port)) = reason {
            lost_lately::note(reason, netns, port, context::now());
        }
        return missed();
    };
    // SAFETY: the ring has reserved memory for one record, which nothing else uses
    // until the record is submitted.
    let time = unsafe { fill::<M>(entry.as_mut_ptr(), head, what, peer) };
    if let Some((reason, netns, port)) = reason {
        lost_lately::note(reason, netns, port, time);
    }
    // User space polls at a steady pace: a wake-up per record would cost more
    // than the record.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// Fills in every field of a record, and returns its time.
///
/// # Safety
/// `record` must be memory for a record that nothing else uses meanwhile.
#[inline(always)]
unsafe fn fill<M: Memory>(record: *mut Detail, head: Head, what: What, peer: Peer) -> u64 {
    // SAFETY: the caller's promise. The client's address has room for four words and
    // lies at a multiple of eight.
    unsafe {
        let time = context::now();
        (*record).time = time;
        (*record).listener = head.key;
        (*record).netns = head.netns;
        (*record).accept_queue = head.queues.accept;
        (*record).syn_queue = head.queues.syn;
        (*record).limit = head.limit;
        (*record).port = head.port as u16;
        (*record).kind = what.kind as u8;
        (*record).reason = what.reason as u8;
        (*record).outcome = what.outcome as u8;
        (*record).cause = what.cause as u8;
        (*record).attempt = what.attempt;
        (*record).cpu = head.cpu as u16;
        (*record).payload = if what.payload > 0xffff { 0xffff } else { what.payload as u16 };
        (*record).more = 0;
        let client = peer.client::<M>();
        (*record).family = client.map_or(0, |client| client.family());
        (*record).peer_port = client.map_or(0, |client| client.port);
        let [first, second, third, fourth] = client.map_or([0; 4], |client| client.address);
        let address: *mut u32 = (&raw mut (*record).peer).cast();
        address.write(first);
        address.add(1).write(second);
        address.add(2).write(third);
        address.add(3).write(fourth);
        time
    }
}
