//! The listener something happened on, also where the book does not know it.

use std::sync::Arc;

use backlog_trace_common::key::ListenerKey;

use crate::event::Occurrence;
use crate::listener::Listener;

/// A listener as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// It is in the book.
    Known(Arc<Listener>),
    /// It closed before anybody could look: what the detail itself tells.
    Unknown {
        /// Network namespace's inode number; 0: not known.
        netns: u32,
        /// Local port; 0: not known.
        port: u16,
        /// Socket cookie, where the key carries it.
        cookie: Option<u64>,
    },
    /// Closed listeners that are not named any more, all in one.
    Closed {
        /// How many they are.
        listeners: u64,
    },
}

impl Who {
    /// What an occurrence alone tells of its listener.
    pub fn unknown(occurrence: &Occurrence) -> Self {
        Self::Unknown {
            netns: occurrence.netns,
            port: occurrence.port,
            cookie: ListenerKey(occurrence.listener).cookie(),
        }
    }

    /// Network namespace's inode number; 0: not known.
    pub fn netns(&self) -> u32 {
        match self {
            Self::Known(listener) => listener.netns,
            Self::Unknown { netns, .. } => *netns,
            Self::Closed { .. } => 0,
        }
    }

    /// Local port; 0: not known.
    pub fn port(&self) -> u16 {
        match self {
            Self::Known(listener) => listener.port,
            Self::Unknown { port, .. } => *port,
            Self::Closed { .. } => 0,
        }
    }

    /// How many listeners this is.
    pub const fn listeners(&self) -> u64 {
        match self {
            Self::Known(_) | Self::Unknown { .. } => 1,
            Self::Closed { listeners } => *listeners,
        }
    }

    /// The book's row.
    pub fn known(&self) -> Option<&Listener> {
        match self {
            Self::Known(listener) => Some(listener),
            Self::Unknown { .. } | Self::Closed { .. } => None,
        }
    }
}
