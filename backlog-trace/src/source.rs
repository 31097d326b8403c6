//! What the two sources of events, [`crate::probe`] and [`crate::polled`],
//! have in common: a thread of their own, the channel to whoever consumes,
//! and the clock.
//!
//! An observation runs on a thread of its own with a runtime of its own,
//! because naming sockets reads `/proc` and netlink and must never delay what
//! prints. This module refuses to know what is observed, and by what means.

pub(crate) mod queue;

use std::future::Future;
use std::sync::{Arc, OnceLock};

use backlog_trace_model::event::{Asked, Clock, Event, HookState, Session, SourceState};
use backlog_trace_model::failure::{Exit, Failure, Result};
use jiff::tz::TimeZone;
use tokio::sync::{Notify, oneshot};

use crate::confine;
use crate::listener::host_netns;
use crate::resource_limits;

pub(crate) use queue::Events;
pub(crate) use queue::Received;

/// What an observation sends: events, and at most one failure, after which
/// nothing comes.
pub(crate) type Sent = Result<Event>;

/// An observation that has begun.
pub(crate) trait Watch {
    /// Observes until it is told to stop; each time that it is asked to, it
    /// looks at everything at once and sends [`Event::Mark`].
    ///
    /// # Errors
    /// What ended the observation early.
    async fn run(&mut self, stopped: oneshot::Receiver<()>, asked: &Notify) -> Result<()>;

    /// Whether what it reads can still be read: asked when some privileges are
    /// laid off.
    fn works(&mut self) -> bool;
}

/// An observation that has begun, and holds until it is told to go on: so that
/// whoever needs this process's privileges can use them before they are given up.
#[derive(Debug)]
pub(crate) struct Begun {
    /// What it sees. They end with [`Event::Finished`], or with the failure
    /// that ended the observation.
    pub events: Received,
    /// Lets it go on, confined ([`crate::confine`]).
    pub go: oneshot::Sender<()>,
    /// Asks it to look at everything now, and to send [`Event::Mark`] then.
    pub look: Arc<Notify>,
}

/// Begins an observation, which runs until `stop` is done.
///
/// `begin` is no future: nobody reads the events before it has returned, so
/// waiting there for room among them would be for ever (1,022 listeners filled
/// the channel). What it has to send first, [`Watch::run`] sends.
///
/// # Errors
/// That of `begin`, or there is no thread to be had.
pub(crate) async fn start<W: Watch>(
    stop: impl Future<Output = ()> + Send + 'static,
    begin: impl FnOnce(Events) -> Result<W> + Send + 'static,
) -> Result<Begun> {
    let (go, told) = oneshot::channel();
    let (events, receiver) = queue::queue();
    let (begun, outcome) = oneshot::channel();
    let (stopper, stopped) = oneshot::channel();
    let look = Arc::new(Notify::new());
    let asked = Arc::clone(&look);
    std::thread::Builder::new()
        .name("observe".to_owned())
        .spawn(move || thread(begin, &events, begun, told, stopped, &asked))
        .map_err(|error| resource_limits::not_made("the thread that observes", &error))?;
    match outcome.await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => return Err(failure),
        Err(_) => return Err(Failure::new(Exit::Internal, "the observation ended before it began")),
    }
    tokio::spawn(async move {
        stop.await;
        // The observation may have ended by itself.
        let _ = stopper.send(());
    });
    Ok(Begun { events: receiver, go, look })
}

fn thread<W: Watch>(
    begin: impl FnOnce(Events) -> Result<W>,
    events: &Events,
    begun: oneshot::Sender<Result<()>>,
    told: oneshot::Receiver<()>,
    stopped: oneshot::Receiver<()>,
    asked: &Notify,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = begun.send(Err(resource_limits::not_made("what the observation waits with", &error)));
            return;
        }
    };
    runtime.block_on(async {
        let mut watch = match begin(events.clone()) {
            Ok(watch) => watch,
            Err(failure) => {
                let _ = begun.send(Err(failure));
                return;
            }
        };
        let _ = begun.send(Ok(()));
        if told.await.is_err() {
            // Whoever began it has given it up.
            return;
        }
        let confined = confine::observing(|| watch.works());
        let outcome = match confined {
            Ok(()) => watch.run(stopped, asked).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = outcome {
            // A consumer that is gone needs no reason any more.
            let _ = events.send(Err(failure)).await;
        }
    });
}

/// Who observes, from now on.
pub(crate) fn session(hooks: Vec<HookState>, sources: Vec<SourceState>) -> Session {
    let start = monotonic();
    let unix = jiff::Timestamp::now().as_nanosecond();
    let offset = unix - i128::from(start);
    let uname = rustix::system::uname();
    Session {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: uname.nodename().to_string_lossy().into_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        netns: host_netns(),
        start,
        clock: Clock { unix_minus_monotonic: i64::try_from(offset).unwrap_or(0) },
        // As whoever set TZ reads times, too.
        zone: TimeZone::try_system().ok().and_then(|zone| zone.iana_name().map(str::to_owned)),
        // Whoever drives the observation knows.
        asked: Asked::default(),
        hooks,
        sources,
    }
}

/// `CLOCK_MONOTONIC` in ns, as the kernel side stamps its records: the host's,
/// also inside a time namespace.
pub(crate) fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let here = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    u64::try_from(here - ahead()).unwrap_or(0)
}

/// By how many ns this process's time namespace is ahead of the host's clock.
/// It cannot change: only a process without threads enters one
/// (`timens_install()`, kernel/time/namespace.c, 5.10 to 7.2).
fn ahead() -> i128 {
    static AHEAD: OnceLock<i128> = OnceLock::new();
    *AHEAD.get_or_init(|| {
        let offsets = std::fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        monotonic_offset(&offsets).unwrap_or(0)
    })
}

/// The line of that clock in a /proc/PID/timens_offsets (time_namespaces(7)).
fn monotonic_offset(offsets: &str) -> Option<i128> {
    let line = offsets.lines().find_map(|line| line.strip_prefix("monotonic"))?;
    let (seconds, nanoseconds) = line.trim().split_once(char::is_whitespace)?;
    let seconds: i64 = seconds.parse().ok()?;
    let nanoseconds: i64 = nanoseconds.trim().parse().ok()?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(offsets: &str, expected: Option<i128>) {
        assert_eq!(monotonic_offset(offsets), expected, "{offsets}");
    }

    #[test]
    fn offsets_of_a_time_namespace() {
        check("monotonic           0         0\nboottime            0         0\n", Some(0));
        check("monotonic     1000000         5\nboottime 7 0\n", Some(1_000_000_000_000_005));
        check("monotonic          -1 500000000\n", Some(-500_000_000));
        for text in ["", "monotonic", "monotonic 1", "monotonic x 0", "boottime 1 1\n"] {
            check(text, None);
        }
    }
}
