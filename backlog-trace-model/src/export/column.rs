//! The columns, as one table: their names, what each means for the documents, and
//! where it is taken from. A contract like that of JSON: columns are added, before
//! those of the reasons, and never renamed.

use backlog_trace_common::reason;

use super::cell::Cell;
use super::row::Row;
use crate::event::Figure;
use crate::listener::{Cap, binding};
use crate::tally::Who;
use crate::view::rfc3339;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// What stands in it, for the documents.
    pub means: &'static str,
    value: Value,
}

/// Where the cells of a column are taken from.
#[derive(Clone, Copy, Debug)]
enum Value {
    Of(fn(&Row<'_>) -> Cell),
    Packets(reason::Reason),
}

const fn column(name: &'static str, means: &'static str, of: fn(&Row<'_>) -> Cell) -> Column {
    Column { name, means, value: Value::Of(of) }
}

/// Those that stand before the reasons.
const FIRST: &[Column] = &[
    column("start", "begin of the stretch, RFC 3339 in UTC", |row| {
        Cell::known(Some(rfc3339(row.report.unix_ns(row.report.from))))
    }),
    column("end", "its end", |row| Cell::known(Some(rfc3339(row.report.unix_ns(row.report.to))))),
    column("final", "`true`: the whole run; `false`: an interval of it", |row| {
        Cell::known(Some(row.report.is_final))
    }),
    column("complete", "`false`: a recording lacks something, or an interval is not the last word", |row| {
        Cell::known(Some(row.report.is_whole()))
    }),
    column("recording", "file that `report` read", |row| Cell::text_of(row.recording)),
    column("host", "name of the observed host", |row| {
        Cell::text_of(row.session().map(|session| session.host.as_str()))
    }),
    column("kernel", "its kernel release", |row| {
        Cell::text_of(row.session().map(|session| session.kernel.as_str()))
    }),
    column("netns", "inode number of the listener's network namespace", |row| {
        Cell::known(Some(row.of.who.netns()).filter(|netns| *netns != 0))
    }),
    column("netns_name", "name of that namespace, as in JSON", |row| {
        Cell::text_of(row.listener().and_then(|listener| listener.netns_name.as_deref()))
    }),
    column("address", "address that the listener is bound to", |row| {
        Cell::known(row.listener().map(|listener| listener.address))
    }),
    column("port", "its port", |row| Cell::known(Some(row.of.who.port()).filter(|port| *port != 0))),
    column("cookie", "its socket cookie", |row| {
        Cell::known(match &row.of.who {
            Who::Known(listener) => listener.cookie,
            Who::Unknown { cookie, .. } => *cookie,
            Who::Closed { .. } => None,
        })
    }),
    column("closed_listeners", "in the row of those that closed and are not named: how many", |row| {
        Cell::known(match row.of.who {
            Who::Closed { listeners } => Some(listeners),
            Who::Known(_) | Who::Unknown { .. } => None,
        })
    }),
    column("pid", "first process that holds the socket", |row| {
        Cell::known(row.listener().and_then(|listener| listener.owners.first()).map(|owner| owner.pid))
    }),
    column("comm", "name of that process", |row| {
        let owner = row.listener().and_then(|listener| listener.owners.first());
        Cell::text_of(owner.map(|owner| owner.comm.as_str()))
    }),
    column("unit", "systemd unit", |row| Cell::text_of(row.place.unit)),
    column("container", "container's id", |row| {
        Cell::text_of(row.place.container.as_ref().map(|container| container.id.as_ref()))
    }),
    column("pod", "Kubernetes pod's uid", |row| {
        Cell::text_of(row.place.pod.as_ref().map(|pod| pod.uid.as_ref()))
    }),
    column("limit", "backlog in force: limit of both queues", |row| Cell::known(row.of.limit)),
    column("somaxconn", "`net.core.somaxconn` of the namespace", |row| {
        Cell::known(row.listener().and_then(|listener| listener.somaxconn))
    }),
    column("limited_by", "which of the two made the limit: `application` or `somaxconn`", |row| {
        let somaxconn = row.listener().and_then(|listener| listener.somaxconn);
        Cell::known(binding(row.of.limit, somaxconn).map(Cap::name))
    }),
    column("syns", "SYNs", |row| Cell::known(row.seen(row.of.totals.syns))),
    column("established", "handshakes finished", |row| {
        Cell::known(row.of.known(Figure::Established).and_then(|count| row.seen(count)))
    }),
    column("established_by_cookie", "of those, by a SYN cookie", |row| {
        Cell::known(row.of.known(Figure::EstablishedByCookie).and_then(|count| row.seen(count)))
    }),
    column("accepted", "connections that accept() returned", |row| {
        Cell::known(row.of.known(Figure::Accepted).and_then(|count| row.seen(count)))
    }),
    column("accept_queue_max", "longest accept queue", |row| {
        Cell::known(row.of.known(Figure::AcceptQueueMax))
    }),
    column("syn_queue_max", "longest SYN queue", |row| Cell::known(row.seen(row.of.totals.syn_queue_max))),
    column("connections_lost", "clients (address and port) that met a loss", |row| {
        Cell::known(row.seen(row.of.connections.lost))
    }),
    column("connections_recovered", "of those, retried and got in", |row| {
        Cell::known(row.seen(row.of.connections.recovered.count()))
    }),
    column("connections_believed", "of those, think that they are connected", |row| {
        Cell::known(row.seen(row.of.connections.believed))
    }),
    column("sk_drops_kernel", "how far the socket's drop counter moved", |row| {
        Cell::known(row.of.sk_drops.kernel)
    }),
    column("sk_drops_attributed", "of that, by packets that lost a connection", |row| {
        Cell::known(Some(row.of.sk_drops.attributed))
    }),
    column("sk_drops_unaccounted", "of that, by nothing that was seen", |row| {
        Cell::known(row.of.sk_drops.unaccounted)
    }),
    column("verdict", "kind of the finding that decides the verdict, as in JSON", |row| {
        Cell::known(row.verdict)
    }),
];

/// All of them in their order: last one for each reason, packets that met it.
pub fn columns() -> impl Iterator<Item = Column> {
    let reasons = reason::TABLE.iter();
    let reasons =
        reasons.map(|row| Column { name: row.name, means: row.meaning, value: Value::Packets(row.reason) });
    FIRST.iter().copied().chain(reasons)
}

impl Column {
    /// What stands in it in this row.
    pub(super) fn cell(&self, row: &Row<'_>) -> Cell {
        match self.value {
            Value::Of(of) => of(row),
            Value::Packets(reason) => Cell::known(row.packets(reason)),
        }
    }
}
