//! Places that lead elsewhere, also while they are looked at.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, mknodat};
use rustix::io::dup2;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::super::door::Door;
use super::super::netns::{OWN, own};
use super::super::pool::{Look, Pool};
use super::*;
use crate::skipped::{NEEDS_ROOT, is_root, skipped};

/// A FIFO, and a thread that waits for somebody to open it for reading: the
/// kernel lets it go at the first who does, however short (`fifo_open()`).
struct Trap {
    directory: tempfile::TempDir,
    sprung: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Trap {
    fn set() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let sprung = Arc::<AtomicBool>::default();
        let (tell, told) = std::sync::mpsc::channel();
        let (springs, fifo) = (Arc::clone(&sprung), path);
        let writer = thread::spawn(move || {
            tell.send(rustix::thread::gettid()).unwrap();
            let _ = File::options().write(true).open(fifo).unwrap();
            springs.store(true, Ordering::SeqCst);
        });
        let stat = format!("/proc/self/task/{}/stat", told.recv().unwrap());
        // It sleeps in open(): nothing else keeps it after what it told.
        let deadline = Instant::now() + Duration::from_secs(20);
        while !fs::read_to_string(&stat).unwrap().contains(") S ") && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        Self { directory, sprung, writer: Some(writer) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("fifo")
    }

    /// Whether anybody has opened it; nobody can any more.
    fn has_sprung(mut self) -> bool {
        // A writer that was let go may not have said so yet.
        thread::sleep(Duration::from_millis(50));
        let sprung = self.sprung.load(Ordering::SeqCst);
        drop(File::options().read(true).write(true).open(self.path()).unwrap());
        self.writer.take().unwrap().join().unwrap();
        sprung
    }
}

#[test]
fn the_own_namespace_is_found_and_opened() {
    let found = Found::at(Path::new(OWN)).unwrap().unwrap();
    assert_eq!(found.inode(), own().unwrap());
    assert_eq!(fstat(found.open().unwrap()).unwrap().st_ino, u64::from(found.inode()));
}

#[test]
fn what_is_no_network_namespace_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let lookalike = directory.path().join(format!("net:[{}]", own().unwrap()));
    fs::write(&lookalike, "").unwrap();
    for place in ["/proc/self/ns/mnt", "/proc/self/ns/user", "/dev/null", "/proc/self/status", "/"] {
        assert!(Found::at(Path::new(place)).unwrap().is_none(), "{place}");
    }
    assert!(Found::at(&lookalike).unwrap().is_none());
    assert!(Found::at(&directory.path().join("absent")).is_err());
}

/// A mount does not say by its name which kind it is.
#[test]
fn root_a_mounted_namespace_of_another_kind_is_not_taken() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("mounted");
    fs::write(&place, "").unwrap();
    let inside = || {
        #[expect(unsafe_code, reason = "unshare has no safe form, though this flag is harmless")]
        // SAFETY: the file table, about which the function warns, is not touched.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        mount_bind(OWN, &place).unwrap();
        let found = Found::at(&place).unwrap().unwrap();
        assert_eq!((found.inode(), found.open().is_ok()), (own().unwrap(), true));
        mount_bind("/proc/self/ns/uts", &place).unwrap();
        let other = Found::at(&place).unwrap().unwrap();
        assert_eq!(other.open().unwrap_err().kind(), io::ErrorKind::NotFound);
    };
    thread::scope(|scope| scope.spawn(inside).join().unwrap());
}

#[test]
fn only_a_link_of_a_process_must_be_called_like_a_namespace() {
    for (place, is_one) in [
        ("/proc/812/fd/3", true),
        ("/proc/812/task/813/ns/net", true),
        ("/proc/thread-self/ns/net", true),
        ("/proc/1/root", false),
        ("/run/netns/blue", false),
        ("/proc/812", false),
    ] {
        assert_eq!(is_of_a_process(Path::new(place)), is_one, "{place}");
    }
}

/// Whoever holds the place puts another thing there after it was seen.
#[test]
fn what_lies_in_a_place_instead_is_not_opened() {
    let trap = Trap::set();
    let place = trap.directory.path().join("place");
    symlink(OWN, &place).unwrap();
    let mut door = Door::open(&place, own().unwrap()).unwrap();
    assert!(door.is_still_there());
    // From now on it goes by the place.
    door.let_go();
    fs::remove_file(&place).unwrap();
    symlink(trap.path(), &place).unwrap();
    assert!(!door.is_still_there());
    assert_eq!(door.enter().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(Door::open(&place, own().unwrap()).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(!trap.has_sprung());
}

#[test]
fn another_namespace_than_was_seen_is_not_entered() {
    let other = own().unwrap().wrapping_add(1);
    assert_eq!(Door::open(Path::new(OWN), other).unwrap_err().kind(), io::ErrorKind::NotFound);
}

/// The other side of the next test: one of its descriptors is a namespace and a
/// FIFO by turns. Not for long, should that test be gone; by itself it does nothing.
#[test]
fn a_descriptor_that_changes() {
    let [Some(namespace), Some(fifo)] = ["NAMESPACE", "FIFO"].map(std::env::var_os) else { return };
    let fifo = open(Path::new(&fifo), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let mut place = fifo.try_clone().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        dup2(&fifo, &mut place).unwrap();
        // A descriptor that stayed would lead there too.
        dup2(File::open(&namespace).unwrap(), &mut place).unwrap();
    }
}

fn changing(namespace: &File, fifo: &Path) -> Child {
    let own = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (_, module) = module_path!().split_once("::").unwrap();
    command.args(["--exact", &format!("{module}::a_descriptor_that_changes")]);
    command.env("NAMESPACE", own).env("FIFO", fifo).stdout(Stdio::null()).spawn().unwrap()
}

/// A look at the host neither waits for what another process has put in the
/// place of a namespace nor opens it, however often it changes.
#[test]
fn root_a_descriptor_that_changes_while_it_is_looked_at_is_not_opened() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let make = || {
        #[expect(unsafe_code, reason = "unshare has no safe form, though this flag is harmless")]
        // SAFETY: the file table, about which the function warns, is not touched.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        File::open(OWN).unwrap()
    };
    let namespace = thread::spawn(make).join().unwrap();
    let inode = u32::try_from(fstat(&namespace).unwrap().st_ino).unwrap();
    let trap = Trap::set();
    let mut other = changing(&namespace, &trap.path());
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let begin = Instant::now();
        let mut found = 0;
        while found < 20 && begin.elapsed() < Duration::from_secs(20) {
            let mut pool = Pool::default();
            pool.discover(Look::Deep);
            found += u32::from(pool.get(inode).is_some());
        }
        tell.send(found)
    });
    let found = told.recv_timeout(Duration::from_secs(60));
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(!trap.has_sprung());
    assert!(found.unwrap() > 0);
}
