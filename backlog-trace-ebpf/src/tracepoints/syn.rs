//! The client's SYN, by the place where it is freed.

use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::verdict::{Delta, Signs};

use super::packet;
use super::{group, lookup, queued};
use crate::baseline;
use crate::counts;
use crate::details::{Peer, Queues};
use crate::globals::OFF_SK_DROPS;
use crate::hooks::syn;
use crate::identity::Place;
use crate::maps::SEGMENT;
use crate::mib;
use crate::read::{Memory, Probed, Ptr, Typed};
use crate::scratch::Segment;

/// A SYN is consumed: it has been answered or refused.
#[inline(always)]
pub fn consumed(skb: Ptr) -> i32 {
    let Some(segment) = packet::of::<Typed>(skb) else { return 0 };
    // SAFETY: this CPU's live map value.
    unsafe {
        // One that was queued says which member of a group it was.
        (*segment).listener = queued::listener(&*segment);
        (*segment).queued = u64::from((*segment).listener != 0);
        (*segment).group = 0;
        if (*segment).listener == 0 {
            lookup::look_up(0);
        }
    }
    syn_handled(0)
}

/// Judges it. A function of its own: see
/// [`lookup::look_up`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn syn_handled(at: u32) -> i32 {
    let Some(segment) = SEGMENT.get_ptr_mut(at) else { return 0 };
    // SAFETY: this CPU's live map value.
    let segment = unsafe { &*segment };
    let Some(slot) = baseline::judged_in::<Probed>(segment.net as Ptr, true) else { return 0 };
    let Some(baseline) = mib::of_slot(slot) else { return 0 };
    let delta = mib::delta(baseline, true);
    if of_listener(segment, baseline, &delta).is_none() {
        syn::charge_namespace(baseline, &delta, &Signs::default());
    }
    0
}

/// Counts and tells it for its listener; `None`: that is not known.
#[inline(always)]
fn of_listener(segment: &Segment, baseline: *mut Baseline, delta: &Delta) -> Option<()> {
    // What moved the counters before a SYN that was queued was a packet that no
    // program saw. It is nobody's, and the audit shows it.
    let nothing = Delta::default();
    let delta = if segment.queued == 1 { &nothing } else { delta };
    let lost = delta.of(Counter::ListenDrops) != 0;
    let listener = if lost && segment.group != 0 { group::loser(segment.group) } else { segment.listener };
    if listener == 0 {
        return None;
    }
    let sk = listener as Ptr;
    let (_, row) = counts::of::<Probed>(sk, Place::Packet)?;
    let drops: u32 = Probed::load(sk, OFF_SK_DROPS.load());
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        let moved = drops != (*row).last_drops;
        (*row).last_drops = drops;
        // tcp_listendrop() has moved sk_drops of the one that lost it: the
        // packet was redirected to another listener.
        if lost && !moved && segment.group == 0 {
            return None;
        }
        let queues = Queues::of::<Probed>(sk);
        let client = Peer::Known(segment.client());
        let signs = syn::fastopen::<Probed>(sk, baseline);
        let not_unicast = || segment.not_unicast == 1;
        let told = syn::pronounce::<Probed>(sk, row, client, delta, &signs, not_unicast, queues);
        syn::arrived(row, queues, told);
    }
    Some(())
}
