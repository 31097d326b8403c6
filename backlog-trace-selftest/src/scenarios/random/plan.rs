//! What everybody will do, as data: drawn from a seed and from nothing else.
//!
//! The numbers are bounds as well: so many listeners, clients and changes, and
//! no client sends more than a dozen packets.

use std::time::Duration;

use fastrand::Rng;

use super::LENGTH;
use crate::listener_socket::Stack;

/// Private networks, each with listeners and clients of its own.
pub(super) const NETWORKS: usize = 3;
/// Ports of each network, from the first on.
const PORTS: usize = 7;
const FIRST_PORT: u16 = 8080;
/// Ports of all networks.
pub(super) const GATES: usize = NETWORKS * PORTS;
/// Clients that are played packet by packet.
const VISITORS: usize = 800;
/// Clients of the kernel's own.
const CALLS: usize = 90;
/// Changes of sysctls.
const CHANGES: usize = 40;
/// How many clients come at the same moment to one port.
const CROWD: std::ops::Range<usize> = 8..60;

/// Everything that happens.
pub(super) struct Plan {
    pub(super) doors: Vec<Door>,
    pub(super) visitors: Vec<Visitor>,
    calls: Vec<Call>,
    pub(super) changes: Vec<Change>,
}

/// A listener; several have one port where it is shared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Door {
    pub(super) network: usize,
    pub(super) port: u16,
    pub(super) stack: Stack,
    pub(super) shared: bool,
    pub(super) backlog: i32,
    pub(super) closing: Closing,
    /// Opens when the tool is watching already.
    pub(super) late: bool,
    /// In the order of time.
    pub(super) turns: Vec<(Duration, Turn)>,
}

/// How listeners of a port close.
///
/// A packet that found a listener which has closed by the time that it is looked
/// at is dropped by `tcp_rcv_state_process()`, case TCP_CLOSE: `sk_drops` counts
/// it, and no hook sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// Never.
    Never,
    /// While nobody sends to the port, so that the balance of `sk_drops` is exact.
    Quiet,
    /// In the middle of everything, so that it lacks what was dropped like that.
    Abrupt,
}

/// What happens to a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// Nobody accepts any more.
    Stall,
    /// Somebody accepts again.
    Resume,
    /// Closed and gone.
    Close,
    /// Told to stop listening; the socket stays.
    Shut,
    /// Listens, again or as a new socket, with this backlog.
    Listen(i32),
}

/// A client that is played packet by packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Visitor {
    pub(super) network: usize,
    pub(super) port: u16,
    /// Its port's number among all networks'.
    pub(super) gate: usize,
    pub(super) ipv6: bool,
    pub(super) at: Duration,
    /// How often it sends its SYN until it is answered.
    pub(super) tries: u32,
    pub(super) patience: Duration,
    pub(super) answer: Answer,
    /// Between the SYN+ACK and the answer.
    pub(super) pause: Duration,
    /// Data segments after the answer, and the time between them.
    pub(super) data: u32,
    pub(super) gap: Duration,
    /// Answers every further SYN+ACK too.
    pub(super) again: bool,
    /// SYN and answer are sent by two threads at the same moment.
    pub(super) twin: bool,
}

/// What a client does about a SYN+ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// Nothing.
    Silence,
    /// The final ACK.
    Ack,
    /// Data with the final ACK in it.
    Data,
    /// The final ACK, and a RST later.
    AckThenReset,
    /// A RST.
    Reset,
    /// Its network says that it cannot be reached.
    Unreachable,
}

/// A client of the kernel's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    network: usize,
    pub(super) port: u16,
    pub(super) ipv6: bool,
    pub(super) at: Duration,
    /// Sends data once connected.
    pub(super) talks: bool,
    /// Hangs up at this time, if it is connected.
    pub(super) until: Duration,
}

/// A sysctl that changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) network: usize,
    pub(super) at: Duration,
    pub(super) name: &'static str,
    pub(super) value: i64,
}

impl Plan {
    /// Draws one.
    pub(super) fn draw(seed: u64, ipv6: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let doors: Vec<Door> =
            (0..NETWORKS).flat_map(|network| doors(&mut rng.fork(), network, ipv6)).collect();
        let mut visitors = Vec::with_capacity(VISITORS);
        while visitors.len() < VISITORS {
            let Some(door) = rng.choice(&doors) else { break };
            let (at, size) = (moment(&mut rng, LENGTH), rng.usize(CROWD));
            let by_ipv6 = rng.bool();
            for _ in 0..size.min(VISITORS - visitors.len()) {
                let at = at + Duration::from_micros(rng.u64(0..20_000));
                visitors.push(visitor(&mut rng, door, at, by_ipv6));
            }
        }
        // What these send again, and when, is the kernel's affair.
        let callable: Vec<&Door> = doors.iter().filter(|door| door.closing != Closing::Quiet).collect();
        let calls = (0..CALLS).filter_map(|_| rng.choice(&callable).map(|door| call(&mut rng.fork(), door)));
        let calls = calls.collect();
        let mut changes: Vec<Change> = (0..CHANGES).map(|_| change(&mut rng)).collect();
        changes.sort_by_key(|change| change.at);
        Self { doors, visitors, calls, changes }
    }

    /// The calls of one network.
    pub(super) fn calls_in(&self, network: usize) -> Vec<Call> {
        self.calls.iter().filter(|call| call.network == network).cloned().collect()
    }
}

impl Door {
    /// Its port's number among all networks'.
    pub(super) fn gate(&self) -> usize {
        self.network * PORTS + usize::from(self.port - FIRST_PORT)
    }
}

fn doors(rng: &mut Rng, network: usize, ipv6: bool) -> Vec<Door> {
    let (v6, dual) = if ipv6 { (Stack::V6, Stack::Dual) } else { (Stack::V4, Stack::V4) };
    let of = [
        (Stack::V4, 1, Closing::Never),
        (Stack::V4, 1, Closing::Quiet),
        (v6, 1, Closing::Quiet),
        (dual, 1, Closing::Never),
        (dual, 1, Closing::Abrupt),
        (Stack::V4, 3, Closing::Quiet),
        (dual, 2, Closing::Abrupt),
    ];
    let mut doors = Vec::new();
    for (number, (stack, members, closing)) in (0..).zip(of) {
        for _ in 0..members {
            doors.push(Door {
                network,
                port: FIRST_PORT + number,
                stack,
                shared: members > 1,
                backlog: backlog(rng),
                closing,
                late: rng.u8(..4) == 0,
                turns: turns(rng, closing),
            });
        }
    }
    doors
}

/// Mostly small, so that it is met.
fn backlog(rng: &mut Rng) -> i32 {
    match rng.u8(..10) {
        0 => rng.i32(64..512),
        1..=3 => rng.i32(8..40),
        _ => rng.i32(0..9),
    }
}

fn turns(rng: &mut Rng, closing: Closing) -> Vec<(Duration, Turn)> {
    let mut turns = Vec::new();
    let mut at = moment(rng, LENGTH / 4);
    let (mut stalled, mut open) = (false, true);
    while at < LENGTH {
        let turn = match rng.u8(..8) {
            _ if !open => Turn::Listen(backlog(rng)),
            0 if closing != Closing::Never => Turn::Close,
            1 if closing != Closing::Never => Turn::Shut,
            2 => Turn::Listen(backlog(rng)),
            _ if stalled => Turn::Resume,
            _ => Turn::Stall,
        };
        match turn {
            Turn::Stall => stalled = true,
            Turn::Resume => stalled = false,
            Turn::Close | Turn::Shut => open = false,
            Turn::Listen(_) => open = true,
        }
        turns.push((at, turn));
        at += Duration::from_millis(if stalled { rng.u64(500..2000) } else { rng.u64(50..900) });
    }
    turns
}

fn visitor(rng: &mut Rng, door: &Door, at: Duration, by_ipv6: bool) -> Visitor {
    let answer = match rng.u8(..12) {
        0..=1 => Answer::Silence,
        2..=6 => Answer::Ack,
        7 => Answer::Data,
        8..=9 => Answer::AckThenReset,
        10 => Answer::Reset,
        _ => Answer::Unreachable,
    };
    let pause = match rng.u8(..4) {
        0 => Duration::ZERO,
        1 => Duration::from_millis(rng.u64(..1500)),
        _ => Duration::from_micros(rng.u64(..20_000)),
    };
    Visitor {
        network: door.network,
        port: door.port,
        gate: door.gate(),
        ipv6: by_family(door.stack, by_ipv6),
        at,
        tries: rng.u32(1..4),
        patience: Duration::from_millis(rng.u64(50..1200)),
        answer,
        pause,
        data: rng.u32(..4),
        gap: Duration::from_millis(rng.u64(1..500)),
        again: rng.bool(),
        twin: rng.u8(..4) == 0,
    }
}

fn call(rng: &mut Rng, door: &Door) -> Call {
    let at = moment(rng, LENGTH);
    Call {
        network: door.network,
        port: door.port,
        ipv6: by_family(door.stack, rng.bool()),
        at,
        talks: rng.bool(),
        until: at + Duration::from_millis(rng.u64(1..4000)),
    }
}

/// Only a dual-stack listener takes both.
fn by_family(stack: Stack, ipv6: bool) -> bool {
    match stack {
        Stack::V4 | Stack::V4Address => false,
        Stack::V6 => true,
        Stack::Dual => ipv6,
    }
}

fn change(rng: &mut Rng) -> Change {
    let (name, value) = match rng.u8(..9) {
        0..=2 => ("net/ipv4/tcp_syncookies", rng.i64(0..3)),
        3..=4 => ("net/ipv4/tcp_abort_on_overflow", rng.i64(0..2)),
        5 => ("net/ipv4/tcp_max_syn_backlog", rng.i64(4..64)),
        6 => ("net/core/somaxconn", rng.i64(1..64)),
        7 => ("net/ipv4/tcp_migrate_req", rng.i64(0..2)),
        _ => ("net/ipv4/tcp_synack_retries", rng.i64(1..4)),
    };
    Change { network: rng.usize(..NETWORKS), at: moment(rng, LENGTH), name, value }
}

fn moment(rng: &mut Rng, before: Duration) -> Duration {
    before.mul_f64(rng.f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        let of = |seed| {
            let plan = Plan::draw(seed, true);
            (plan.doors, plan.visitors, plan.calls, plan.changes)
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7).1, of(8).1);
    }

    #[test]
    fn every_plan_is_bounded_and_each_client_finds_its_family() {
        for seed in 0..50 {
            let plan = Plan::draw(seed, seed % 2 == 0);
            assert_eq!((plan.visitors.len(), plan.calls.len()), (VISITORS, CALLS));
            assert_eq!(plan.doors.len(), NETWORKS * 10);
            for visitor in &plan.visitors {
                let mut doors = plan.doors.iter().filter(|door| door.port == visitor.port);
                assert!(doors.all(|door| by_family(door.stack, visitor.ipv6) == visitor.ipv6));
                assert!(visitor.tries + visitor.data <= 6);
            }
            assert!(plan.visitors.iter().all(|visitor| visitor.gate < GATES));
            let quiet = |port| plan.doors.iter().any(|d| d.port == port && d.closing == Closing::Quiet);
            assert!(!plan.calls.iter().any(|call| quiet(call.port)));
            assert!(plan.changes.iter().all(|change| (0..64).contains(&change.value)));
            assert!(plan.doors.iter().all(|door| door.turns.iter().all(|(at, _)| *at < LENGTH)));
        }
    }
}
