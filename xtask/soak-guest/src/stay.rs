//! A process in a network namespace of its own, as a container is: its threads
//! open, close and overflow listeners, and it says what they did and what the
//! kernel counted of it. It ends by itself, or when its standard input does.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::churn::{self, Done, Plan};
use super::namespace;

/// How often it says how far it is.
const EVERY: Duration = Duration::from_millis(200);

/// Stays in a network namespace of its own for a while.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Threads, each on one CPU.
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: u16,
    /// The CPU of the first thread.
    #[arg(long, default_value_t = 0)]
    pub(crate) cpu: u16,
    /// Listeners opened in a second, by all threads.
    #[arg(long)]
    pub(crate) listeners_per_second: f64,
    /// SYNs refused in a second by listeners that stand, of all threads.
    #[arg(long)]
    pub(crate) refused_per_second: f64,
    /// Listeners that are open at a time, of all threads.
    #[arg(long)]
    pub(crate) open: usize,
    /// Seconds before the first listener comes and goes.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) rest_before: f64,
    /// Seconds in which listeners come and go.
    #[arg(long)]
    pub(crate) churn: f64,
    /// Seconds after that.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) rest_after: f64,
}

/// One line of what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Its namespace's inode number.
    pub(crate) netns: u32,
    /// Listeners opened.
    pub(crate) opened: u64,
    /// Listeners closed.
    pub(crate) closed: u64,
    /// SYNs refused.
    pub(crate) refused: u64,
    /// `ListenOverflows` of its namespace.
    pub(crate) overflows: u64,
    /// `ListenDrops` of its namespace.
    pub(crate) drops: u64,
    /// Nothing comes after this.
    pub(crate) ended: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let netns = namespace::enter_new()?;
    let (done, ended, over) =
        (Arc::new(Done::default()), Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let input_ended = Arc::clone(&ended);
    thread::spawn(move || {
        // An error ends it as well as the end of the input does.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        input_ended.store(true, Ordering::Relaxed);
    });
    let share = f64::from(arguments.threads.max(1));
    let plan = Plan {
        listeners_per_second: arguments.listeners_per_second / share,
        refused_per_second: arguments.refused_per_second / share,
        open: arguments.open / usize::from(arguments.threads.max(1)),
        rest_before: Duration::try_from_secs_f64(arguments.rest_before)?,
        churn: Duration::try_from_secs_f64(arguments.churn)?,
        rest_after: Duration::try_from_secs_f64(arguments.rest_after)?,
    };
    say(netns, &done, false)?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads)
            .map(|number| {
                let (done, ended, over) = (&done, &ended, &over);
                let cpu = arguments.cpu + number;
                scope.spawn(move || {
                    let outcome = churn::run(number, cpu, plan, done, ended);
                    if outcome.is_err() {
                        ended.store(true, Ordering::Relaxed);
                    }
                    over.fetch_add(1, Ordering::Relaxed);
                    outcome
                })
            })
            .collect();
        while over.load(Ordering::Relaxed) < threads.len() {
            thread::sleep(EVERY);
            say(netns, &done, false)?;
        }
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })?;
    say(netns, &done, true)
}

fn say(netns: u32, done: &Done, ended: bool) -> Result<()> {
    let counted = namespace::counted()?;
    let said = Said {
        netns,
        opened: done.opened.load(Ordering::Relaxed),
        closed: done.closed.load(Ordering::Relaxed),
        refused: done.refused.load(Ordering::Relaxed),
        overflows: counted.overflows,
        drops: counted.drops,
        ended,
    };
    println!("{}", serde_json::to_string(&said).context("a line of JSON")?);
    Ok(())
}
