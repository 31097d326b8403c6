//! The processes of the workload, as the one that starts them knows them:
//! which namespaces are theirs and when, and what they have done so far.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::stay::{self, Said};

/// What happened in a namespace in its last moments is in an interval that
/// begins this much after its end, at the latest. No longer than that: the
/// kernel gives the number to the next namespace, which may be somebody else's.
const LINGERS: Duration = Duration::from_millis(1500);

/// What all of them have done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Sums {
    /// Namespaces made.
    pub(crate) made: u64,
    /// Namespaces left, by the last process in them.
    pub(crate) gone: u64,
    /// Listeners opened.
    pub(crate) opened: u64,
    /// Listeners closed.
    pub(crate) closed: u64,
    /// SYNs refused.
    pub(crate) refused: u64,
    /// `ListenOverflows` of their namespaces.
    pub(crate) counted: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// What those that ended have done.
    ended: Sums,
    /// The last word of the one that was started first.
    first: Option<Said>,
    /// The latest of each that goes on, by number.
    going: HashMap<u64, Said>,
    next: u64,
    /// By namespace: until when it was somebody's of the workload.
    namespaces: HashMap<u32, Option<Instant>>,
    failure: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stays(Arc<Mutex<Known>>);

/// One that goes on: it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Going {
    _input: Option<ChildStdin>,
    reader: JoinHandle<()>,
}

impl Going {
    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.reader.is_finished()
    }
}

impl Stays {
    /// Starts one.
    pub(crate) fn start(&self, arguments: &stay::Arguments) -> Result<Going> {
        let mut child = Command::new("/proc/self/exe")
            .args(command_line(arguments))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a process of the workload cannot be started")?;
        let output = child.stdout.take().context("a process of the workload has no output")?;
        let input = child.stdin.take();
        let number = {
            let mut known = self.known();
            known.next += 1;
            known.next
        };
        let stays = self.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(said) = serde_json::from_str(&line) {
                    stays.take(number, said);
                }
            }
            stays.end(number, &mut child);
        });
        Ok(Going { _input: input, reader })
    }

    /// What all have done so far.
    pub(crate) fn sums(&self) -> Sums {
        let known = self.known();
        known.going.values().fold(known.ended, add)
    }

    /// Namespaces that were the workload's in an interval that began then.
    pub(crate) fn namespaces(&self, since: Option<Instant>) -> HashSet<u32> {
        let mut known = self.known();
        let is_past = |until: Instant| since.is_some_and(|since| until + LINGERS < since);
        known.namespaces.retain(|_, until| !until.is_some_and(is_past));
        known.namespaces.keys().copied().collect()
    }

    /// What the one that was started first has said last.
    pub(crate) fn first(&self) -> Said {
        let known = self.known();
        known.first.or_else(|| known.going.get(&1).copied()).unwrap_or_default()
    }

    /// Fails where one of them did not end well.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.known().failure {
            Some(why) => bail!("a process of the workload {why}"),
            None => Ok(()),
        }
    }

    fn take(&self, number: u64, said: Said) {
        let mut known = self.known();
        known.namespaces.insert(said.netns, None);
        known.going.insert(number, said);
    }

    fn end(&self, number: u64, child: &mut Child) {
        let status = child.wait();
        let mut known = self.known();
        let said = known.going.remove(&number).unwrap_or_default();
        known.namespaces.insert(said.netns, Some(Instant::now()));
        if number == 1 {
            known.first = Some(said);
        }
        let ended = add(known.ended, &said);
        known.ended = Sums { gone: ended.gone + 1, ..ended };
        let why = match status {
            Ok(status) if status.success() && said.ended => return,
            Ok(status) => format!("ended with {status}"),
            Err(error) => format!("cannot be waited for: {error}"),
        };
        known.failure.get_or_insert(why);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(sums: Sums, said: &Said) -> Sums {
    Sums {
        made: sums.made + 1,
        gone: sums.gone,
        opened: sums.opened + said.opened,
        closed: sums.closed + said.closed,
        refused: sums.refused + said.refused,
        counted: sums.counted + said.overflows,
    }
}

fn command_line(arguments: &stay::Arguments) -> Vec<String> {
    let stay::Arguments {
        threads,
        cpu,
        listeners_per_second,
        refused_per_second,
        open,
        rest_before,
        churn,
        rest_after,
    } = arguments;
    let mut line = vec!["stay".to_owned()];
    for (name, value) in [
        ("threads", threads.to_string()),
        ("cpu", cpu.to_string()),
        ("listeners-per-second", listeners_per_second.to_string()),
        ("refused-per-second", refused_per_second.to_string()),
        ("open", open.to_string()),
        ("rest-before", rest_before.to_string()),
        ("churn", churn.to_string()),
        ("rest-after", rest_after.to_string()),
    ] {
        line.push(format!("--{name}={value}"));
    }
    line
}
