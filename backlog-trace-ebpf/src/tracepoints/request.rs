//! A half-open request removed by an ICMP error, seen where the packet of the error is
//! freed.

use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;

use super::packet;
use super::{group, lookup};
use crate::baseline;
use crate::counts;
use crate::details::{self, What};
use crate::hooks::request::removed;
use crate::identity::Place;
use crate::maps::SEGMENT;
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Probed, Ptr, Typed};
use crate::scratch::Segment;
use crate::{mib, namespace};

/// An ICMP error has been dealt with. The counters say whether a half-open request was
/// removed because of it.
#[inline(always)]
pub fn consumed(skb: Ptr) -> i32 {
    let Some(net) = packet::net::<Typed>(skb) else { return 0 };
    let Some(baseline) = baseline::judged_in::<Probed>(net as Ptr, true).and_then(mib::of_slot) else {
        return 0;
    };
    if baseline.delta(false).of(Counter::ListenDrops) == 0 {
        return 0;
    }
    if packet::of_error::<Typed>(skb, net).is_some() {
        lookup::look_up(0);
        request_removed(0);
    }
    0
}

/// The request of the segment in entry `at` was removed. A global function, for the
/// reason that [`lookup::look_up`] is one.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn request_removed(at: u32) -> i32 {
    let Some(segment) = SEGMENT.get_ptr_mut(at) else { return 0 };
    // SAFETY: this CPU's live map value.
    let segment = unsafe { &*segment };
    let Some(slot) = namespace::slot_of::<Probed>(segment.net as Ptr) else { return 0 };
    let Some(baseline) = mib::of_slot(slot) else { return 0 };
    let listener = listener(segment) as Ptr;
    let row = if listener.is_null() { None } else { counts::of::<Probed>(listener, Place::Packet) };
    removed(row, baseline, |row, reason| {
        let what = What::reason(reason, Outcome::None);
        let client = Peer::Known(segment.client());
        details::tell::<Probed>(listener, row, Queues::of::<Probed>(listener), what, client);
    });
    0
}

/// The listener that lost the request; 0 where it is not known.
#[inline(always)]
fn listener(segment: &Segment) -> u64 {
    if segment.group != 0 { group::loser(segment.group) } else { segment.listener }
}
