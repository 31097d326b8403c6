//! Where a client knocks: what it sees of a listener.
//!
//! Decides whether two sockets are one and the same to a client. Refuses to
//! know which socket is behind an address: that is the listener's identity.

use std::net::IpAddr;

use crate::listener::Listener;

/// A port of a network namespace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Port {
    netns: u32,
    /// Tells apart namespaces that had one inode number one after the other.
    namespace: Option<u64>,
    number: u16,
}

/// Where a listener is bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Its port.
    pub port: Port,
    address: IpAddr,
}

impl Endpoint {
    /// An address and port of the namespace with this inode number.
    pub fn new(netns: u32, address: IpAddr, port: u16) -> Self {
        let port = Port { netns, namespace: None, number: port };
        Self { port, address: address.to_canonical() }
    }

    /// Where a listener is bound.
    pub fn of(listener: &Listener) -> Self {
        let mut own = Self::new(listener.netns, listener.address, listener.port);
        own.port.namespace = listener.namespace;
        own
    }

    /// Whether a client that was refused here may meet a listener that is bound
    /// at `other` when it tries again.
    ///
    /// Records do not tell which address of the host a client knocked at. While
    /// a listener at one address (`10.0.0.1:80`) and one at any (`0.0.0.0:80`)
    /// are both open, the kernel looks for one at the packet's own address first
    /// (__inet_lookup_listener(), 5.10 to 7.2), so that no client meets both. Once
    /// the one that refused has `closed`, the other may get its clients.
    pub fn is_succeeded_by(self, other: Self, closed: bool) -> bool {
        self.port == other.port
            && match (self.address.is_unspecified(), other.address.is_unspecified()) {
                (true, true) => true,
                (false, false) => self.address == other.address,
                _ => closed,
            }
    }
}
