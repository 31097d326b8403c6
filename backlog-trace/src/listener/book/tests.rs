//! Real sockets on loopback, found by the book. What is expected comes from
//! how each socket was made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use backlog_trace_model::check::{Reach, Source};
use backlog_trace_model::listener::{Cap, binding};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::naming::LOOKS;
use super::*;
use crate::skipped::{NEEDS_ROOT, is_root, skipped};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const DUAL: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Options of a listener under test.
#[derive(Clone, Copy, Default)]
struct Options {
    port: u16,
    v6only: bool,
    reuseport: bool,
}

/// A socket that listens with this backlog.
fn listening(address: IpAddr, backlog: i32, options: Options) -> TcpListener {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, options.v6only).unwrap();
    }
    sockopt::set_socket_reuseport(&socket, options.reuseport).unwrap();
    bind(&socket, &SocketAddr::new(address, options.port)).unwrap();
    listen(&socket, backlog).unwrap();
    TcpListener::from(socket)
}

fn inode(socket: &impl AsFd) -> u64 {
    let socket: OwnedFd = socket.as_fd().try_clone_to_owned().unwrap();
    std::fs::File::from(socket).metadata().unwrap().ino()
}

/// The book's listener of a socket.
fn of<'a>(book: &'a Book, socket: &TcpListener) -> &'a Arc<Listener> {
    let inode = inode(socket);
    let mut found = book.iter().filter(|listener| listener.inode == inode);
    let listener = found.next().unwrap();
    assert!(found.next().is_none(), "one row per socket");
    listener
}

/// What refreshes say of a socket until it is closed. That can be a moment after
/// its last descriptor here was: a child that another test starts has all of
/// them until it executes its program.
fn until_closed(book: &mut Book, inode: u64) -> Vec<Arc<Listener>> {
    let mut said = Vec::new();
    until(|| {
        said.extend(book.refresh().into_iter().filter(|listener| listener.inode == inode));
        said.iter().any(|listener| listener.closed)
    });
    said
}

/// Waits for what the kernel does by itself: a thread that was joined is still
/// among its process's tasks, with its namespaces (`do_exit()` wakes who joins it
/// in `exit_mm()`, before `exit_task_namespaces()`, 5.10 to 7.2).
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it has not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn own_netns() -> u32 {
    u32::try_from(std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino()).unwrap()
}

#[track_caller]
fn check(address: IpAddr, backlog: i32, options: Options) {
    let socket = listening(address, backlog, options);
    let mut book = Book::new();
    let news = book.refresh();
    let listener = of(&book, &socket);
    assert!(news.contains(listener));
    assert_eq!((listener.address, listener.port), (address, socket.local_addr().unwrap().port()));
    assert_eq!(listener.limit.map(i64::from), Some(i64::from(backlog)));
    assert_eq!((listener.v6only, listener.netns, listener.closed), (options.v6only, own_netns(), false));
    assert!(listener.cookie.is_some_and(|cookie| cookie != 0));
    assert!(listener.owners.iter().any(|owner| owner.pid == std::process::id()));
    assert!(listener.cgroup.is_some());
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    assert_eq!(listener.somaxconn.map(|limit| limit.to_string()).as_deref(), Some(somaxconn.trim()));
    assert_eq!(book.depth(listener.id), Some(Depth { accept_queue: 0, drops: Some(0) }));
}

#[test]
fn an_ipv4_listener() {
    check(V4, 7, Options::default());
}

#[test]
fn an_ipv6_listener() {
    // Bound to an address of its own it is IPv6 only, whatever it asked for
    // (__inet6_bind(), net/ipv6/af_inet6.c).
    check(V6, 8, Options { v6only: true, ..Options::default() });
}

#[test]
fn a_dual_stack_listener() {
    check(DUAL, 9, Options::default());
}

#[test]
fn an_ipv6_only_listener() {
    check(DUAL, 10, Options { v6only: true, ..Options::default() });
}

#[test]
fn a_backlog_above_somaxconn_is_cut_and_one_below_is_the_applications() {
    let (more, less) = (listening(V4, i32::MAX, Options::default()), listening(V4, 5, Options::default()));
    let mut book = Book::new();
    book.refresh();
    let bound = |socket| {
        let listener = of(&book, socket);
        binding(listener.limit, listener.somaxconn)
    };
    assert_eq!((bound(&more), bound(&less)), (Some(Cap::Somaxconn), Some(Cap::Application)));
}

#[test]
fn members_of_a_reuseport_group_are_listeners_of_their_own() {
    let first = listening(V4, 11, Options { reuseport: true, ..Options::default() });
    let port = first.local_addr().unwrap().port();
    let second = listening(V4, 12, Options { reuseport: true, port, ..Options::default() });
    let mut book = Book::new();
    book.refresh();
    let (first, second) = (of(&book, &first), of(&book, &second));
    assert_eq!((first.port, first.limit), (port, Some(11)));
    assert_eq!((second.port, second.limit), (port, Some(12)));
    assert_ne!((first.id, first.cookie), (second.id, second.cookie));
}

#[test]
fn a_refresh_tells_what_opened_changed_and_closed_and_nothing_else() {
    let mut book = Book::new();
    book.refresh();
    let socket = listening(V4, 13, Options::default());
    let own = |book: &mut Book, inode: u64| -> Vec<Arc<Listener>> {
        // Other tests open and close listeners at the same time.
        book.refresh().into_iter().filter(|listener| listener.inode == inode).collect()
    };
    let inode = inode(&socket);
    let opened = own(&mut book, inode);
    let [listener] = opened.as_slice() else { panic!("{opened:?}") };
    // Who holds it changes while another test starts a child.
    until(|| own(&mut book, inode).is_empty());

    listen(&socket, 14).unwrap();
    let changed = own(&mut book, inode);
    assert_eq!(
        changed.iter().map(|changed| (changed.id, changed.limit)).collect::<Vec<_>>(),
        [(listener.id, Some(14))]
    );

    drop(socket);
    let closed = until_closed(&mut book, inode);
    assert_eq!(
        closed.iter().map(|closed| (closed.id, closed.closed)).collect::<Vec<_>>(),
        [(listener.id, true)]
    );
    assert_eq!(book.depth(listener.id), None);
    assert!(own(&mut book, inode).is_empty());
}

#[test]
fn a_key_that_was_learned_before_the_refresh_is_the_same_listener() {
    let socket = listening(V4, 15, Options::default());
    let port = socket.local_addr().unwrap().port();
    let identity = Identity {
        cookie: 0,
        inode: inode(&socket),
        time: 0,
        cgroup: 0,
        address: [127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        netns: own_netns(),
        pid: std::process::id(),
        drops: 0,
        limit: 15,
        port,
        family: 2,
        comm: *b"test\0\0\0\0\0\0\0\0\0\0\0\0",
        ..Identity::default()
    };
    let key = ListenerKey::from_inode(identity.inode, port);
    let mut book = Book::new();
    let learned = book.learn(key, &identity).unwrap();
    assert_eq!((learned.cookie, learned.owners[0].comm.as_str()), (None, "test"));
    assert!(book.learn(key, &identity).is_none());
    book.refresh_namespace(own_netns());
    let listener = of(&book, &socket);
    assert_eq!(listener.id, learned.id);
    assert_eq!(book.by_key(key.0), Some(listener));
    let cookie = listener.cookie.unwrap();
    let by_cookie = book.learn(ListenerKey::from_cookie(cookie), &Identity { cookie, ..identity }).unwrap();
    assert_eq!((by_cookie.id, by_cookie.keys.len()), (learned.id, 2));
}

/// Runs `work` in a network namespace of its own, made by a thread that ends
/// with it.
fn in_new_netns<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                #[expect(
                    unsafe_code,
                    reason = "unshare() is unsafe in rustix for the flag that unshares descriptors"
                )]
                // SAFETY: only the network namespace of this thread, made for it, is unshared.
                unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.unwrap();
                work()
            })
            .join()
            .unwrap()
    })
}

#[test]
fn root_sysctls_of_a_namespace_are_told_when_it_came_and_when_they_changed() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    const ABORT: &str = "/proc/sys/net/ipv4/tcp_abort_on_overflow";
    in_new_netns(|| {
        let inside = own_netns();
        let mut book = Book::new();
        let told = |book: &mut Book, all| {
            book.refresh();
            let news = book.sysctls(all);
            news.iter().find(|of| of.netns == inside).map(|of| of.values)
        };
        let first = told(&mut book, false).unwrap();
        // A namespace begins with it off (`tcp_sk_init()`).
        assert_eq!(first.tcp_abort_on_overflow, Some(0));
        assert_eq!(told(&mut book, false), None);
        std::fs::write(ABORT, "1").unwrap();
        // They are read again where a listener came.
        let _socket = listening(IpAddr::V4(Ipv4Addr::LOCALHOST), 10, Options::default());
        let second = Sysctls { tcp_abort_on_overflow: Some(1), ..first };
        assert_eq!(told(&mut book, false), Some(second));
        assert_eq!(told(&mut book, false), None);
        assert_eq!(told(&mut book, true), Some(second));
    });
}

#[test]
fn root_a_listener_in_another_namespace_with_that_namespaces_sysctls_and_counters() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let outside = own_netns();
    let own_somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let mut book = Book::new();
    let (inode, inside) = in_new_netns(|| {
        let inside = own_netns();
        assert_ne!(inside, outside);
        std::fs::write("/proc/sys/net/core/somaxconn", "77").unwrap();
        std::fs::write("/proc/sys/net/ipv4/tcp_abort_on_overflow", "1").unwrap();
        let socket = listening(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1000, Options::default());
        // The book is read from a thread that never was in that namespace.
        std::thread::scope(|scope| {
            let read = scope.spawn(|| {
                rustix::thread::move_into_link_name_space(
                    std::fs::File::open(format!("/proc/{}/ns/net", std::process::id())).unwrap().as_fd(),
                    None,
                )
                .unwrap();
                assert_eq!(own_netns(), outside);
                book.refresh();
            });
            read.join().unwrap();
        });
        let listener = of(&book, &socket);
        assert_eq!((listener.netns, listener.limit, listener.somaxconn), (inside, Some(77), Some(77)));
        assert_eq!(binding(listener.limit, listener.somaxconn), Some(Cap::Somaxconn));
        assert_eq!(listener.owners.first().map(|owner| owner.pid), Some(std::process::id()));
        let namespace = book.namespaces().get(inside).unwrap();
        assert_eq!(namespace.somaxconn(), Some(77));
        assert_eq!(namespace.sysctls().tcp_abort_on_overflow, Some(1));
        // A namespace begins with all counters at 0; this one has lost nothing.
        assert_eq!(book.counters(inside).unwrap(), [0; COUNTERS]);
        (listener.inode, inside)
    });
    let outer = book.namespaces().get(outside).and_then(crate::listener::Namespace::somaxconn);
    assert_eq!(outer.map(|limit| limit.to_string()).as_deref(), Some(own_somaxconn.trim()));
    // The thread is gone and the socket with it: so is the namespace.
    let closed = until_closed(&mut book, inode);
    assert!(closed.iter().any(|listener| listener.closed));
    until(|| {
        book.refresh();
        book.namespaces().get(inside).is_none()
    });
    assert!(book.counters(inside).is_err());
}

#[test]
fn root_a_namespace_that_only_a_mount_keeps_is_found_and_let_go_of() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let name = format!("backlog-trace-{}", std::process::id());
    let ip = |verb: &str| std::process::Command::new("ip").args(["netns", verb, &name]).status();
    match ip("add") {
        Err(error) => return skipped(&format!("needs ip (iproute2): {error}")),
        Ok(status) => assert!(status.success()),
    }
    let mut book = Book::new();
    book.refresh();
    let inode = crate::listener::resolve::netns(&name).unwrap();
    let counters = book.counters(inode);
    let place = book.namespaces().get(inode).map(|namespace| namespace.place().to_owned());
    assert!(ip("delete").unwrap().success());
    book.refresh();
    assert_eq!(counters.unwrap(), [0; COUNTERS]);
    assert!(place.is_some_and(|place| place.ends_with(&name)));
    assert!(!book.namespaces().exists(inode));
}

#[test]
fn an_owner_that_comes_late_is_found_where_somebody_is_about_to_read_it() {
    let socket = listening(IpAddr::V4(Ipv4Addr::LOCALHOST), 5, Options::default());
    let mut book = Book::new();
    for _ in 0..=LOOKS {
        book.rests_until = None;
        book.refresh();
    }
    // However long it takes until the next refresh, and whoever else opens a listener.
    book.rests_until = Some(Instant::now() + LONGEST_REST);
    let held = OwnedFd::from(socket.try_clone().unwrap());
    let mut late = std::process::Command::new("/bin/sleep").arg("1000").stdin(held).spawn().unwrap();
    let is_known = |book: &Book| of(book, &socket).owners.iter().any(|owner| owner.pid == late.id());
    book.refresh();
    let before = is_known(&book);
    book.await_owners();
    let news = book.refresh();
    let (after, told) = (is_known(&book), news.contains(of(&book, &socket)));
    late.kill().unwrap();
    late.wait().unwrap();
    assert_eq!((before, after, told), (false, true, true));
}

#[test]
fn a_look_at_a_namespace_is_followed_by_a_rest() {
    let mut book = Book::new();
    book.refresh();
    let netns = own_netns();
    book.refresh_namespace(netns);
    let until = *book.namespace_rests.get(&netns).unwrap();
    assert!(until > Instant::now() && until <= Instant::now() + LONGEST_REST);
    book.namespace_rests.insert(netns, Instant::now() + LONGEST_REST);
    let socket = listening(IpAddr::V4(Ipv4Addr::LOCALHOST), 6, Options::default());
    assert_eq!(book.refresh_namespace(netns), []);
    book.namespace_rests.insert(netns, Instant::now());
    assert!(book.refresh_namespace(netns).contains(of(&book, &socket)));
}

/// Why the counters of the own namespace cannot be read, and what is said then.
#[track_caller]
fn check_unread(netstat: std::result::Result<&str, &str>, why: &str) {
    let mut book = Book::new();
    book.refresh();
    assert!(!book.lacks_counters(own_netns()));
    let file = netstat.map_err(str::to_owned).map(|text| {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file
    });
    book.pool.get_mut(own_netns()).unwrap().count_by(file);
    assert!(book.counters(own_netns()).is_err());
    assert!(book.lacks_counters(own_netns()));
    let state = book.sources().into_iter().find(|state| state.source == Source::Netstat).unwrap();
    assert_ne!(state.state, Reach::Whole);
    assert!(state.why.as_deref().unwrap().contains(why), "{state:?}");
}

#[test]
fn counters_that_cannot_be_read_are_said_with_what_is_missing() {
    check_unread(Err("/proc/thread-self/net/netstat: gone"), "gone");
    check_unread(Ok("TcpExt: ListenOverflows\nTcpExt: 1\n"), "has no ListenDrops");
    check_unread(Ok(""), "has no ListenOverflows");
}
