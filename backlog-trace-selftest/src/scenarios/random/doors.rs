//! The listeners' side: accepts, stalls, closes, listens again, and turns the
//! sysctls.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::plan::{Closing, Door, Plan, Turn};
use super::{Clock, Gates};
use crate::arena::Arena;
use crate::expectation::Expected;
use crate::failure::Result;
use crate::listener_socket::{Listen, ListenerSocket};
use crate::network::sysctl;

/// How often connections are accepted.
const TICK: Duration = Duration::from_millis(4);
/// Connections that are accepted at a time.
const HANDFUL: u32 = 4;
/// Accepted connections that are kept open.
const KEPT: usize = 256;

/// Every listener that ever was.
pub(super) struct Doors {
    sockets: Vec<Opened>,
    /// By number in the plan.
    places: Vec<Place>,
    connections: VecDeque<OwnedFd>,
}

/// A listener, and how many connections it has handed out.
struct Opened {
    socket: Rc<ListenerSocket>,
    closing: Closing,
    accepted: u64,
}

/// Who listens for a door of the plan.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Its socket's number; none before it opens, and once it is closed.
    socket: Option<usize>,
    listens: bool,
    stalled: bool,
    turns: usize,
}

impl Doors {
    /// Opens those that are open before the tool watches.
    pub(super) fn open(arena: &mut Arena, plan: &Plan) -> Result<Self> {
        let places = vec![Place::default(); plan.doors.len()];
        let mut doors = Self { sockets: Vec::new(), places, connections: VecDeque::new() };
        for (number, door) in plan.doors.iter().enumerate().filter(|(_, door)| !door.late) {
            doors.listen(arena, number, door, door.backlog)?;
        }
        Ok(doors)
    }

    /// Does what is due until time is over.
    pub(super) fn serve(
        &mut self,
        arena: &mut Arena,
        plan: &Plan,
        gates: &Gates,
        clock: &Clock,
    ) -> Result<()> {
        let mut changes = plan.changes.iter().peekable();
        for (number, door) in plan.doors.iter().enumerate().filter(|(_, door)| door.late) {
            self.listen(arena, number, door, door.backlog)?;
        }
        while !clock.is_over() {
            let now = clock.now();
            while let Some(change) = changes.next_if(|change| change.at <= now) {
                // One that this kernel lacks changes nothing.
                if Path::new("/proc/sys").join(change.name).exists() {
                    arena.within(change.network, || sysctl(change.name, change.value))?;
                }
            }
            for (number, door) in plan.doors.iter().enumerate() {
                self.take_turns(arena, number, door, gates, now)?;
                self.accept(number)?;
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// What must have come of all that.
    pub(super) fn expected(&self) -> Vec<Expected> {
        let expected = |opened: &Opened| {
            let expected = Expected::on(&opened.socket).accepted(opened.accepted);
            if opened.closing == Closing::Abrupt { expected.abrupt() } else { expected }
        };
        self.sockets.iter().map(expected).collect()
    }

    fn take_turns(
        &mut self,
        arena: &mut Arena,
        number: usize,
        door: &Door,
        gates: &Gates,
        now: Duration,
    ) -> Result<()> {
        loop {
            let Some(place) = self.places.get_mut(number) else { return Ok(()) };
            let Some((_, turn)) = door.turns.get(place.turns).filter(|(at, _)| *at <= now) else {
                return Ok(());
            };
            place.turns += 1;
            match turn {
                Turn::Stall => place.stalled = true,
                Turn::Resume => place.stalled = false,
                Turn::Listen(backlog) => self.listen(arena, number, door, *backlog)?,
                Turn::Close | Turn::Shut => {
                    place.listens = false;
                    let Some(socket) = place.socket else { continue };
                    if *turn == Turn::Close {
                        place.socket = None;
                    }
                    let Some(Opened { socket, .. }) = self.sockets.get(socket) else { continue };
                    let _alone = (door.closing == Closing::Quiet).then(|| gates.shut(door.gate()));
                    match turn {
                        Turn::Close => socket.close_under_load()?,
                        _ => socket.shut()?,
                    }
                }
            }
        }
    }

    fn listen(&mut self, arena: &mut Arena, number: usize, door: &Door, backlog: i32) -> Result<()> {
        let Some(place) = self.places.get_mut(number) else { return Ok(()) };
        place.listens = true;
        if let Some(Opened { socket, .. }) = place.socket.and_then(|socket| self.sockets.get(socket)) {
            return socket.relisten(backlog);
        }
        let listen = Listen { shared: door.shared, ..Listen::on(door.port, backlog).stack(door.stack) };
        let socket = arena.listen_in(door.network, listen)?;
        place.socket = Some(self.sockets.len());
        self.sockets.push(Opened { socket, closing: door.closing, accepted: 0 });
        Ok(())
    }

    fn accept(&mut self, number: usize) -> Result<()> {
        let Some(place) = self.places.get(number).filter(|place| place.listens && !place.stalled) else {
            return Ok(());
        };
        let socket = place.socket.and_then(|socket| self.sockets.get_mut(socket));
        let Some(Opened { socket, accepted, .. }) = socket else { return Ok(()) };
        for _ in 0..HANDFUL {
            let Some(connection) = socket.accept()? else { break };
            *accepted += 1;
            self.connections.push_back(connection);
            if self.connections.len() > KEPT {
                self.connections.pop_front();
            }
        }
        Ok(())
    }
}
