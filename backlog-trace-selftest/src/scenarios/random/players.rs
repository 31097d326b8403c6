//! The threads that play clients, and those that hear for them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::plan::{NETWORKS, Plan};
use super::visit::{Act, Visit};
use super::{Clock, Gates, PLAYERS};
use crate::arena::Arena;
use crate::failure::{Failure, Result};
use crate::segment::Segment;
use crate::tun::Wire;

/// How long a thread sleeps at most before it looks at the clock.
const GLANCE: Duration = Duration::from_millis(20);
/// How long before it is sent a segment is handed to the thread that sends it too.
const NOTICE: Duration = Duration::from_millis(3);

/// What is told to a playing thread.
pub(super) enum Message {
    /// Its client of this number hears a segment.
    Heard(usize, Segment),
    /// It sends another thread's segment at this time.
    SendAt(Appointment),
}

/// A segment that is sent by two threads at the same moment.
#[derive(Clone)]
pub(super) struct Appointment {
    at: Duration,
    network: usize,
    gate: usize,
    segment: Segment,
}

/// Every played client.
pub(super) struct Players {
    wires: Vec<Wire>,
    /// Each player's clients; taken by its thread.
    visits: Vec<Mutex<Vec<Visit>>>,
    /// By network and address: the player, and the client's number there.
    places: Vec<HashMap<SocketAddr, (usize, usize)>>,
}

impl Players {
    /// Gives each client of the plan its address and its player.
    pub(super) fn invite(arena: &mut Arena, plan: &Plan) -> Result<Self> {
        let wires = (0..NETWORKS).map(|network| arena.wire(network)).collect::<Result<_>>()?;
        let mut visits: Vec<Vec<Visit>> = (0..PLAYERS).map(|_| Vec::new()).collect();
        let mut places: Vec<HashMap<_, _>> = (0..NETWORKS).map(|_| HashMap::new()).collect();
        for (number, visitor) in plan.visitors.iter().enumerate() {
            let (from, to) = arena.route(visitor.network, visitor.ipv6, visitor.port)?;
            let player = number % PLAYERS;
            let (Some(own), Some(places)) = (visits.get_mut(player), places.get_mut(visitor.network)) else {
                continue;
            };
            places.insert(from, (player, own.len()));
            own.push(Visit::new(visitor.clone(), from, to));
        }
        Ok(Self { wires, visits: visits.into_iter().map(Mutex::new).collect(), places })
    }

    /// Hears what the kernel sends in a network, and tells whom it concerns.
    pub(super) fn listen(&self, network: usize, players: &[Sender<Message>], clock: &Clock) -> Result<()> {
        let (Some(wire), Some(places)) = (self.wires.get(network), self.places.get(network)) else {
            return Err(Failure::unexpected("a network is missing", network));
        };
        while !clock.is_over() {
            wire.wait(GLANCE)?;
            wire.drain(|segment| {
                let Some(&(player, visit)) = places.get(&segment.to) else { return };
                if let Some(player) = players.get(player) {
                    // A player that is gone has failed, and says so itself.
                    let _ = player.send(Message::Heard(visit, segment));
                }
            })?;
        }
        Ok(())
    }

    /// Plays one thread's clients until time is over.
    pub(super) fn play(
        &self,
        player: usize,
        post: &Receiver<Message>,
        players: &[Sender<Message>],
        gates: &Gates,
        clock: &Clock,
    ) -> Result<()> {
        let Some(mut visits) = self.visits.get(player).and_then(|visits| visits.lock().ok()) else {
            return Err(Failure::unexpected("a player has no clients", player));
        };
        let other = players.get((player + 1) % PLAYERS);
        let mut appointments: Vec<Appointment> = Vec::new();
        while !clock.is_over() {
            for visit in visits.iter_mut() {
                while let Some(act) = visit.act(clock.now()) {
                    let (network, gate) = (visit.network(), visit.gate());
                    let _pass = gates.pass(gate);
                    match act {
                        Act::Send(segment) => self.wire(network)?.send(&segment)?,
                        Act::Unreachable(lost) => self.wire(network)?.send_unreachable(&lost)?,
                        Act::SendTwice(segment) => {
                            let appointment =
                                Appointment { at: clock.now() + NOTICE, network, gate, segment };
                            if let Some(other) = other {
                                let _ = other.send(Message::SendAt(appointment.clone()));
                            }
                            appointments.push(appointment);
                        }
                    }
                }
            }
            self.keep(&mut appointments, gates, clock)?;
            let due = visits.iter().filter_map(Visit::next).chain(appointments.iter().map(|one| one.at));
            let next = due.min().map_or(GLANCE, |next| next.saturating_sub(clock.now()));
            let mut message = post.recv_timeout(next.min(GLANCE));
            while let Ok(told) = message {
                match told {
                    Message::Heard(number, segment) => {
                        if let Some(visit) = visits.get_mut(number) {
                            visit.hear(&segment, clock.now());
                        }
                    }
                    Message::SendAt(appointment) => appointments.push(appointment),
                }
                message = post.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
        }
        Ok(())
    }

    /// Keeps the appointments that are close.
    fn keep(&self, appointments: &mut Vec<Appointment>, gates: &Gates, clock: &Clock) -> Result<()> {
        appointments.sort_by_key(|one| one.at);
        let close = appointments.partition_point(|one| one.at <= clock.now() + NOTICE / 3);
        for Appointment { at, network, gate, segment } in appointments.drain(..close) {
            let _pass = gates.pass(gate);
            // To the microsecond, for the sake of the other thread's.
            while clock.now() < at {
                std::hint::spin_loop();
            }
            self.wire(network)?.send(&segment)?;
        }
        Ok(())
    }

    fn wire(&self, network: usize) -> Result<&Wire> {
        self.wires.get(network).ok_or_else(|| Failure::unexpected("a network is missing", network))
    }
}
