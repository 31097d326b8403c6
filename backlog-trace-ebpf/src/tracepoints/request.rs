//! A half-open request removed by an ICMP error, by the place where that is
//! freed.

use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::Reason;

use super::packet;
use super::{group, lookup};
use crate::baseline;
use crate::counts::{self, bump};
use crate::details::{self, Peer, Queues, What};
use crate::identity::Place;
use crate::maps::SEGMENT;
use crate::read::{Probed, Ptr, Typed};
use crate::scratch::Segment;
use crate::{mib, namespace};

/// An ICMP error has been dealt with: the counters say whether that removed a
/// half-open request.
#[inline(always)]
pub fn consumed(skb: Ptr) -> i32 {
    let Some(net) = packet::net::<Typed>(skb) else { return 0 };
    let Some(baseline) = baseline::judged_in::<Probed>(net as Ptr, true).and_then(mib::of_slot) else {
        return 0;
    };
    if mib::delta(baseline, false).of(Counter::ListenDrops) == 0 {
        return 0;
    }
    if packet::of_error::<Typed>(skb, net).is_some() {
        lookup::look_up(0);
        request_removed(0);
    }
    0
}

/// A request of this listener and client was removed. A function of its own:
/// see [`lookup::look_up`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn request_removed(at: u32) -> i32 {
    let Some(segment) = SEGMENT.get_ptr_mut(at) else { return 0 };
    // SAFETY: this CPU's live map value.
    let segment = unsafe { &*segment };
    let Some(slot) = namespace::slot_of::<Probed>(segment.net as Ptr) else { return 0 };
    let reason = Reason::RequestAborted;
    if of_listener(segment, reason).is_none()
        && let Some(baseline) = mib::of_slot(slot)
    {
        // SAFETY: this CPU's live map value.
        bump(unsafe { &raw mut (*baseline).unlisted }, reason.index());
    }
    0
}

/// Counts and tells it for its listener; `None`: that is not known.
#[inline(always)]
fn of_listener(segment: &Segment, reason: Reason) -> Option<()> {
    let listener = if segment.group != 0 { group::loser(segment.group) } else { segment.listener };
    if listener == 0 {
        return None;
    }
    let sk = listener as Ptr;
    let (_, row) = counts::of::<Probed>(sk, Place::Packet)?;
    let what = What::reason(reason, Outcome::None);
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        (*row).sk_drops += 1;
        bump(&raw mut (*row).reasons, reason.index());
        details::tell::<Probed>(sk, row, Queues::of::<Probed>(sk), what, Peer::Known(segment.client()));
    }
    Some(())
}
