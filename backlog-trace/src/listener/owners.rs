//! Which processes hold a socket: a walk over every process's descriptors.
//!
//! It looks for all wanted sockets in one walk, and for every holder: a
//! prefork server's listener is held by its master and by each worker. What it
//! may not read it counts.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;

use backlog_trace_model::listener::Owner;

use super::process::{comm, links, numbered, pids};

/// Descriptors that one walk looks at, at most: about four seconds' work.
/// Beyond it the rest of the processes count as unread.
const MOST_LINKS: u64 = 4_000_000;

/// Holders that are kept for one socket.
const MOST_OWNERS: usize = 1024;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Holders by socket inode, in the order of their pids.
    pub by_inode: HashMap<u64, Vec<Owner>>,
    /// Processes whose descriptors could not be read.
    pub unread: u32,
}

/// Walks over all processes in search of these socket inodes.
pub(super) fn holders(wanted: &HashSet<u64>) -> Holders {
    bounded(wanted, MOST_LINKS, MOST_OWNERS)
}

fn bounded(wanted: &HashSet<u64>, most_links: u64, most_owners: usize) -> Holders {
    let mut found = Holders::default();
    if wanted.is_empty() {
        return found;
    }
    let mut pids = pids().unwrap_or_default();
    pids.sort_unstable();
    let mut left = most_links;
    for pid in pids {
        if left == 0 {
            found.unread += 1;
            continue;
        }
        let mut held = HashSet::new();
        let walked = links(&format!("/proc/{pid}/fd"), |_, target| {
            if let Some(inode) = numbered(target, "socket").filter(|inode| wanted.contains(inode)) {
                held.insert(inode);
            }
        });
        match walked {
            Ok(count) => left = left.saturating_sub(count),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => found.unread += 1,
            // Gone meanwhile.
            Err(_) => {}
        }
        if held.is_empty() {
            continue;
        }
        let Some(comm) = comm(pid) else { continue };
        for inode in held {
            let owners = found.by_inode.entry(inode).or_default();
            if owners.len() < most_owners {
                owners.push(Owner::new(pid, comm.clone()));
            }
        }
    }
    found
}

/// Whether a process is still there under the name it had.
pub(super) fn is_still(owner: &Owner) -> bool {
    comm(owner.pid).is_some_and(|name| name == owner.comm)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::MetadataExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn every_process_that_holds_the_socket_is_an_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let handle = || -> OwnedFd { listener.as_fd().try_clone_to_owned().unwrap() };
        let inode = std::fs::File::from(handle()).metadata().unwrap().ino();
        let own = std::process::id();
        let pids_of = |holders: &Holders| -> Vec<u32> {
            holders.by_inode.get(&inode).into_iter().flatten().map(|owner| owner.pid).collect()
        };
        // A child that another test starts holds it too until it executes its program.
        let settled = |expected: &[u32]| {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
            loop {
                let found = holders(&HashSet::from([inode]));
                if pids_of(&found) == expected {
                    return found;
                }
                assert!(std::time::Instant::now() < deadline, "{:?}, not {expected:?}", pids_of(&found));
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        };
        settled(&[own]);

        // A worker that inherits the socket, as a prefork server's do.
        let mut worker = Command::new("sleep").arg("60").stdin(Stdio::from(handle())).spawn().unwrap();
        let mut expected = [own, worker.id()];
        expected.sort_unstable();
        let both = settled(&expected);
        let names: Vec<_> = both.by_inode[&inode].iter().map(|owner| owner.comm.as_str()).collect();
        assert!(names.contains(&"sleep"), "{names:?}");
        // Of too many holders the first are kept.
        let first = bounded(&HashSet::from([inode]), MOST_LINKS, 1);
        assert_eq!(pids_of(&first), expected[..1]);
        let sleeper = Owner::new(worker.id(), "sleep");
        assert!(is_still(&sleeper));

        worker.kill().unwrap();
        worker.wait().unwrap();
        assert!(!is_still(&sleeper));
        settled(&[own]);
        assert!(holders(&HashSet::new()).by_inode.is_empty());
    }

    /// With nothing left to look at, every process counts as one that was not read.
    #[test]
    fn a_walk_ends_at_its_bound_and_says_how_many_processes_it_left_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = std::fs::File::from(OwnedFd::from(listener)).metadata().unwrap().ino();
        let none = bounded(&HashSet::from([inode]), 0, MOST_OWNERS);
        assert!(none.by_inode.is_empty() && none.unread >= 1, "{none:?}");
    }
}
