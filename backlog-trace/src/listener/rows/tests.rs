//! Sockets and identities built by hand; no kernel.

use super::*;

const NETNS: u32 = 4_026_531_840;

fn socket(cookie: u64, inode: u32, port: u16) -> Socket {
    Socket {
        cookie: Some(cookie),
        address: Ipv4Addr::LOCALHOST.into(),
        port,
        inode,
        accept_queue: 1,
        limit: Some(128),
        drops: Some(5),
        v6only: false,
        uid: 0,
        cgroup: None,
    }
}

fn identity(cookie: u64, inode: u64, port: u16) -> Identity {
    let mut comm = [0; 16];
    comm[..5].copy_from_slice(b"nginx");
    Identity {
        cookie,
        inode,
        time: 1,
        cgroup: 0,
        address: [127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        netns: NETNS,
        pid: 812,
        drops: 0,
        limit: 64,
        port,
        family: 2,
        comm,
        ..Identity::default()
    }
}

fn by_inode(inode: u64) -> ListenerKey {
    ListenerKey::from_inode(inode, 80)
}

fn apply(rows: &mut Rows, dump: &[Socket]) -> Vec<u32> {
    rows.apply(NETNS, dump, Some(4096))
}

#[test]
fn a_new_socket_is_a_new_row_and_the_same_socket_is_no_change() {
    let mut rows = Rows::default();
    assert_eq!(apply(&mut rows, &[socket(7, 70, 80)]), [0]);
    assert!(apply(&mut rows, &[socket(7, 70, 80)]).is_empty());
    let row = rows.get(0).unwrap();
    let listener = &row.listener;
    assert_eq!((listener.cookie, listener.inode, listener.port), (Some(7), 70, 80));
    assert_eq!((listener.limit, listener.somaxconn, listener.closed), (Some(128), Some(4096), false));
    assert_eq!(row.depth, Some(Depth { accept_queue: 1, drops: Some(5) }));
}

#[test]
fn queue_and_drops_move_without_a_change_of_the_row_and_a_new_limit_is_one() {
    let mut rows = Rows::default();
    apply(&mut rows, &[socket(7, 70, 80)]);
    let fuller = Socket { accept_queue: 129, drops: Some(u32::MAX), ..socket(7, 70, 80) };
    assert!(apply(&mut rows, std::slice::from_ref(&fuller)).is_empty());
    assert_eq!(rows.get(0).unwrap().depth, Some(Depth { accept_queue: 129, drops: Some(u32::MAX) }));
    assert_eq!(apply(&mut rows, &[Socket { limit: Some(511), ..fuller }]), [0]);
}

#[test]
fn members_of_a_reuseport_group_are_rows_of_their_own() {
    let mut rows = Rows::default();
    assert_eq!(apply(&mut rows, &[socket(7, 70, 80), socket(8, 71, 80)]), [0, 1]);
}

#[test]
fn a_socket_that_a_dump_lacks_is_closed_and_only_in_that_namespace() {
    let mut rows = Rows::default();
    apply(&mut rows, &[socket(7, 70, 80), socket(8, 71, 81)]);
    rows.apply(1, &[socket(9, 72, 80)], None);
    assert!(rows.lacks_any(NETNS, &[socket(8, 71, 81)]));
    assert!(!rows.lacks_any(NETNS, &[socket(8, 71, 81), socket(7, 70, 80)]));
    assert_eq!(apply(&mut rows, &[socket(8, 71, 81)]), [0]);
    let closed: Vec<bool> = rows.iter().map(|row| row.listener.closed).collect();
    assert_eq!(closed, [true, false, false]);
    assert_eq!(rows.get(0).unwrap().depth, None);
}

#[test]
fn a_key_with_a_cookie_joins_the_socket_that_was_dumped() {
    let mut rows = Rows::default();
    apply(&mut rows, &[socket(7, 70, 80)]);
    let key = ListenerKey::from_cookie(7);
    assert_eq!(rows.learn(key, &identity(7, 70, 80)), Some(0));
    assert_eq!(rows.learn(key, &identity(7, 70, 80)), None);
    let listener = &rows.by_key(key.0).unwrap().listener;
    assert_eq!((listener.id, listener.keys.as_slice(), listener.limit), (0, [7].as_slice(), Some(128)));
}

#[test]
fn both_keys_of_a_socket_end_in_one_row_whichever_comes_first() {
    let (early, late) = (by_inode(70), ListenerKey::from_cookie(7));
    let met = |key: ListenerKey| if key == early { identity(0, 70, 80) } else { identity(7, 70, 80) };
    for keys in [[early, late], [late, early]] {
        // Dumped before, between, after, or never.
        for dumped_at in 0..4 {
            let mut rows = Rows::default();
            for step in 0..3 {
                if dumped_at == step {
                    apply(&mut rows, &[socket(7, 70, 80)]);
                }
                if let Some(key) = keys.get(step) {
                    rows.learn(*key, &met(*key));
                }
            }
            assert_eq!(rows.iter().count(), 1, "{keys:?}, dumped at {dumped_at}");
            let listener = &rows.get(0).unwrap().listener;
            assert_eq!((listener.cookie, listener.keys.len()), (Some(7), 2));
            assert_eq!(rows.by_key(early.0).unwrap().listener.id, rows.by_key(late.0).unwrap().listener.id);
        }
    }
}

#[test]
fn a_listener_that_closed_before_anyone_looked_has_the_owner_that_called_listen() {
    let mut rows = Rows::default();
    let key = ListenerKey::from_cookie(7);
    assert_eq!(rows.learn(key, &identity(7, 70, 80)), Some(0));
    assert_eq!(apply(&mut rows, &[]), [0]);
    let listener = &rows.by_key(key.0).unwrap().listener;
    assert!(listener.closed);
    assert_eq!(listener.owners, [Owner::new(812, "nginx")]);
    assert_eq!((listener.address, listener.port, listener.limit), (Ipv4Addr::LOCALHOST.into(), 80, Some(64)));
}

#[test]
fn an_inode_that_comes_back_is_another_listener() {
    let mut rows = Rows::default();
    apply(&mut rows, &[socket(7, 70, 80)]);
    apply(&mut rows, &[]);
    assert_eq!(apply(&mut rows, &[socket(8, 70, 80)]), [1]);
    // Met before it had a cookie: another port cannot be the same listener.
    assert_eq!(rows.learn(by_inode(70), &identity(0, 70, 81)), Some(2));
}

#[test]
fn inode_zero_joins_nothing() {
    let mut rows = Rows::default();
    assert_eq!(rows.learn(ListenerKey(1 << 63 | 1), &identity(0, 0, 80)), Some(0));
    assert_eq!(rows.learn(ListenerKey(1 << 63 | 2), &identity(0, 0, 80)), Some(1));
}

#[test]
fn a_socket_that_listens_again_is_open_again() {
    let mut rows = Rows::default();
    apply(&mut rows, &[socket(7, 70, 80)]);
    apply(&mut rows, &[]);
    assert_eq!(apply(&mut rows, &[socket(7, 70, 80)]), [0]);
    assert!(!rows.get(0).unwrap().listener.closed);
    assert!(rows.closed.is_empty());
}

#[test]
fn a_namespace_that_is_gone_takes_the_rows_that_were_seen_in_it() {
    let mut rows = Rows::default();
    apply(&mut rows, &[socket(7, 70, 80)]);
    rows.learn(ListenerKey::from_cookie(8), &identity(8, 71, 81));
    assert_eq!(rows.close_namespace(NETNS), [0]);
}

#[test]
fn closed_rows_beyond_the_bound_are_forgotten_oldest_first() {
    let mut rows = Rows::default();
    for cookie in 1..=u32::try_from(CLOSED_KEPT).unwrap() + 2 {
        let identity = Identity { netns: cookie, ..identity(u64::from(cookie), 70, 80) };
        let id = rows.learn(ListenerKey::from_cookie(u64::from(cookie)), &identity).unwrap();
        rows.close(id);
    }
    assert_eq!(rows.iter().count(), CLOSED_KEPT);
    assert_eq!(
        (rows.by_key.len(), rows.by_cookie.len(), rows.by_inode.len()),
        (CLOSED_KEPT, CLOSED_KEPT, CLOSED_KEPT)
    );
    assert!(rows.by_key(1).is_none() && rows.by_key(2).is_none() && rows.by_key(3).is_some());
}

/// All that a row takes room in.
fn room(rows: &Rows) -> [usize; 6] {
    let open = rows.open.values().map(BTreeSet::len).sum();
    [rows.rows.len(), rows.by_key.len(), rows.by_cookie.len(), rows.by_inode.len(), rows.closed.len(), open]
}

#[test]
fn a_forgotten_row_leaves_nothing_behind() {
    let mut rows = Rows::default();
    for round in 0..3u32 {
        let (cookie, inode) = (u64::from(round) + 7, 70u32);
        apply(&mut rows, &[socket(cookie, inode, 80)]);
        rows.learn(by_inode(inode.into()), &identity(0, inode.into(), 80));
        rows.learn(ListenerKey::from_cookie(cookie), &identity(cookie, inode.into(), 80));
        assert!(!rows.forget(round), "it is open");
        apply(&mut rows, &[]);
        assert!(rows.forget(round));
        assert!(!rows.forget(round), "it is gone");
        assert_eq!(room(&rows), [0; 6]);
    }
    // The socket of a forgotten row is another listener.
    assert_eq!(apply(&mut rows, &[socket(7, 70, 80)]), [3]);
}

#[test]
fn what_leads_to_a_later_row_outlives_an_earlier_one() {
    let mut rows = Rows::default();
    apply(&mut rows, &[socket(7, 70, 80)]);
    apply(&mut rows, &[]);
    // The same inode number, another socket.
    apply(&mut rows, &[socket(8, 70, 80)]);
    rows.forget(0);
    assert_eq!(room(&rows), [1, 0, 1, 1, 0, 1]);
    assert!(apply(&mut rows, &[socket(8, 70, 80)]).is_empty());
}

#[test]
fn hostile_names_and_families_are_taken_as_they_are() {
    assert_eq!(name(&[0xff; 16]).chars().count(), 16);
    assert_eq!(name(&[0; 16]), "");
    let ipv6 = Identity { family: 77, ..identity(1, 1, 1) };
    assert!(address(&ipv6).is_ipv6());
}

/// A socket as /proc/net/tcp shows it.
fn bare(inode: u32, port: u16) -> Socket {
    Socket { cookie: None, limit: None, drops: None, ..socket(0, inode, port) }
}

#[test]
fn a_listing_without_cookies_and_limits_is_completed_by_what_hooks_recorded() {
    let mut rows = Rows::default();
    assert_eq!(apply(&mut rows, &[bare(70, 80)]), [0]);
    assert_eq!((rows.get(0).unwrap().listener.cookie, rows.get(0).unwrap().listener.limit), (None, None));
    assert_eq!(rows.learn(ListenerKey::from_cookie(7), &identity(7, 70, 80)), Some(0));
    let listener = rows.get(0).unwrap().listener.clone();
    assert_eq!((listener.cookie, listener.limit), (Some(7), Some(64)));
    // The next listing knows no more than the first, and takes nothing back.
    assert!(!rows.lacks_any(NETNS, &[bare(70, 80)]));
    assert!(apply(&mut rows, &[bare(70, 80)]).is_empty());
    // Once the kernel lists it, its word counts.
    assert_eq!(apply(&mut rows, &[socket(7, 70, 80)]), [0]);
    assert_eq!(rows.get(0).unwrap().listener.limit, Some(128));
}

#[test]
fn a_kernel_owned_socket_without_a_cookie_stays_one_row() {
    let mut rows = Rows::default();
    let twins = [bare(0, 80), bare(0, 80), bare(0, 81)];
    assert_eq!(apply(&mut rows, &twins), [0, 1, 2]);
    assert!(apply(&mut rows, &twins).is_empty());
    assert_eq!(apply(&mut rows, &twins[..1]), [1, 2], "closed");
}
