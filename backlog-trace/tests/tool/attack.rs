//! What another process of the user who runs the tool may try on it.

use std::io;
use std::process::Command;

use rustix::thread::CapabilitySet;

use super::Circumstances;

/// Neither is allowed.
pub(crate) const REFUSED: (Option<i32>, Option<i32>) = (Some(libc::EPERM), Some(libc::EACCES));

/// What a process of nobody, without any capability, gets of a thread: the
/// error of tracing it, and that of opening its memory.
pub(crate) fn attacks(thread: &str) -> (Option<i32>, Option<i32>) {
    let id: i32 = thread.parse().unwrap();
    let attack = |change: fn(i32) -> io::Result<()>| {
        let mut command = Command::new("/bin/true");
        command.as_nobody_with(CapabilitySet::empty()).in_child(move || change(id));
        command.status().err().and_then(|error| error.raw_os_error())
    };
    (attack(trace), attack(open_memory))
}

fn trace(id: i32) -> io::Result<()> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    #[expect(unsafe_code, reason = "ptrace has no safe form")]
    // SAFETY: PTRACE_SEIZE reads and writes no memory of the caller. What was
    // seized is let go of when the caller ends.
    let traced = unsafe { libc::ptrace(libc::PTRACE_SEIZE, id, nothing, nothing) };
    if traced < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// By one system call on a path that is written without allocating.
fn open_memory(id: i32) -> io::Result<()> {
    let mut path = [0_u8; 32];
    io::Write::write_fmt(&mut path.as_mut_slice(), format_args!("/proc/{id}/mem\0"))?;
    #[expect(unsafe_code, reason = "open() of bytes on the stack")]
    // SAFETY: the path ends with a NUL byte.
    let opened = unsafe { libc::open(path.as_ptr().cast(), libc::O_RDWR | libc::O_CLOEXEC) };
    if opened < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
