//! Processes in /proc: their numbers, names and open descriptors.
//!
//! Processes come and go while they are read; one that has vanished is not an
//! error. What it finds is untrusted: names are bytes that a process chose.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use backlog_trace_model::listener::State;
use rustix::fs::{Mode, OFlags, RawDir, open, readlinkat_raw};
use rustix::io::Errno;

/// Longest link that is of interest: `socket:[4294967295]` and `net:[4294967295]`
/// fit many times; a longer one is a file's path and is cut.
pub(super) const LINK: usize = 64;

/// All processes that this process may see.
pub(super) fn pids() -> io::Result<Vec<u32>> {
    Ok(fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// A process's name, as it stands in `/proc/PID/comm`; `None` once it is gone.
pub(super) fn comm(pid: u32) -> Option<String> {
    let bytes = read_bounded(&format!("/proc/{pid}/comm"), 64).ok()?;
    let name = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Some(String::from_utf8_lossy(name).into_owned())
}

/// What the first thread of a process does; `None` once it is gone.
pub(super) fn state(pid: u32) -> Option<State> {
    state_in(&read_bounded(&format!("/proc/{pid}/stat"), 4096).ok()?)
}

/// The letter behind the name, which may hold anything (`do_task_stat()`,
/// fs/proc/array.c, 5.10 to 7.2): `812 (nginx) S 1 …`.
fn state_in(stat: &[u8]) -> Option<State> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    match stat.get(end + 1..)? {
        [b' ', letter, ..] => Some(State::from_letter(*letter)),
        _ => None,
    }
}

/// The process that a path leads through: 812 of `/proc/812/ns/net`.
pub(super) fn on_the_way(path: &Path) -> Option<u32> {
    path.strip_prefix("/proc").ok()?.iter().next()?.to_str()?.parse().ok()
}

/// `nginx/812` of such a path.
pub(super) fn through(path: &Path) -> Option<String> {
    let pid = on_the_way(path)?;
    Some(format!("{}/{pid}", comm(pid)?))
}

/// Reads at most `limit` bytes of a file.
pub(super) fn read_bounded(path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads where the links in a directory of magic links lead, such as
/// `/proc/PID/fd`; gives `seen` each link's name and target, the latter cut to
/// the length that is of interest. Returns how many there were.
pub(super) fn links(directory: &str, mut seen: impl FnMut(&CStr, &[u8])) -> io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory: OwnedFd = open(directory, flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(&directory, &mut buffer);
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let mut target = [0; LINK];
        let length = match readlinkat_raw(&directory, name, &mut target) {
            Ok(length) => length,
            // The directory may be listed and its links not be read: the same
            // refusal, one step later (ptrace_may_access() in fs/proc/fd.c).
            Err(error @ (Errno::ACCESS | Errno::PERM)) => return Err(error.into()),
            // A descriptor that was closed meanwhile.
            Err(_) => continue,
        };
        count += 1;
        seen(name, target.get(..length).unwrap_or_default());
    }
    Ok(count)
}

/// Whether a descriptor of a process is one of `O_PATH`: it leads somewhere, and
/// nothing is done with what it leads to.
pub(super) fn only_leads(pid: u32, descriptor: &str) -> bool {
    let text = read_bounded(&format!("/proc/{pid}/fdinfo/{descriptor}"), 1024).unwrap_or_default();
    flags(&text).is_some_and(|flags| flags & OFlags::PATH.bits() != 0)
}

/// The flags in the text of a `fdinfo` (`seq_show()`, fs/proc/fd.c, 5.10 to 7.2).
fn flags(text: &[u8]) -> Option<u32> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let octal = lines.find_map(|line| line.strip_prefix(b"flags:"))?;
    u32::from_str_radix(std::str::from_utf8(octal).ok()?.trim(), 8).ok()
}

/// The number in a magic link's target, such as `socket:[102322]`.
pub(super) fn numbered(target: &[u8], kind: &str) -> Option<u64> {
    let rest = target.strip_prefix(kind.as_bytes())?.strip_prefix(b":[")?.strip_suffix(b"]")?;
    // from_str_radix and parse take a leading '+', which no link has.
    if !rest.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(rest).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(target: &[u8], kind: &str, number: Option<u64>) {
        assert_eq!(numbered(target, kind), number, "{target:?}");
    }

    #[test]
    fn states_of_processes_of_any_name() {
        assert_eq!(state_in(b"812 (nginx) S 1 812"), Some(State::Sleeping));
        assert_eq!(state_in(b"812 (a) R b) T 1"), Some(State::Stopped));
        assert_eq!(state_in(b"812 (nginx) D"), Some(State::DiskSleep));
        assert_eq!([state_in(b""), state_in(b"812 (nginx)"), state_in(b"812 (nginx)S")], [None; 3]);
        assert_eq!(state(std::process::id()).map(|state| state != State::Zombie), Some(true));
        assert_eq!(state(u32::MAX), None);
    }

    #[test]
    fn magic_links() {
        check(b"socket:[102322]", "socket", Some(102_322));
        check(b"net:[4026531840]", "net", Some(4_026_531_840));
        check(b"net:[4026531840]", "socket", None);
        check(b"socket:[]", "socket", None);
        check(b"socket:[+1]", "socket", None);
        check(b"socket:[1] (deleted)", "socket", None);
        check(b"socket:[99999999999999999999999]", "socket", None);
        check(b"/tmp/socket:[1]", "socket", None);
        check(b"", "socket", None);
    }

    #[test]
    fn flags_of_descriptors() {
        for (text, expected) in [
            (&b"pos:\t0\nflags:\t012000000\nmnt_id:\t4\n"[..], Some(0o12_000_000)),
            (b"pos:\t0\nflags:\t0100002", Some(0o100_002)),
            (b"flags:\t9\n", None),
            (b"flags:\t7777777777777\n", None),
            (b"flags:\t\xff\n", None),
            (b"pos:\t0\n", None),
            (b"", None),
        ] {
            assert_eq!(flags(text), expected, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back_and_no_bytes_panic(number: u64, bytes: Vec<u8>) {
            prop_assert_eq!(numbered(format!("socket:[{number}]").as_bytes(), "socket"), Some(number));
            let _ = numbered(&bytes, "socket");
        }
    }

    #[test]
    fn this_process_is_found_with_its_name_and_descriptors() {
        let own = std::process::id();
        assert!(pids().unwrap().contains(&own));
        // A test thread has its own comm, but /proc/PID/comm is the main thread's.
        assert_eq!(
            Some(comm(own).unwrap()),
            fs::read_to_string(format!("/proc/{own}/comm")).ok().map(|c| c.trim_end().to_owned())
        );
        assert_eq!(
            through(Path::new(&format!("/proc/{own}/ns/net"))),
            comm(own).map(|comm| format!("{comm}/{own}"))
        );
        for elsewhere in ["/proc/thread-self/ns/net", "/run/netns/7", "/proc", "7"] {
            assert_eq!(through(Path::new(elsewhere)), None);
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&listener).to_string();
        let mut found = false;
        links(&format!("/proc/{own}/fd"), |name, target| {
            found |= name.to_str() == Ok(&fd) && numbered(target, "socket").is_some();
        })
        .unwrap();
        assert!(found);
    }

    #[test]
    fn a_process_that_is_gone_has_no_name_and_its_descriptors_are_an_error() {
        // Above the highest pid_max there can be (4,194,304).
        assert_eq!(comm(4_194_305), None);
        assert_eq!(through(Path::new("/proc/4194305/ns/net")), None);
        assert!(links("/proc/4194305/fd", |_, _| {}).is_err());
    }
}
