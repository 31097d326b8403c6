//! Entry point: everything is in the library, so that tests reach it, but what
//! must be looked at before Rust's own start: whether standard output is there.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use backlog_trace::cli::{self, Stdout};
use backlog_trace::out_of_memory::Telling;

#[global_allocator]
static ALLOCATOR: Telling = Telling;

/// Standard output was closed when the program was started.
static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Run by the C library before `main`: Rust opens /dev/null in the place of a
/// standard stream that is closed, and afterwards `>&-` and `>/dev/null` look
/// the same.
#[used]
#[expect(unsafe_code, reason = "only what is listed in this section runs before Rust's own start")]
// SAFETY: .init_array holds pointers to C functions that return nothing. This
// one makes system calls and stores a flag: it needs nothing of what Rust or
// the C library may not have prepared yet.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    #[expect(unsafe_code, reason = "a descriptor that may be closed cannot be borrowed safely")]
    // SAFETY: fcntl(F_GETFD) of any number is harmless.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    WAS_CLOSED.store(flags < 0, Ordering::Relaxed);
    fill();
}

/// Where there is no /dev/null either, Rust's own start aborts
/// (`sanitize_standard_fds()`): a directory does as well, which takes no write
/// and gives nothing to read.
fn fill() {
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        #[expect(unsafe_code, reason = "descriptors that may be closed cannot be borrowed safely")]
        // SAFETY: fcntl(F_GETFD) of any number is harmless, and so is open() with
        // paths that live as long as the program. The lowest number that is free
        // is the one that was closed: those below it have been filled.
        unsafe {
            if libc::fcntl(stream, libc::F_GETFD) < 0 && libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) < 0 {
                libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
            }
        }
    }
}

fn main() -> ExitCode {
    cli::main(if WAS_CLOSED.load(Ordering::Relaxed) { Stdout::Closed } else { Stdout::Open })
}
