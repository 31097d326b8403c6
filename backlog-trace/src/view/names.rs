//! Listeners, owners and clients as one word each.

use std::net::IpAddr;

use crate::listener::Listener;
use crate::tally::{Peer, Who};

use super::escape::Sanitized;

/// `0.0.0.0:8080`, `[2001:db8::1]:8080`; `?:8080` where the book does not know it.
pub(super) fn listener(who: &Who) -> String {
    match who {
        Who::Known(listener) => socket(listener.address, listener.port),
        Who::Unknown { port: 0, .. } => "?".to_owned(),
        Who::Unknown { port, .. } => format!("?:{port}"),
        Who::Closed { listeners } => format!("{listeners} closed listeners, not named one by one"),
    }
}

/// `nginx/812 +3`: the first process that holds the socket, and how many others do.
pub(super) fn owner(listener: Option<&Listener>) -> String {
    let Some(listener) = listener else { return "-".to_owned() };
    match listener.owners.as_slice() {
        [] if listener.inode == 0 => "kernel".to_owned(),
        [] => "-".to_owned(),
        [only] => format!("{}/{}", Sanitized(&only.comm), only.pid),
        [first, others @ ..] => format!("{}/{} +{}", Sanitized(&first.comm), first.pid, others.len()),
    }
}

/// `10.0.0.7:51344`; `-` where the client is not known.
pub(super) fn peer(peer: Option<Peer>) -> String {
    peer.map_or_else(|| "-".to_owned(), |peer| socket(peer.address, peer.port))
}

fn socket(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}
