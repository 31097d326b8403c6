//! What the tool's process takes: memory and CPU, from `/proc/PID`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// What it takes at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Taken {
    /// Resident memory (`VmRSS`), in KiB.
    pub(crate) rss_kib: u64,
    /// CPU so far, of all threads, in user space and in the kernel for it.
    pub(crate) cpu: Duration,
}

/// Reads it.
pub(crate) fn taken(pid: u32) -> Result<Taken> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rss_kib = rss(&status).with_context(|| format!("/proc/{pid}/status has no VmRSS"))?;
    let ticks = ticks(&stat).with_context(|| format!("/proc/{pid}/stat cannot be read"))?;
    let millis = ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
    Ok(Taken { rss_kib, cpu: Duration::from_millis(millis) })
}

fn rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime`, fields 14 and 15; the name before them may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_behind_the_name() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 140 25 0 0 20 0 3 0 99\n";
        assert_eq!(ticks(stat), Some(165));
        assert_eq!(ticks("7 (a) S 1"), None);
        assert_eq!(rss("Name:\tx\nVmRSS:\t   14908 kB\n"), Some(14_908));
    }

    #[test]
    fn this_process_takes_something() {
        assert!(taken(std::process::id()).unwrap().rss_kib > 100);
    }
}
