//! How a run went over time: one row for each stretch of it.

use std::io::Write;

use super::observed::Interval;
use super::verdict::{cpu_per_second, lateness};

/// Rows of a table, about.
const ROWS: f64 = 20.0;

/// The heading of the columns.
const HEADING: &str =
    "    time   listeners  namespaces        lost  unattributed  no room   memory     CPU    late (machine)";

/// Prints rows as intervals come.
#[derive(Debug)]
pub(super) struct Table {
    /// Seconds of a row.
    every: f64,
    /// The current row's intervals.
    row: Vec<Interval>,
    /// When the current row began.
    began: f64,
}

impl Table {
    /// A table of a run that lasts so long.
    pub(super) fn new(seconds: f64) -> Self {
        Self { every: (seconds / ROWS).max(1.0), row: Vec::new(), began: 0.0 }
    }

    /// Prints the heading.
    pub(super) fn begin(out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{HEADING}")
    }

    /// Takes in an interval; prints a row where one is full.
    pub(super) fn take(&mut self, out: &mut dyn Write, interval: &Interval) -> std::io::Result<()> {
        self.row.push(interval.clone());
        if interval.at - self.began < self.every {
            return Ok(());
        }
        self.began = interval.at;
        self.end(out)
    }

    /// Prints what is left.
    pub(super) fn end(&mut self, out: &mut dyn Write) -> std::io::Result<()> {
        let row = std::mem::take(&mut self.row);
        let Some(last) = row.last() else { return Ok(()) };
        let lost: u64 = row.iter().map(|interval| interval.overflows).sum();
        let rests = row.iter().flat_map(|interval| &interval.rests);
        let unattributed: u64 = rests.map(|rest| rest.by.unsigned_abs()).sum();
        let unlisted: u64 = row.iter().map(|interval| interval.unlisted).sum();
        #[expect(clippy::cast_precision_loss, reason = "a row has few intervals")]
        let cpu = row.iter().map(cpu_per_second).sum::<f64>() / row.len() as f64 / 10.0;
        let late = row.iter().map(lateness).max().unwrap_or(0);
        let machine = row.iter().map(|interval| interval.machine_late_ms).max().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 KiB")]
        let memory = last.rss_kib as f64 / 1024.0;
        writeln!(
            out,
            "{:>6.0} s {:>11} {:>11} {lost:>11} {unattributed:>13} {unlisted:>8} {memory:>6.1} M {cpu:>5.1} % \
             {late:>6} ms ({machine} ms)",
            last.at, last.closed, last.gone,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::observed::Rest;
    use super::*;

    #[test]
    fn a_row_adds_up_its_intervals_and_names_the_worst() {
        let interval = |at: f64, delay_ms, by| Interval {
            at,
            seconds: 1.0,
            delay_ms,
            machine_late_ms: 4,
            rss_kib: 20_480,
            cpu_ms: 50,
            overflows: 7,
            rests: vec![Rest { netns: 1, of: "ListenDrops".to_owned(), by }],
            closed: 1000,
            gone: 3,
            ..Interval::default()
        };
        let mut table = Table::new(40.0);
        let mut out = Vec::new();
        Table::begin(&mut out).unwrap();
        for (at, delay, by) in [(1.0, 3, 2), (2.0, 40, -2), (3.0, 5, 0)] {
            table.take(&mut out, &interval(at, delay, by)).unwrap();
        }
        table.end(&mut out).unwrap();
        let expected = format!(
            "{HEADING}\n\
             \x20    2 s        1000           3          14             4        0   20.0 M   5.0 %     40 ms (4 ms)\n\
             \x20    3 s        1000           3           7             0        0   20.0 M   5.0 %      5 ms (4 ms)\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
