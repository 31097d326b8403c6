//! The command line: one file per subcommand, with its arguments and its `run()`,
//! and what those share: `drive` runs an observation for its consumers
//! (`printing`, `recording`), `replay` reads recordings, `output` and `printed` are the standard streams,
//! `interrupt` and `child` are what ends a run.

mod advise;
mod begin;
mod check;
mod child;
mod descriptors;
mod drive;
pub mod exit_codes;
mod file_size;
mod format;
mod hist;
mod interrupt;
mod listeners;
mod live;
mod missing;
mod observe;
mod output;
mod printed;
mod printing;
mod ready;
mod record;
mod recording;
mod replay;
mod report;
mod rung;
mod selftest;
mod unmatched;
mod waiting;
mod watch;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use backlog_trace_model::escape::Sanitized;
use backlog_trace_model::failure::{Exit, Failure, Result};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use format::Format;

use crate::resource_limits;

/// Which listener refused the connection, at which step of the handshake, why, and what to change.
#[derive(Parser, Debug)]
#[command(name = "backlog-trace", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print losses as they happen: one line per listener and reason within a second, or per packet.
    Live(live::Live),
    /// Print which listeners lost connections and why, at the end or each interval; histograms of the worst.
    Hist(hist::Hist),
    /// Say what is wrong and what to change, after observing for a while or from a recording.
    Advise(advise::Advise),
    /// Write an observation into a file.
    Record(record::Record),
    /// Print recordings as `hist` or `live` would have.
    Report(report::Report),
    /// Show every listener: both queues, limits and who sets them, owner, losses so far.
    Listeners(listeners::Listeners),
    /// Show what this kernel, this user and this machine allow, and what to change.
    Check(check::Check),
    Selftest(selftest::Selftest),
}

/// The command line as clap knows it, for help and documents.
pub fn command() -> clap::Command {
    Cli::command().after_help(exit_codes::help())
}

/// Whether standard output was there when the program was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stdout {
    /// It leads somewhere, if only to /dev/null.
    Open,
    /// It was closed (`>&-`). By now it leads to /dev/null: Rust sees to it that no
    /// other file gets its number.
    Closed,
}

/// Parses the command line, runs the command, prints what failed.
pub fn main(stdout: Stdout) -> ExitCode {
    if stdout == Stdout::Closed {
        return failed(
            &Failure::new(Exit::OutputFailed, "standard output is closed: nobody would see the result")
                .advise("send it to a file, or to /dev/null where it is not wanted"),
        );
    }
    let has_room = || {
        resource_limits::stack()?;
        resource_limits::descriptors(resource_limits::FEW_DESCRIPTORS)
    };
    if let Err(failure) = has_room().and_then(|()| file_size::make_it_an_error()) {
        return failed(&failure);
    }
    let cli = match parse(env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return said_by_clap(&escaped(&error)),
    };
    // Talk on stderr; what the kernel side may log was decided when it was loaded.
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Warn)
        .filter_module("backlog_trace_ebpf", log::LevelFilter::Trace)
        .parse_filters(&log_filters())
        .format(log_line)
        .target(env_logger::Target::Pipe(Box::new(output::Talk)))
        .init();
    match run(&cli) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => failed(&failure),
    }
}

/// A warning of ours is talk like any other; the rest is for who looks for a fault.
fn log_line(to: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    if is_talk(record.level(), record.target()) {
        return writeln!(to, "backlog-trace: {}", record.args());
    }
    writeln!(to, "[{} {} {}] {}", to.timestamp(), record.level(), record.target(), record.args())
}

/// Whether a line is a warning of one of this program's crates, the selftest's
/// among them, and not of the kernel side or of somebody else's crate.
fn is_talk(level: log::Level, target: &str) -> bool {
    let of_crate = target.split("::").next().unwrap_or_default();
    level <= log::Level::Warn && of_crate.starts_with("backlog_trace") && of_crate != "backlog_trace_ebpf"
}

fn failed(failure: &Failure) -> ExitCode {
    output::talk_of(failure);
    ExitCode::from(failure.exit as u8)
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> clap::error::Result<Cli> {
    command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches))
}

/// What clap says, which repeats arguments and the program's own name as they
/// were given, with all of them escaped: the same arguments, escaped before they
/// are parsed, meet the same error.
fn escaped(error: &clap::Error) -> clap::Error {
    let shown = env::args_os().map(|given| Sanitized(&given.to_string_lossy()).to_string().into());
    match parse(shown) {
        Err(again) if again.kind() == error.kind() => again,
        // Such as an argument that is no UTF-8: without its text.
        _ => clap::Error::new(error.kind()).with_cmd(&command()),
    }
}

/// What BACKLOG_TRACE_LOG asks for; the logger repeats what it cannot read.
fn log_filters() -> String {
    let asked = env::var_os("BACKLOG_TRACE_LOG").unwrap_or_default();
    Sanitized(&asked.to_string_lossy()).to_string()
}

/// Prints help, the version, or what is wrong with the command line.
fn said_by_clap(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed.err().and_then(|error| output::failure(&error)) {
        // Where standard error takes nothing, the code has to do.
        Some(failure) if !error.use_stderr() => failed(&failure),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8)),
    }
}

fn run(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Command::Live(arguments) => live::run(arguments),
        Command::Hist(arguments) => hist::run(arguments),
        Command::Advise(arguments) => advise::run(arguments),
        Command::Record(arguments) => record::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Listeners(arguments) => listeners::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Selftest(args) => selftest::run(args),
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::is_talk;

    #[test]
    fn warnings_of_this_programs_crates_are_talk() {
        for target in ["backlog_trace::listener::book", "backlog_trace_selftest::requirements"] {
            assert!(is_talk(Level::Warn, target) && !is_talk(Level::Info, target), "{target}");
        }
        for target in ["aya::programs", "backlog_trace_ebpf", "not_backlog_trace"] {
            assert!(!is_talk(Level::Error, target), "{target}");
        }
    }
}
