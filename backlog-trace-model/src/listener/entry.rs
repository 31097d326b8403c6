//! One listener in the book.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A process that holds the listening socket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// Process id, in the initial pid namespace.
    pub pid: u32,
    /// Its name: untrusted text, to be escaped wherever it is shown.
    pub comm: String,
    /// What its first thread did when the owners were looked at last before a report;
    /// `None` where that was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}

impl Owner {
    /// One of which the state is not known.
    pub fn new(pid: u32, comm: impl Into<String>) -> Self {
        Self { pid, comm: comm.into(), state: None }
    }
}

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It computes, or would if it had a CPU.
    Running,
    /// It waits for something: a packet, a lock, a timer.
    Sleeping,
    /// It waits for a disk or a network file system, and no signal reaches it.
    DiskSleep,
    /// A signal stopped it (SIGSTOP, SIGTSTP).
    Stopped,
    /// A debugger holds it.
    Traced,
    /// It has ended, and nobody has asked for its exit code.
    Zombie,
    /// Something else.
    #[serde(other)]
    Other,
}

impl State {
    /// By the letter in `/proc/PID/stat` (`task_state_array`, fs/proc/array.c, 5.10 to 7.2).
    pub const fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' => Self::Sleeping,
            b'D' => Self::DiskSleep,
            b'T' => Self::Stopped,
            b't' => Self::Traced,
            b'Z' => Self::Zombie,
            _ => Self::Other,
        }
    }
}

/// A listening socket and what is known of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// Number in this observation's book, from 0.
    pub id: u32,
    /// Keys under which the kernel maps know it (one, or two where it was met
    /// before its cookie was made; none on the counters rung).
    pub keys: Vec<u64>,
    /// Network namespace's inode number.
    pub netns: u32,
    /// Socket cookie; `None` where the socket closed before anybody asked for it.
    pub cookie: Option<u64>,
    /// Bound address.
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
    /// Socket inode; 0 for a kernel-owned socket.
    pub inode: u64,
    /// Every process that holds the socket, by pid; where it closed before
    /// anyone looked, the process that called listen().
    pub owners: Vec<Owner>,
    /// cgroup path of the first owner.
    #[serde(default)]
    pub cgroup: Option<String>,
    /// Limit of both queues (`sk_max_ack_backlog`): what listen() asked for,
    /// capped by somaxconn; `None` where the kernel did not list the socket.
    #[serde(default)]
    pub limit: Option<u32>,
    /// `net.core.somaxconn` of its namespace.
    #[serde(default)]
    pub somaxconn: Option<u32>,
    /// What a person calls its network namespace: its name under /run/netns, else the
    /// pod or the container of a process in it (`docker 3f2a91b0c4d5`), else that
    /// process (`nginx/812`). Untrusted text; `None` where neither is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns_name: Option<String>,
    /// It had dropped packets before the kernel side met it: a client that it
    /// refuses soon after may have been refused before.
    #[serde(default)]
    pub lost_before: bool,
    /// An IPv6 socket that takes IPv6 clients only.
    #[serde(default)]
    pub v6only: bool,
    /// It is closed.
    #[serde(default)]
    pub closed: bool,
    /// What the kernel side knows its namespace by (its cookie, where it has
    /// one): the inode number of a namespace that is gone is given to the next.
    #[serde(default)]
    pub namespace: Option<u64>,
}
