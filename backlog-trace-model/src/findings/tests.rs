//! Each finding on a report in which it must be found, and beside it one in which
//! it must not.

use crate::listener::Listener;

pub(super) fn listener() -> Listener {
    Listener {
        id: 0,
        keys: vec![1],
        netns: 1,
        cookie: Some(1),
        address: "0.0.0.0".parse().unwrap(),
        port: 8080,
        inode: 1,
        owners: Vec::new(),
        cgroup: None,
        limit: Some(128),
        somaxconn: Some(4096),
        netns_name: None,
        lost_before: false,
        v6only: false,
        closed: false,
        namespace: None,
    }
}
