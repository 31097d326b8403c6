//! Virtual machines: a kernel of the matrix under QEMU's own CPU (no KVM),
//! with an initramfs made here, one command, and its output and exit status.
//!
//! The command's stdout travels on a serial port of its own, so that no kernel
//! message can ever mix in; its stderr and the kernel share the console.
//! Guests have no disk and no network card: what they do stays inside.

mod boot;
mod console;
mod cpio;
mod initramfs;
mod kernel;
mod library;
mod module;
mod qemu;

pub(crate) use boot::{Guest, hear, interactive, run};
pub(crate) use initramfs::GuestFile;
pub(crate) use kernel::{Prepared, prepare};
pub(crate) use library::{closure, needed};
pub(crate) use qemu::Qemu;
