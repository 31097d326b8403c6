//! What a thread has left when it has confined itself: read from the kernel,
//! each on a thread of its own, since there is no way back.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::thread;

use rustix::thread::capabilities;

use super::*;
use crate::skipped::{NEEDS_LANDLOCK, skipped};

/// What /proc says of the calling thread.
fn status(field: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

/// Permitted and effective, as far as the test itself has any.
#[track_caller]
fn check_kept(before: CapabilitySet, kept: CapabilitySet) {
    let now = capabilities(None).unwrap();
    assert_eq!((now.permitted, now.effective), (before & kept, before & kept));
    assert_eq!(now.inheritable, CapabilitySet::empty());
}

fn on_a_thread<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(test).join().unwrap())
}

#[test]
fn what_prints_has_nothing_left_but_a_child_to_end() {
    let kernel_has_fences = matches!(fence_of_this_kernel(), Ok(Fence::Whole | Fence::Partial));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for (has_child, kept) in [(false, CapabilitySet::empty()), (true, CapabilitySet::KILL)] {
        on_a_thread(|| {
            let before = capabilities(None).unwrap().permitted;
            // Opened before, because nothing can be afterwards.
            let mut own = File::open("/proc/thread-self/status").unwrap();
            printing(has_child).unwrap();
            check_kept(before, kept);
            let mut text = String::new();
            std::io::Read::read_to_string(&mut own, &mut text).unwrap();
            assert!(text.contains("NoNewPrivs:\t1"), "{text}");
            if kernel_has_fences {
                assert_eq!(File::open(&file).unwrap_err().kind(), ErrorKind::PermissionDenied);
            }
        });
    }
    if !kernel_has_fences {
        skipped(NEEDS_LANDLOCK);
    }
}

#[test]
fn what_reads_recordings_can_open_these_and_no_other_file() {
    let kernel_has_fences = matches!(fence_of_this_kernel(), Ok(Fence::Whole | Fence::Partial));
    let directory = tempfile::tempdir().unwrap();
    let [named, other] = ["named", "other"].map(|name| directory.path().join(name));
    fs::write(&named, "recording").unwrap();
    fs::write(&other, "precious").unwrap();
    on_a_thread(|| {
        let before = capabilities(None).unwrap().permitted;
        reading(std::slice::from_ref(&named)).unwrap();
        check_kept(before, CapabilitySet::DAC_READ_SEARCH);
        assert_eq!(fs::read_to_string(&named).unwrap(), "recording");
        if kernel_has_fences {
            assert_eq!(fs::read_to_string(&other).unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
    });
    if !kernel_has_fences {
        skipped(NEEDS_LANDLOCK);
    }
}

#[test]
fn what_observes_keeps_cap_bpf_only_where_it_does_not_work_without() {
    for (works, kept) in [(true, NAMING), (false, NAMING | CapabilitySet::BPF)] {
        on_a_thread(|| {
            let before = capabilities(None).unwrap().permitted;
            let mut tried_with = None;
            observing(|| {
                tried_with = Some(capabilities(None).unwrap().effective);
                works
            })
            .unwrap();
            assert_eq!(tried_with, Some(before & NAMING), "tried with what it would have");
            check_kept(before, kept);
            assert_eq!(status("NoNewPrivs"), "1");
        });
    }
    assert!(!NAMING.contains(CapabilitySet::BPF));
}
