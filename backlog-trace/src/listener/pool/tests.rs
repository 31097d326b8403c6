//! Namespaces that come, are left and go.

use std::process::{Child, Command, Stdio};

use super::*;
use crate::skipped::{NEEDS_ROOT, is_root, skipped};

#[test]
fn the_own_namespace_is_always_found_and_entered() {
    let mut pool = Pool::default();
    assert!(pool.discover(Look::Wide).is_empty());
    let inode = own().unwrap();
    let namespace = pool.get(inode).unwrap();
    assert_eq!(namespace.inode(), inode);
    assert!(namespace.is_still_there());
    assert_eq!(namespace.somaxconn(), crate::listener::sysctls::sysctls().somaxconn);
    assert!(namespace.counters().is_ok());
    assert!(pool.exists(inode) && !pool.exists(1));
}

/// A namespace of its own, and a process in it.
fn inhabited() -> (fs::File, Child) {
    let make = || {
        #[expect(unsafe_code, reason = "unshare has no safe form, though this flag is harmless")]
        // SAFETY: the file table, about which the function warns, is not touched.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.unwrap();
        (fs::File::open(OWN).unwrap(), sleep(Stdio::null()))
    };
    std::thread::spawn(make).join().unwrap()
}

fn sleep(stdin: Stdio) -> Child {
    Command::new("/bin/sleep").arg("1000").stdin(stdin).spawn().unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Looks until it is gone, for as long as the rests take; another test's
/// observer may hold it for a moment.
fn goes(pool: &mut Pool, inode: u32) -> bool {
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    loop {
        if pool.discover(Look::Wide).contains(&inode) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// The one by which a namespace was found ends: it is kept. The others end:
/// it is gone.
#[track_caller]
fn check_kept(look: Look, has_process: bool, holders: usize) {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let (door, process) = inhabited();
    let inode = u32::try_from(std::os::unix::fs::MetadataExt::ino(&door.metadata().unwrap())).unwrap();
    let mut leads: Vec<Child> = (0..holders).map(|_| sleep(Stdio::from(door.try_clone().unwrap()))).collect();
    // Descriptors of this process are the pool's, and lead nowhere.
    drop(door);
    let ended = if has_process {
        leads.push(process);
        None
    } else {
        Some(process)
    };
    ended.into_iter().for_each(end);
    let mut pool = Pool::default();
    pool.discover(look);
    let place = pool.get(inode).map(|namespace| namespace.place().to_owned()).unwrap();
    let by = leads.iter().position(|child| place.starts_with(format!("/proc/{}", child.id()))).unwrap();
    end(leads.swap_remove(by));
    let kept = !pool.discover(Look::Wide).contains(&inode) && pool.get(inode).is_some();
    leads.into_iter().for_each(end);
    assert!(kept && goes(&mut pool, inode));
}

/// What two observers would do for each other for ever.
#[test]
fn root_a_namespace_that_only_another_observer_holds_is_gone() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let (door, process) = inhabited();
    let inode = u32::try_from(std::os::unix::fs::MetadataExt::ino(&door.metadata().unwrap())).unwrap();
    drop(door);
    let place = format!("/proc/{}/ns/net", process.id());
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let held = rustix::fs::open(place, flags, rustix::fs::Mode::empty()).unwrap();
    let observer = sleep(Stdio::from(held));
    let mut pool = Pool::default();
    pool.discover(Look::Deep);
    assert!(pool.get(inode).is_some());
    end(process);
    let is_gone = goes(&mut pool, inode);
    end(observer);
    assert!(is_gone);
}

#[test]
fn root_a_namespace_that_another_descriptor_leads_to_is_kept() {
    check_kept(Look::Deep, false, 2);
}

#[test]
fn root_a_namespace_that_its_process_left_is_kept_while_a_descriptor_leads_to_it() {
    check_kept(Look::Wide, true, 1);
}
