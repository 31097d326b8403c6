//! The counts plane: a listener's row on this CPU, from its first packet after
//! judging has begun there until user space gives the row back.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use backlog_trace_common::counts::Counts;
use backlog_trace_common::limits::FORGOTTEN_AT_ONCE;

use crate::baseline;
use crate::context;
use crate::globals::{OFF_NET_INUM, OFF_SKC_NET, OFF_SKC_NUM, OFF_SKC_STATE, ROW_MASK};
use crate::identity::{self, Place};
use crate::key;
use crate::maps::{COUNTS, FORGOTTEN, SPILLED, ZERO_COUNTS};
use crate::read::{Memory, Ptr};
use crate::row::Row;
use crate::uapi::LISTEN;

/// A listener's row on this CPU. `None` where there is no room for one, or where
/// packets of the listener's namespace are not judged on this CPU (yet). What is
/// lost is then counted for the namespace.
#[inline(always)]
pub fn of<M: Memory>(tcp: Ptr, place: Place) -> Option<Row> {
    let key = key::of::<M>(tcp);
    let row = COUNTS.get_ptr_mut(key as u32 & ROW_MASK.load())?;
    // SAFETY: this CPU's live map values. The row in the listener's place of the array
    // is the listener's if it has its key; the other way gives one that is or NULL.
    unsafe {
        if (*row).key == key {
            return Row::at(row);
        }
        Row::at(elsewhere::<M>(tcp, key, place as u32))
    }
}

/// The row of a key on this CPU, where it has one.
#[inline(always)]
pub fn existing(key: u64) -> Option<Row> {
    let row = COUNTS.get_ptr_mut(key as u32 & ROW_MASK.load())?;
    // SAFETY: this CPU's live map values; both have been looked up by the key.
    unsafe { if (*row).key == key { Row::at(row) } else { Row::at(SPILLED.get_ptr_mut(key)?) } }
}

/// The row of a listener that has none in its place of the array; NULL where there is
/// none to be had. Out of line, because every hook asks for a row and hardly any
/// packet comes here.
#[inline(never)]
fn elsewhere<M: Memory>(tcp: Ptr, key: u64, place: u32) -> *mut Counts {
    let is_packet = place == Place::Packet as u32;
    let Some(slot) = baseline::judged::<M>(tcp, is_packet) else { return core::ptr::null_mut() };
    let Some(own) = COUNTS.get_ptr_mut(key as u32 & ROW_MASK.load()) else { return core::ptr::null_mut() };
    // Only packets claim a free row: with the bottom half off, nothing else runs on
    // this CPU between their look at the row and their claim.
    // SAFETY: this CPU's live map value.
    let free = is_packet && unsafe { (*own).key } == 0;
    let spilled = SPILLED.get_ptr_mut(key);
    if let Some(row) = spilled
        && !free
    {
        // SAFETY: this CPU's live map value. An entry that another CPU made is still
        // empty on this one.
        if unsafe { (*row).key } == 0 {
            claim::<M>(tcp, row, key, slot);
        }
        return row;
    }
    if !may_begin::<M>(tcp, key, is_packet) {
        return core::ptr::null_mut();
    }
    if free {
        clear(own);
        claim::<M>(tcp, own, key, slot);
        return own;
    }
    let Some(zero) = ZERO_COUNTS.get_ptr(0) else { return core::ptr::null_mut() };
    // Where another CPU has made the entry meanwhile, its entry stays.
    // SAFETY: `zero` is a live map value.
    let _ = SPILLED.insert(key, unsafe { &*zero }, u64::from(BPF_NOEXIST));
    let Some(row) = SPILLED.get_ptr_mut(key) else { return core::ptr::null_mut() };
    claim::<M>(tcp, row, key, slot);
    row
}

/// Whether a listener may have a row: only one with an identity, by which user space
/// can tell whose row it is. A closed listener that user space has forgotten gets no
/// row, because nobody would read it.
#[inline(always)]
fn may_begin<M: Memory>(tcp: Ptr, key: u64, is_packet: bool) -> bool {
    if identity::is_known(key) {
        return true;
    }
    if M::load::<u8>(tcp, OFF_SKC_STATE.load()) != LISTEN {
        return false;
    }
    if is_packet {
        identity::meet::<M>(tcp, key, None, Place::Packet)
    } else {
        identity::meet::<M>(tcp, key, None, Place::Accept)
    }
}

/// Makes a row the listener's, and keeps in it what every record of the listener
/// repeats.
#[inline(always)]
fn claim<M: Memory>(tcp: Ptr, row: *mut Counts, key: u64, slot: u32) {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    // SAFETY: this CPU's live map value.
    unsafe {
        (*row).key = key;
        (*row).netns = M::load(net, OFF_NET_INUM.load());
        (*row).netns_slot = slot;
        (*row).port = u32::from(M::load::<u16>(tcp, OFF_SKC_NUM.load()));
        (*row).cpu = context::cpu();
    }
}

/// Words of 64 bits in a row.
const WORDS: usize = size_of::<Counts>() / 8;

/// Sets a row to zero, which may hold what another listener counted.
#[inline(always)]
fn clear(row: *mut Counts) {
    let words: *mut u64 = row.cast();
    let mut at = 0usize;
    while at < WORDS {
        // SAFETY: within this CPU's live map value. Volatile, so that LLVM does not
        // turn the loop into a call of memset(), which goes byte by byte here.
        unsafe { words.add(at).write_volatile(0) };
        at += 1;
    }
}

/// Gives this CPU's rows of closed listeners back: user space, which has read
/// them, has put their keys into [`FORGOTTEN`] and runs this on every CPU with
/// their number. A run is an interrupt of its CPU, so no packet claims a row
/// meanwhile.
#[raw_tracepoint]
pub fn forget(ctx: RawTracePointContext) -> i32 {
    let count: u64 = ctx.arg(0);
    let mut at = 0u32;
    while at < FORGOTTEN_AT_ONCE {
        if u64::from(at) >= count {
            break;
        }
        give_back(at);
        at += 1;
    }
    0
}

/// Gives back the row of the key that user space put at this place. Out of line, so
/// that the loop over keys is verified once.
#[inline(never)]
fn give_back(at: u32) -> u32 {
    let Some(key) = FORGOTTEN.get(at) else { return 0 };
    let Some(row) = COUNTS.get_ptr_mut(*key as u32 & ROW_MASK.load()) else { return 0 };
    // SAFETY: this CPU's live map value.
    unsafe {
        if (*row).key == *key {
            (*row).key = 0;
        }
    }
    1
}
