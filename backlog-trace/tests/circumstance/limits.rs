//! Limits on the process and on its cgroup.

use backlog_trace_model::failure::Exit;
use rustix::process::Resource;
use rustix::thread::CapabilitySet;

use super::control_group::ControlGroup;
use super::{Row, Then, row};
use crate::tool::skipped::skipped;
use crate::tool::{Circumstances, may_be_nobody, tool};

const MIB: u64 = 1 << 20;

/// What programs, maps and the kernel's types do not fit into.
const LITTLE: &[&str] = &["ulimit -v"];
const LITTLE_DATA: &[&str] = &["ulimit -d"];
const FEW: Then = Then::Fails(Exit::NoRoom, &["open files", "ulimit -n", "ulimit -Hn"]);
const SHALLOW: Then = Then::Fails(Exit::NoRoom, &["the stack", "ulimit -s"]);
const NO_THREAD: Then = Then::Fails(Exit::NoRoom, &["no room for a thread", "ulimit -u", "pids.max"]);

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        // So little that not even sockets may be looked at, or just about.
        Row {
            check: Then::PollsOrFails(LITTLE),
            listeners: Then::PollsOrFails(LITTLE),
            observe: Then::PollsOrFails(LITTLE),
            ..row("22 MiB of address space", |command| {
                command.limited(Resource::As, 22 * MIB);
            })
        },
        // Without the kernel's types.
        Row {
            check: Then::PollsOrFails(LITTLE),
            observe: Then::PollsOrFails(LITTLE),
            ..row("30 MiB of address space", |command| {
                command.limited(Resource::As, 30 * MIB);
            })
        },
        row("40 MiB of address space", |command| {
            command.limited(Resource::As, 40 * MIB);
        })
        .polls(LITTLE),
        row("60 MiB of address space", |command| {
            command.limited(Resource::As, 60 * MIB);
        })
        .polls(LITTLE),
        row("96 MiB of address space", |command| {
            command.limited(Resource::As, 96 * MIB);
        })
        .polls(LITTLE),
        row("160 MiB of address space", |command| {
            command.limited(Resource::As, 160 * MIB);
        })
        .polls(LITTLE),
        row("a GiB of address space", |command| {
            command.limited(Resource::As, 1024 * MIB);
        }),
        Row {
            check: Then::PollsOrFails(LITTLE_DATA),
            listeners: Then::PollsOrFails(LITTLE_DATA),
            observe: Then::PollsOrFails(LITTLE_DATA),
            ..row("2 MiB of data", |command| {
                command.limited(Resource::Data, 2 * MIB);
            })
        },
        row("16 MiB of data", |command| {
            command.limited(Resource::Data, 16 * MIB);
        })
        .polls(LITTLE_DATA),
        row("64 MiB of data", |command| {
            command.limited(Resource::Data, 64 * MIB);
        })
        .polls(LITTLE_DATA),
        row("64 KiB of stack", |command| {
            command.limited(Resource::Stack, 64 << 10);
        })
        .all(SHALLOW),
        row("256 KiB of stack", |command| {
            command.limited(Resource::Stack, 256 << 10);
        })
        .all(SHALLOW),
        row("a MiB of stack", |command| {
            command.limited(Resource::Stack, MIB);
        }),
        row("4 open files", |command| {
            command.limited(Resource::Nofile, 4);
        })
        .all(FEW),
        row("6 open files", |command| {
            command.limited(Resource::Nofile, 6);
        })
        .all(FEW),
        // Enough to look at this namespace.
        Row {
            check: Then::Polls(&["open files", "ulimit -n", "ulimit -Hn"]),
            observe: FEW,
            ..row("16 open files", |command| {
                command.limited(Resource::Nofile, 16);
            })
        },
        // Enough to poll it.
        row("48 open files", |command| {
            command.limited(Resource::Nofile, 48);
        })
        .polls(&["open files", "ulimit -n", "ulimit -Hn"]),
        row("no locked memory", |command| {
            command.limited(Resource::Memlock, 0);
        }),
        row("no pending signals", |command| {
            command.limited(Resource::Sigpending, 0);
        }),
        row("no message queues", |command| {
            command.limited(Resource::Msgqueue, 0);
        }),
        row("no core", |command| {
            command.limited(Resource::Core, 0);
        }),
    ];
    if let Err(why) = may_be_nobody(&tool(&[])) {
        skipped(why);
    } else {
        // Root may always have more (`is_ucounts_overlimit()` in copy_process()).
        rows.push(Row {
            check: NO_THREAD,
            listeners: NO_THREAD,
            observe: NO_THREAD,
            // It belongs to root.
            report: Then::Fails(Exit::BadInput, &["Permission denied"]),
            ..row("no more processes", |command| {
                command
                    .as_nobody_with(CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::DAC_OVERRIDE)
                    .limited(Resource::Nproc, 0);
            })
        });
    }
    rows.extend(ControlGroup::make("pids", "1").map(|group| Row {
        check: NO_THREAD,
        listeners: NO_THREAD,
        observe: NO_THREAD,
        ..inside("a cgroup for one task", group)
    }));
    // The kernel charges maps to it, and kills where memory of a process is short.
    const MEMORY: &[&str] = &["memory of the cgroup", "memory."];
    for (name, mib) in [
        ("a cgroup of 16 MiB", 16),
        ("a cgroup of 24 MiB", 24),
        ("a cgroup of 32 MiB", 32),
        ("a cgroup of 48 MiB", 48),
        ("a cgroup of 63 MiB", 63),
    ] {
        let group = ControlGroup::make("memory", &(mib * MIB).to_string());
        rows.extend(group.map(|group| inside(name, group).polls(MEMORY)));
    }
    let roomy = ControlGroup::make("memory", &(512 * MIB).to_string());
    rows.extend(roomy.map(|group| inside("a cgroup of 512 MiB", group)));
    rows
}

fn inside(name: &'static str, group: ControlGroup) -> Row {
    Row {
        make: Box::new(move |_, arguments| {
            let mut command = tool(arguments);
            group.hold(&mut command);
            command
        }),
        ..row(name, |_| {})
    }
}
