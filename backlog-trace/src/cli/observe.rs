//! Arguments shared by every command that observes: filters, duration, the
//! command to run, the output format.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Format;
use crate::event::Rung;
use crate::failure::Result as Outcome;
use crate::listener::Filter;
use crate::tally::{ReasonFilter, Selection};

/// Which listeners are shown. Counts and audit always cover the whole host.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub struct Filters {
    /// Only listeners on this port (repeatable).
    #[arg(long, value_name = "PORT")]
    pub port: Vec<u16>,
    /// Only listeners bound to this address (repeatable).
    #[arg(long, value_name = "ADDRESS")]
    pub address: Vec<IpAddr>,
    /// Only listeners in this network namespace: inode number, name under /run/netns, or path.
    #[arg(long, value_name = "NETNS")]
    pub netns: Vec<String>,
    /// Only listeners held by this process (repeatable).
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// Only listeners of this cgroup or below it, e.g. /system.slice/nginx.service.
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<String>,
    /// Only this reason, e.g. syn/accept_queue_full, or a whole stage, e.g. syn.
    #[arg(long, value_name = "STAGE[/REASON]")]
    pub reason: Vec<String>,
}

impl Filters {
    /// Compiles them.
    ///
    /// # Errors
    /// A reason or a namespace that does not exist.
    pub fn selection(&self) -> Outcome<Selection> {
        Ok(Selection { reasons: ReasonFilter::parse(&self.reason)?, listeners: Filter::new(self)? })
    }
}

/// What to observe, how long, and how to print it.
#[derive(Args, Clone, Debug)]
pub struct Observe {
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Stop after this long, e.g. 10s, 5m (default: until interrupted).
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Force this rung of each hook (default: the best).
    #[arg(long, value_enum, value_name = "RUNG")]
    pub rung: Option<Rung>,
    /// Tell why other SYNs were refused (no memory, no route, a security module), and
    /// which were lost to an identical one. Every SYN pays for it: see the README.
    #[arg(long)]
    pub causes: bool,
    /// How much the kernel side logs on stderr (off, error, warn, info, debug, trace).
    #[arg(long, value_name = "LEVEL", default_value = "off")]
    pub kernel_log: log::LevelFilter,
    /// Size of the ring buffer for details, in MiB (a power of two).
    #[arg(long, value_name = "MIB", default_value_t = 8, hide = true)]
    pub ring_mib: u32,
    /// Write an empty line to this file when everything is attached (for scripts).
    #[arg(long, value_name = "FILE", hide = true)]
    pub ready_file: Option<PathBuf>,
    /// Run this command when everything is attached, and observe for as long as it runs.
    ///
    /// Its exit code does not become that of backlog-trace. Where --duration
    /// or a signal ends the observation first, it is sent SIGTERM. With
    /// --format json its standard output goes to standard error, so that
    /// standard output holds nothing but JSON.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
    // Last: its heading holds for every option that follows.
    /// Which listeners are shown.
    #[command(flatten)]
    pub filters: Filters,
}

/// Parses `10s`, `2m 30s`, `1h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("'{text}' is no duration; write a number with a unit, such as 10s, 5m or 1h"))?;
    Duration::try_from(span)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or_else(|| "a duration must be above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Duration>) {
        assert_eq!(parse_duration(text).ok(), expected, "{text}");
    }

    #[test]
    fn durations() {
        check("10s", Some(Duration::from_secs(10)));
        check("2m 30s", Some(Duration::from_secs(150)));
        check("250ms", Some(Duration::from_millis(250)));
        check("0.5s", Some(Duration::from_millis(500)));
        check("1h", Some(Duration::from_secs(3600)));
        check("10", None);
        check("0s", None);
        check("-1s", None);
        check("soon", None);
    }
}
