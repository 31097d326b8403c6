//! Entry point: everything is in the library, so that tests reach it, but what
//! must be looked at before Rust's own start: whether standard output is there.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use backlog_trace::cli::{self, Stdout};

/// Standard output was closed when the program was started.
static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Run by the C library before `main`: Rust opens /dev/null in the place of a
/// standard stream that is closed, and afterwards `>&-` and `>/dev/null` look
/// the same.
#[used]
#[expect(unsafe_code, reason = "only what is listed in this section runs before Rust's own start")]
// SAFETY: .init_array holds pointers to C functions that return nothing. This
// one makes a system call and stores a flag: it needs nothing of what Rust or
// the C library may not have prepared yet.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    #[expect(unsafe_code, reason = "a descriptor that may be closed cannot be borrowed safely")]
    // SAFETY: fcntl(F_GETFD) of any number is harmless.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    WAS_CLOSED.store(flags < 0, Ordering::Relaxed);
}

fn main() -> ExitCode {
    cli::main(if WAS_CLOSED.load(Ordering::Relaxed) { Stdout::Closed } else { Stdout::Open })
}
