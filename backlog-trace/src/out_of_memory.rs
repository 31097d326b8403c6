//! What is said where no memory is left: Rust's own answer is to abort, with
//! nothing that a person could act on, and where it prints a backtrace without
//! memory it may never end.
//!
//! It refuses to go on without the memory, and to allocate any.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::io;
use std::os::fd::AsFd;

use backlog_trace_model::failure::Exit;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::resource_limits::MORE_MEMORY;

/// The system's allocator, whose refusals end the program with a sentence and
/// [`Exit::NoRoom`].
#[derive(Clone, Copy, Debug)]
pub struct Telling;

#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
// SAFETY: everything is passed on to the system's allocator as it came, and what
// that returns is returned unless it is null.
unsafe impl GlobalAlloc for Telling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller says.
        given(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn given(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() {
        end(size);
    }
    memory
}

/// At once: what runs at an orderly end could need memory again.
#[cold]
fn end(size: usize) -> ! {
    let mut line = Line { bytes: [0; 512], length: 0 };
    // What does not fit is left out.
    let _ = write!(line, "backlog-trace: out of memory: {size} more bytes were refused\n  {MORE_MEMORY}\n");
    let stderr = io::stderr();
    let mut fds = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
    // Talk that nobody takes within a second is dropped.
    if poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })) != Ok(0) {
        let _ = rustix::io::write(&stderr, line.bytes.get(..line.length).unwrap_or_default());
    }
    #[expect(unsafe_code, reason = "std has no way out that runs nothing")]
    // SAFETY: it ends the process, whatever its other threads do.
    unsafe {
        libc::_exit(Exit::NoRoom as i32)
    }
}

/// Text without an allocation.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
