//! A handshake has finished and its connection is in the accept queue, whichever
//! hook saw it. Where the port has lost something lately, a record tells of the
//! client: it may have been refused before, and have got in now.

use backlog_trace_common::detail::Kind;

use super::syn;
use crate::address::Client;
use crate::counts;
use crate::details::{self, What};
use crate::identity::Place;
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Ptr};
use crate::row::Row;
use crate::{lost_lately, mib};

/// A handshake finished that is not counted: how many do follows from accept() and the
/// queue's length. So a listener is looked at only where its port has lost something.
#[inline(always)]
pub fn uncounted<M: Memory>(sk: Ptr, client: Peer) -> i32 {
    if lost_lately::at::<M>(sk)
        && let Some(tcp) = M::tcp_sock(sk)
        && let Some(row) = counts::of::<M>(tcp, Place::Packet)
    {
        tell::<M>(tcp, row, client);
    }
    0
}

/// A handshake finished by a cookie.
#[inline(always)]
pub fn by_cookie<M: Memory>(tcp: Ptr, row: Row, client: Peer) {
    row.count_established_by_cookie();
    if lost_lately::at::<M>(tcp) {
        tell::<M>(tcp, row, client);
    }
}

/// A connection was made and put into the accept queue, as the tracepoint rung sees it.
/// `client` is read even where it is not `known` (Fast Open): LLVM would keep an
/// `Option` of it in registers that the verifier takes for unset.
#[inline(always)]
pub fn queued<M: Memory>(tcp: Ptr, client: Client, known: bool) -> i32 {
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else { return 0 };
    row.saw_accept_queue(Queues::of::<M>(tcp).accept);
    row.count_established();
    if syn::cookies_possible::<M>(tcp)
        && let Some(baseline) = mib::of_row(row)
        && baseline.cookie_received()
    {
        row.count_established_by_cookie();
    }
    if known && lost_lately::at::<M>(tcp) {
        tell::<M>(tcp, row, Peer::Known(client));
    }
    0
}

/// A connection was put into the accept queue that was made at another member of the
/// listener's group, which has closed: its handshake has been counted there.
#[inline(always)]
pub fn taken_over<M: Memory>(tcp: Ptr) -> i32 {
    if let Some(row) = counts::of::<M>(tcp, Place::Packet) {
        row.saw_accept_queue(Queues::of::<M>(tcp).accept);
    }
    0
}

#[inline(always)]
fn tell<M: Memory>(tcp: Ptr, row: Row, client: Peer) {
    details::tell::<M>(tcp, row, Queues::of::<M>(tcp), What::kind(Kind::Established), client);
}
