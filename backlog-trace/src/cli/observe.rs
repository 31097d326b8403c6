//! Arguments shared by every command that observes: filters, duration, the
//! command to run, the output format.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::Result as Outcome;
use backlog_trace_model::listener::{CgroupPattern, Filter, Ports, SERVICES};
use backlog_trace_model::tally::{ReasonFilter, Selection};
use clap::Args;

use super::format::{Format, Offered};
use super::rung::rung;
use crate::listener::netns;

/// Which listeners are shown. Counts and audit always cover the whole host.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filters {
    /// Only listeners on these ports, e.g. 80,443 or 8000-8100 or http (repeatable).
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = parse_ports)]
    pub port: Vec<Ports>,
    /// Only listeners bound to this address (repeatable).
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = parse_address)]
    pub address: Vec<IpAddr>,
    /// Only listeners in this network namespace: inode number, name under /run/netns, or path.
    #[arg(long, value_name = "NETNS")]
    pub netns: Vec<String>,
    /// Only listeners held by this process (repeatable).
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = parse_pid)]
    pub pid: Vec<u32>,
    /// Only listeners of this cgroup or below it: a unit, a path or a glob, e.g. nginx.service,
    /// /system.slice or '/kubepods*' (repeatable).
    #[arg(long, value_name = "CGROUP", value_parser = CgroupPattern::parse)]
    pub cgroup: Vec<CgroupPattern>,
    /// Only this reason, e.g. syn/accept_queue_full, or a whole stage, e.g. syn (repeatable).
    #[arg(long, value_name = "STAGE[/REASON]", value_delimiter = ',', long_help = ReasonFilter::help())]
    pub reason: Vec<String>,
}

impl Filters {
    /// Those of listeners, compiled.
    ///
    /// # Errors
    /// A namespace that does not exist.
    pub(super) fn listeners(&self) -> Outcome<Filter> {
        Ok(Filter {
            ports: self.port.clone(),
            addresses: self.address.clone(),
            namespaces: self.netns.iter().map(|named| netns(named)).collect::<Outcome<_>>()?,
            pids: self.pid.clone(),
            cgroups: self.cgroup.clone(),
        })
    }

    /// Compiles them.
    ///
    /// # Errors
    /// A reason or a namespace that does not exist.
    pub(super) fn selection(&self) -> Outcome<Selection> {
        Ok(Selection { reasons: ReasonFilter::parse(&self.reason)?, listeners: self.listeners()? })
    }
}

/// What to observe, how long, and how to print it: in one of the formats `F`.
#[derive(Args, Clone, Debug)]
pub(super) struct Observe<F: Offered = Format> {
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: F,
    /// Stop after this long, e.g. 10s, 5m (default: until interrupted).
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Attach every hook by this method (default: the best that this kernel has for each).
    #[arg(long, value_name = "RUNG", value_parser = rung())]
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
    /// Size the tables as on a host with so many CPUs (for tests).
    #[arg(long, value_name = "CPUS", hide = true, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub as_cpus: Option<u32>,
    /// Write an empty line to this file when everything is attached (for scripts).
    #[arg(long, value_name = "FILE", hide = true)]
    pub ready_file: Option<PathBuf>,
    /// Run this command when everything is attached, and observe for as long as it runs.
    ///
    /// Its exit code does not become that of backlog-trace. Where --duration
    /// or a signal ends the observation first, it is sent SIGTERM; what it has
    /// left behind in the background is neither waited for nor ended. With
    /// --format json or csv, or record -o -, its standard output goes to standard error, so that
    /// standard output holds nothing but the result.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
    // Last: its heading holds for every option that follows.
    /// Which listeners are shown.
    #[command(flatten)]
    pub filters: Filters,
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        format!("'{text}' is no address; write one such as 10.0.0.7 or ::1 (names are not looked up)")
    })
}

/// /etc/services is read only where a port is named by a word.
fn parse_ports(text: &str) -> Result<Ports, String> {
    Ports::parse(text, || std::fs::read_to_string(SERVICES).ok())
}

fn parse_pid(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("'{text}' is no process number; 'pidof {text}' may know it"))
}

/// The longest stretch of time that is taken: clocks of 64 bits hold 584 years
/// in nanoseconds, and a sum of two such stretches must fit.
const LONGEST: Duration = Duration::from_hours(100 * 8766);

/// Parses `10s`, `2m 30s`, `1h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let no_duration =
        || format!("'{text}' is no duration; write a number with a unit, such as 10s, 5m or 1h");
    // Years and months differ in length; whoever writes them means something else.
    let span: jiff::SignedDuration = text.parse().map_err(|_| no_duration())?;
    match Duration::try_from(span) {
        Ok(duration) if duration > LONGEST => {
            Err(format!("'{text}' is longer than 100 years; leave it out to go on until Ctrl-C"))
        }
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) | Err(_) => Err("a duration must be above 0".to_owned()),
    }
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
        check("876600h", Some(LONGEST));
        check("876601h", None);
        // Seconds that fit into 64 bits, and such that do not.
        check("2562047788015215h", None);
        check("99999999999999999999h", None);
    }
}
