//! Files and namespaces that are not there, are others, or cannot be written.

use std::io;
use std::process::Command;

use backlog_trace_model::failure::Exit;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{chdir, chroot};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::{Row, Then, row};
use crate::tool::{Circumstances, tool};

const NO_TYPES: &[&str] = &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"];

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("no /sys", |command| {
            command.hiding(&[c"/sys"]);
        })
        .polls(NO_TYPES),
        row("no BTF", |command| {
            command.hiding(&[c"/sys/kernel/btf"]);
        })
        .polls(NO_TYPES),
        row("no /sys/devices", |command| {
            command.hiding(&[c"/sys/devices"]);
        })
        .polls(&["/sys/devices/system/cpu/possible", "mount sysfs on /sys"]),
        row("no /proc/sys", |command| {
            command.hiding(&[c"/proc/sys"]);
        })
        .polls(&["/proc/sys/kernel/osrelease", "mount proc on /proc"]),
        row("no /dev", |command| {
            command.hiding(&[c"/dev"]);
        }),
        row("no /etc and no time zones", |command| {
            command.hiding(&[c"/etc", c"/usr/share/zoneinfo"]);
        }),
        row("/proc and /sys to read only", |command| {
            command.read_only(&[c"/proc", c"/sys"]);
        }),
        // The root's own file system has /proc and /sys as empty directories.
        Row {
            check: Then::Polls(&["mount proc on /proc"]),
            listeners: Then::Fails(Exit::KernelUnable, &["mount proc on /proc"]),
            observe: Then::Fails(Exit::KernelUnable, &["mount proc on /proc"]),
            make: Box::new(|directory, arguments| {
                let mut command = tool(arguments);
                let root = directory.join("root");
                std::fs::create_dir_all(&root).unwrap();
                command.in_child(move || {
                    own_mounts()?;
                    mount_bind("/", &root)?;
                    chroot(&root)?;
                    chdir("/").map_err(io::Error::from)
                });
                command
            }),
            ..row("a chroot without /proc, /sys and /dev", |_| {})
        },
        Row {
            record: Some(Then::Fails(Exit::OutputFailed, &["No space left", "make room"])),
            make: Box::new(|directory, arguments| {
                let mut command = tool(arguments);
                let (place, rest) = (directory.to_path_buf(), directory.join("rest"));
                // What only prints needs no room on a disk.
                if arguments.first() == Some(&"record") {
                    command.in_child(move || {
                        own_mounts()?;
                        mount(c"tmpfs", &place, c"tmpfs", MountFlags::empty(), Some(c"size=4k"))?;
                        std::fs::write(&rest, [0; 4096])
                    });
                }
                command
            }),
            ..row("no free disk", |_| {})
        },
        row("a user namespace", |command| {
            command.in_user_namespace();
        })
        .polls(&["user namespace", "--privileged"]),
        row("a network namespace", |command| {
            command.in_network_namespace();
        }),
        row("namespaces for mounts, names and cgroups", |command| {
            command.in_child(|| {
                own_mounts()?;
                leave(UnshareFlags::NEWUTS | UnshareFlags::NEWIPC | UnshareFlags::NEWCGROUP)
            });
        }),
        Row {
            make: Box::new(|_, arguments| in_time_namespace(arguments)),
            ..row("a time namespace", |_| {})
        },
        row("a working directory that is gone", |command| {
            let directory = tempfile::tempdir().unwrap().keep();
            command.in_child(move || {
                chdir(&directory)?;
                std::fs::remove_dir(&directory)
            });
        }),
    ]
}

/// In a time namespace whose monotonic clock is eleven days ahead.
pub(crate) fn in_time_namespace(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", "1000000"]).arg(tool(&[]).get_program()).args(arguments);
    command.env("TZ", "UTC").stdin(std::process::Stdio::null());
    command
}

fn own_mounts() -> io::Result<()> {
    leave(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(io::Error::from)
}

fn leave(namespaces: UnshareFlags) -> io::Result<()> {
    #[expect(unsafe_code, reason = "unshare has no safe form, though these flags are harmless")]
    // SAFETY: the file table, about which the function warns, is not touched.
    let left = unsafe { unshare_unsafe(namespaces) };
    left.map_err(io::Error::from)
}
