//! The client's SYN, seen where its packet is freed.

use backlog_trace_common::counter::Counter;
use backlog_trace_common::verdict::{Delta, Signs};

use super::packet;
use super::{group, lookup, queued};
use crate::baseline;
use crate::counts;
use crate::globals::OFF_SK_DROPS;
use crate::hooks::syn::{self, Syn};
use crate::identity::Place;
use crate::maps::SEGMENT;
use crate::mib::{self, OwnBaseline};
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Probed, Ptr, Typed};
use crate::scratch::Segment;

/// A SYN is consumed: it has been answered or refused.
#[inline(always)]
pub fn consumed(skb: Ptr) -> i32 {
    let Some(segment) = packet::of::<Typed>(skb) else { return 0 };
    // SAFETY: this CPU's live map value.
    unsafe {
        // The request of a SYN that was queued says which listener it was for, also of
        // the members of a group. Any other SYN's listener is searched for.
        (*segment).listener = queued::listener(&*segment);
        (*segment).queued = u64::from((*segment).listener != 0);
        (*segment).group = 0;
        if (*segment).listener == 0 {
            lookup::look_up(0);
        }
    }
    syn_handled(0)
}

/// Judges the SYN in entry `at`. A global function, for the reason that
/// [`lookup::look_up`] is one.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn syn_handled(at: u32) -> i32 {
    let Some(segment) = SEGMENT.get_ptr_mut(at) else { return 0 };
    // SAFETY: this CPU's live map value.
    let segment = unsafe { &*segment };
    let Some(slot) = baseline::judged_in::<Probed>(segment.net as Ptr, true) else { return 0 };
    let Some(baseline) = mib::of_slot(slot) else { return 0 };
    let delta = baseline.delta(true);
    if of_listener(segment, baseline, &delta).is_none() {
        syn::charge_namespace(baseline, &delta, &Signs::default());
    }
    0
}

/// Judges a SYN of the listener that it was for; `None` where that is not known.
#[inline(always)]
fn of_listener(segment: &Segment, baseline: OwnBaseline, delta: &Delta) -> Option<()> {
    // A SYN that was queued moved no counter. What moved them before it was a packet
    // that no program saw: it is charged to no listener, and the audit shows it.
    let delta = if segment.queued == 1 { Delta::default() } else { *delta };
    let lost = delta.of(Counter::ListenDrops) != 0;
    let listener = if lost && segment.group != 0 { group::loser(segment.group) } else { segment.listener };
    if listener == 0 {
        return None;
    }
    let tcp = listener as Ptr;
    let row = counts::of::<Probed>(tcp, Place::Packet)?;
    let drops: u32 = Probed::load(tcp, OFF_SK_DROPS.load());
    let drops_moved = drops != row.last_drops();
    row.set_last_drops(drops);
    // tcp_listendrop() moves sk_drops of the listener that lost the SYN. If it has not
    // moved, the packet was redirected to another listener.
    if lost && !drops_moved && segment.group == 0 {
        return None;
    }
    let client = Peer::Known(segment.client());
    let syn = Syn { tcp, row, client, queues: Queues::of::<Probed>(tcp) };
    let signs = syn::fastopen::<Probed>(tcp, baseline);
    let told = syn.judge::<Probed>(&delta, &signs, || segment.not_unicast == 1);
    row.count_syn(syn.queues, told);
    Some(())
}
