//! Hundreds of clients at dozens of listeners, drawn from a seed.
//!
//! What each client, listener and sysctl does, and when, is drawn beforehand
//! (`plan`); threads then play it, so that packets of one namespace are handled
//! by several CPUs at once. The order in which the kernel sees them is its own
//! affair, so the same seed gives the same plan and not the same losses.
//!
//! Nothing is expected of single fates. What must hold is the balance: every
//! counter of every namespace, and every socket's `sk_drops`, to the last one.
//!
//! Two things move `sk_drops` where no hook watches, and are left out. A RST
//! without ACK to a listener that has no request for it
//! (`tcp_rcv_state_process()`, case TCP_LISTEN): played clients reset by
//! RST+ACK, and the kernel's own clients hang up only once they are connected.
//! And a packet that meets a listener in the moment of its closing (the same,
//! case TCP_CLOSE): most listeners close while nobody sends to them. The others
//! close in the middle of everything; of their `sk_drops` that much may be left.

mod callers;
mod doors;
mod plan;
mod players;
mod visit;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::time::{Duration, Instant};

use self::doors::Doors;
use self::plan::{GATES, NETWORKS, Plan};
use self::players::Players;
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::{Failure, Result};
use crate::listener_socket::Listen;
use crate::network::{has_ipv6, silence_loopback, sysctl};
use crate::reason::Reason;

/// How long it lasts.
const LENGTH: Duration = Duration::from_secs(10);
const SYNCOOKIES: &str = "net/ipv4/tcp_syncookies";
/// Threads that play clients; one more than most guests have processors.
const PLAYERS: usize = 3;

/// When everybody stops: at the end, or when anybody failed.
struct Clock {
    start: Instant,
    stop: AtomicBool,
}

/// One for each port: read by who sends to it, written by who closes a
/// listener of it that must close while nobody does.
struct Gates(Vec<RwLock<()>>);

impl Gates {
    fn new() -> Self {
        Self((0..GATES).map(|_| RwLock::new(())).collect())
    }

    /// `None`: a thread panicked, which ends everything anyhow.
    fn pass(&self, gate: usize) -> Option<RwLockReadGuard<'_, ()>> {
        self.0.get(gate)?.read().ok()
    }

    /// The same for whoever wants to be alone.
    fn shut(&self, gate: usize) -> Option<RwLockWriteGuard<'_, ()>> {
        self.0.get(gate)?.write().ok()
    }
}

impl Clock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.now() >= LENGTH
    }
}

/// Draws a plan and plays it.
pub(crate) fn crowd(arena: &mut Arena) -> Result<Expectation> {
    let seed = arena.settings.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    play(arena, seed).map_err(|mut failure| {
        failure.what = format!("{} (seed {seed})", failure.what);
        failure
    })
}

fn play(arena: &mut Arena, seed: u64) -> Result<Expectation> {
    for _ in 1..NETWORKS {
        arena.add_network()?;
    }
    let plan = Plan::draw(seed, has_ipv6());
    let mut doors = Doors::open(arena, &plan)?;
    let players = Players::invite(arena, &plan)?;
    let namespaces = (0..NETWORKS).map(|network| arena.namespace(network)).collect::<Result<Vec<_>>>()?;
    arena.begin()?;
    let met = meet_cookie(arena)?;
    let clock = Clock { start: Instant::now(), stop: AtomicBool::new(false) };
    let gates = Gates::new();
    let mut callers = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let (boxes, posts): (Vec<_>, Vec<_>) = (0..PLAYERS).map(|_| mpsc::channel()).unzip();
        let mut threads = Vec::new();
        for network in 0..NETWORKS {
            let (players, boxes, clock) = (&players, boxes.clone(), &clock);
            threads.push(scope.spawn(move || players.listen(network, &boxes, clock)));
        }
        for (player, post) in posts.into_iter().enumerate() {
            let (players, boxes, gates, clock) = (&players, boxes.clone(), &gates, &clock);
            threads.push(scope.spawn(move || players.play(player, &post, &boxes, gates, clock)));
        }
        let mut lines = Vec::new();
        for (network, namespace) in namespaces.iter().enumerate() {
            let (calls, clock) = (plan.calls_in(network), &clock);
            lines.push(scope.spawn(move || callers::call(namespace, &calls, clock)));
        }
        let served = doors.serve(arena, &plan, &gates, &clock);
        clock.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap_or_else(|_| Err(panicked()))?;
        }
        for line in lines {
            callers.extend(line.join().unwrap_or_else(|_| Err(panicked()))?);
        }
        served
    })?;
    // Only then may callers hang up that never got through.
    for network in 0..NETWORKS {
        arena.within(network, silence_loopback)?;
    }
    drop(callers);
    Ok(Expectation::drawn(seed, doors.expected().into_iter().chain(met).collect()))
}

/// Has one SYN answered while tcp_syncookies is 2, and sets it back: a SYN that
/// is the first ever to meet it, and is being handled when it changes, is not
/// known to have met it.
fn meet_cookie(arena: &mut Arena) -> Result<Option<Expected>> {
    if !Path::new("/proc/sys").join(SYNCOOKIES).exists() {
        return Ok(None);
    }
    let listener = arena.listen(Listen::on(8079, 8))?;
    sysctl(SYNCOOKIES, 2)?;
    let mut client = arena.client(&listener)?;
    client.syn()?;
    client.hear_synack()?;
    sysctl(SYNCOOKIES, 1)?;
    listener.close()?;
    Ok(Some(Expected::on(&listener).packets(Reason::SynCookieSent, 1).sk_drops(0).syns(1)))
}

fn panicked() -> Failure {
    Failure::unexpected("a client's thread", "it panicked")
}
