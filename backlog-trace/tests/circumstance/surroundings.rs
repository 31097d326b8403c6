//! Standard streams, the environment, and what else a parent leaves to a child.

use std::process::Command;

use backlog_trace_model::failure::Exit;
use rustix::fs::Mode;
use rustix::process::{Resource, umask};

use super::{Row, Then, row};
use crate::tool::Circumstances;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("standard input is closed", |command| {
            without(command, &[0]);
        }),
        row("standard error is closed", |command| {
            without(command, &[2]);
        }),
        row("standard input and error are closed and there is no /dev/null", |command| {
            without(command.hiding(&[c"/dev"]), &[0, 2]);
        }),
        // Nobody is there to read a sentence.
        row("all are closed and there is no /dev/null", |command| {
            without(command.hiding(&[c"/dev"]), &[0, 1, 2]);
        })
        .all(Then::Fails(Exit::OutputFailed, &[])),
        row("an empty environment", |command| {
            command.env_clear();
        }),
        row("a time zone that is none", |command| {
            command.env("TZ", "Nowhere/Nothing");
        }),
        row("a time zone that is a directory", |command| {
            command.env("TZ", "/");
        }),
        row("a terminal, language and home that are none", |command| {
            command.env("TERM", "no-such").env("LANG", "xx_YY.no").env("LC_ALL", "\u{fffd}");
            command.env("HOME", "/nonexistent").env("TMPDIR", "/nonexistent").env("COLUMNS", "-1");
        }),
        row("no path", |command| {
            command.env("PATH", "");
        }),
        row("nothing may be read by anybody", |command| {
            command.in_child(|| {
                umask(Mode::from_raw_mode(0o777));
                Ok(())
            });
        }),
        row("real-time priority and locks are forbidden", |command| {
            command.limited(Resource::Rtprio, 0).limited(Resource::Nice, 0).limited(Resource::Locks, 0);
        }),
    ]
}

fn close(streams: &[i32]) {
    for stream in streams {
        #[expect(unsafe_code, reason = "a standard stream is closed by its number")]
        // SAFETY: between fork and exec nothing else uses it.
        unsafe {
            rustix::io::close(*stream);
        }
    }
}

/// In the child, before it executes the program.
fn without(command: &mut Command, streams: &'static [i32]) {
    command.in_child(|| {
        close(streams);
        Ok(())
    });
}
