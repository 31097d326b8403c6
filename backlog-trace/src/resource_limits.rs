//! Limits on this process, its own (setrlimit(2)) and its cgroup's: whether
//! they leave room for what is about to be done, and what is said where they
//! do not.
//!
//! It refuses to raise a limit, and to say that there is enough of everything:
//! what is asked for later and refused then is told by [`not_made`] and
//! [`crate::out_of_memory`].

mod cgroup;

use std::io;
use std::path::Path;

use backlog_trace_model::failure::{Exit, Failure, Result};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit};

/// Stack that the deepest calls of the main thread fit into, unoptimised too:
/// clap's, with all that `--help` says, took more than 256 KiB.
const STACK: u64 = 512 << 10;

/// Descriptors that every command needs at once.
pub(crate) const FEW_DESCRIPTORS: usize = 8;

/// Descriptors that an observation needs before it looks at anything: two
/// threads that wait for signals and sockets, the way in which signals come,
/// output, counters. Polling took 21.
pub(crate) const DESCRIPTORS_TO_OBSERVE: usize = 32;

/// Address space that programs and their types are loaded in, of which the C
/// library reserves 64 MiB at a time: 192 MiB were enough and 160 were not, with
/// two CPUs.
const ADDRESS_SPACE: u64 = 256 << 20;

/// The same of data alone: what is only reserved does not count.
const DATA: u64 = 96 << 20;

/// Memory of a cgroup, to which the kernel charges maps too: 64 MiB were enough
/// with two CPUs, and with 48 the process was killed.
const CGROUP: u64 = 64 << 20;

/// What to do about a limit on open files.
pub(crate) const MORE_DESCRIPTORS: &str =
    "raise the hard limit on open files: ulimit -Hn as root, LimitNOFILE= in a systemd unit";

/// What to do about a limit on memory.
pub(crate) const MORE_MEMORY: &str = "raise the limit on memory: ulimit -v and -d, MemoryMax= in a systemd unit (memory.max of the cgroup), --memory of a container";

/// A limit as it is now; `None` where a sandbox does not tell, at which
/// rustix's own `getrlimit()` panics.
pub(crate) fn limit(resource: Resource) -> Option<Rlimit> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    #[expect(unsafe_code, reason = "rustix has no form of it that can fail")]
    // SAFETY: it writes into `limit`, which is what the kernel calls rlimit64, and
    // reads no new limit where the pointer to one is null.
    let told = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource as libc::c_uint,
            std::ptr::null::<libc::rlimit64>(),
            &raw mut limit,
        )
    };
    let finite = |limit| (limit != libc::RLIM64_INFINITY).then_some(limit);
    (told == 0).then(|| Rlimit { current: finite(limit.rlim_cur), maximum: finite(limit.rlim_max) })
}

/// The soft limit, where there is one and it is told.
pub(crate) fn soft(resource: Resource) -> Option<u64> {
    limit(resource)?.current
}

/// Whether the main thread may use as much stack as it needs: asked before it
/// does, because nobody can be told afterwards.
///
/// # Errors
/// `NoRoom` where it may not.
pub(crate) fn stack() -> Result<()> {
    let limit = soft(Resource::Stack);
    limit.filter(|limit| *limit < STACK).map_or(Ok(()), |limit| {
        let what = format!(
            "the limit on the stack (ulimit -s) is {} KiB, and backlog-trace needs {}",
            limit >> 10,
            STACK >> 10
        );
        Err(Failure::new(Exit::NoRoom, what)
            .advise("raise it: ulimit -s 8192, LimitSTACK= in a systemd unit"))
    })
}

/// Whether so many more descriptors can be opened: by opening them, because
/// whoever started this process may have left some open.
///
/// # Errors
/// `NoRoom` where they cannot.
pub(crate) fn descriptors(needed: usize) -> Result<()> {
    let mut held = Vec::with_capacity(needed);
    while held.len() < needed {
        match fcntl_dupfd_cloexec(io::stderr(), 0) {
            Ok(descriptor) => held.push(descriptor),
            Err(Errno::MFILE) => return Err(too_few_descriptors(&format!("{needed} more files"))),
            // It does not say how many there may be.
            Err(_) => break,
        }
    }
    Ok(())
}

fn too_few_descriptors(what: &str) -> Failure {
    let limit = soft(Resource::Nofile).map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    let what = format!("the limit on open files (ulimit -n), which is {limit}, leaves no room for {what}");
    Failure::new(Exit::NoRoom, what).advise(MORE_DESCRIPTORS)
}

/// Whether a thread can be made: by making one.
///
/// # Errors
/// `NoRoom` where none can.
pub(crate) fn threads() -> Result<()> {
    let thread = std::thread::Builder::new().spawn(|| ()).map_err(|error| not_made("a thread", &error))?;
    // It does nothing that could go wrong.
    let _ = thread.join();
    Ok(())
}

/// Whether there is memory for programs, their types and maps. In a cgroup that
/// has too little, the kernel would kill this process.
///
/// # Errors
/// `NoRoom`, naming the limit.
pub(crate) fn memory_for_hooks() -> Result<()> {
    short("address space (ulimit -v)", soft(Resource::As), ADDRESS_SPACE)?;
    short("data (ulimit -d)", soft(Resource::Data), DATA)?;
    if let Some(limit) = cgroup::memory(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup")) {
        short(&format!("memory of the cgroup ({})", limit.file.display()), Some(limit.bytes), CGROUP)?;
    }
    Ok(())
}

fn short(of: &str, limit: Option<u64>, needed: u64) -> Result<()> {
    limit.filter(|limit| *limit < needed).map_or(Ok(()), |limit| {
        let what =
            format!("the limit on {of} is {} MiB, and loading programs takes {}", limit >> 20, needed >> 20);
        Err(Failure::new(Exit::NoRoom, what).advise(MORE_MEMORY))
    })
}

/// What something was not made for: a thread, or what a thread waits with.
pub(crate) fn not_made(what: &str, error: &io::Error) -> Failure {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => too_few_descriptors(what),
        // clone(2): of both, a C library makes EAGAIN.
        Some(Errno::AGAIN | Errno::NOMEM) => {
            let what =
                format!("there is no room for {what}: a limit on processes or memory is met{}", in_force());
            Failure::new(Exit::NoRoom, what).advise(
                "raise it: ulimit -u, -v and -d, TasksMax= and MemoryMax= in a systemd unit (pids.max and memory.max of the cgroup)",
            )
        }
        _ => Failure::internal(what.to_owned(), error),
    }
}

/// Those of the limits that threads run into which are set, as `ulimit` shows them.
fn in_force() -> String {
    let set = |name: &str, resource, unit| Some(format!("{name} is {}", soft(resource)? / unit));
    let all = [
        set("ulimit -u", Resource::Nproc, 1),
        set("ulimit -v", Resource::As, 1024),
        set("ulimit -d", Resource::Data, 1024),
    ];
    let set: Vec<_> = all.into_iter().flatten().collect();
    if set.is_empty() { String::new() } else { format!(" ({})", set.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_is_named_with_what_to_do() {
        for (errno, word) in
            [(Errno::MFILE, "open files"), (Errno::AGAIN, "processes"), (Errno::NOMEM, "memory")]
        {
            let failure = not_made("the thread that prints", &errno.into());
            assert_eq!(failure.exit, Exit::NoRoom, "{failure}");
            assert!(
                failure.what.contains(word) && failure.what.contains("the thread that prints"),
                "{failure}"
            );
            assert!(failure.advice.is_some(), "{failure}");
        }
        assert_eq!(not_made("it", &Errno::INVAL.into()).exit, Exit::Internal);
    }

    #[test]
    fn a_limit_below_what_is_needed_is_told() {
        assert!(short("memory", None, 64 << 20).is_ok());
        assert!(short("memory", Some(64 << 20), 64 << 20).is_ok());
        let failure = short("memory", Some(24 << 20), 64 << 20).unwrap_err();
        assert!(failure.what.contains("is 24 MiB") && failure.what.contains("takes 64"), "{failure}");
    }

    #[test]
    fn a_limit_is_what_the_kernel_says() {
        for resource in [Resource::Nofile, Resource::Stack, Resource::Core] {
            assert_eq!(limit(resource), Some(rustix::process::getrlimit(resource)));
        }
    }

    #[test]
    fn this_process_has_room() {
        stack().unwrap();
        descriptors(DESCRIPTORS_TO_OBSERVE).unwrap();
    }
}
