//! The place where a scenario is played: private networks, listeners, clients,
//! and the tool watching.
//!
//! This thread stands in the first network's namespace for as long as the
//! arena lives. It is the program's main thread that plays, so that the
//! namespace is one of a process and not only of a thread.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::child::Child;
use crate::client::Client;
use crate::counters::Counters;
use crate::failure::{Failure, Result};
use crate::listener_socket::{Listen, ListenerSocket, Stack};
use crate::movement::{DropsMovement, Kernel, NetworkMovement, by_number};
use crate::namespace::Namespace;
use crate::network::Network;
use crate::observer::Observer;
use crate::patience;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::tun::Wire;

/// How long to wait for a namespace's inode number to be free again: the tool
/// holds a namespace until it looks the next time.
const NUMBER_PATIENCE: Duration = Duration::from_secs(5);
/// How long the kernel is left alone before another namespace is asked of it.
const BETWEEN_NAMESPACES: Duration = Duration::from_millis(100);

/// The place where a scenario is played.
pub(crate) struct Arena {
    pub(crate) settings: Settings,
    watch: Watch,
    observer: Option<Observer>,
    /// Whether the observer watches other scenarios too.
    shared: bool,
    listeners: Vec<Rc<ListenerSocket>>,
    networks: Vec<Network>,
    /// A process in every network but the first, where this one is.
    holders: Vec<Child>,
    /// How far the counters of networks moved that are gone.
    gone: Vec<NetworkMovement>,
    /// Processes that take part, if only by holding a socket.
    processes: Vec<Child>,
    began: bool,
    // Last: dropping it returns to the host's namespace after all else is gone.
    origin: Return,
}

/// Who watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Watch {
    /// Nobody: the scenario is only played.
    Nobody,
    /// `hist`.
    Counts,
    /// `hist` and `live`.
    Events,
}

/// Returns this thread to its namespace when dropped.
struct Return(Namespace);

impl Drop for Return {
    fn drop(&mut self) {
        // Fails only without the privilege that made the private namespace.
        let _ = self.0.enter();
    }
}

impl Arena {
    /// A first private network, with this thread in it; `observer` where one
    /// watches already that is to go on.
    pub(crate) fn new(settings: Settings, watch: Watch, observer: Option<Observer>) -> Result<Self> {
        let origin = Return(Namespace::current()?);
        let first = Network::create()?;
        Ok(Self {
            settings,
            watch,
            shared: observer.is_some(),
            observer,
            listeners: Vec::new(),
            networks: vec![first],
            holders: Vec::new(),
            gone: Vec::new(),
            processes: Vec::new(),
            began: false,
            origin,
        })
    }

    /// Makes another network, with the same addresses as the first; its number.
    pub(crate) fn add_network(&mut self) -> Result<usize> {
        let made = Network::create();
        // A namespace of nobody's is hard to find: a container has a process in it.
        let held = made.and_then(|network| Ok((network, hold(None)?)));
        self.enter(0)?;
        let (mut network, holder) = held?;
        network.late = self.began;
        self.networks.push(network);
        self.holders.push(holder);
        Ok(self.networks.len() - 1)
    }

    /// The same, and waits a while for the kernel to give it this inode number:
    /// that of a namespace that is gone, which the kernel takes apart in a
    /// worker (`cleanup_net()`) once the tool has let go of it too. In vain
    /// where someone else gets that number first: entries of /proc/net have
    /// theirs from the same range.
    pub(crate) fn add_network_numbered(&mut self, inode: u32) -> Result<usize> {
        let deadline = Instant::now() + NUMBER_PATIENCE;
        let mut lower = Vec::new();
        loop {
            let number = self.add_network()?;
            let is = self.network(number)?.namespace.inode();
            if is == inode || Instant::now() >= deadline {
                return Ok(number);
            }
            let other = (self.networks.pop(), self.holders.pop());
            if is < inode {
                // The kernel gives the lowest number that is free
                // (proc_alloc_inum()): this one must stay taken for now.
                lower.push(other);
            } else {
                drop(other);
                lower.clear();
                std::thread::sleep(BETWEEN_NAMESPACES);
            }
        }
    }

    /// Removes the network that was added last, when its listeners are closed
    /// and its clients dropped; the next one added gets its number in the arena.
    pub(crate) fn remove_network(&mut self) -> Result<()> {
        let number = self.networks.len().saturating_sub(1);
        if number == 0 {
            return Err(Failure::unexpected("no network can be removed", "this thread is in the first"));
        }
        let high = self.movement_of(number)?;
        let (netns, late) = (self.network(number)?.namespace.inode(), self.network(number)?.late);
        // The tool may have looked for the last time before anything happened.
        self.gone.push(NetworkMovement { netns, low: Counters::default(), high, late });
        self.networks.pop();
        self.holders.pop();
        Ok(())
    }

    /// Opens a listener in the first network.
    pub(crate) fn listen(&mut self, listen: Listen) -> Result<Rc<ListenerSocket>> {
        self.listen_in(0, listen)
    }

    /// Opens a listener in a network.
    pub(crate) fn listen_in(&mut self, network: usize, listen: Listen) -> Result<Rc<ListenerSocket>> {
        let netns = self.network(network)?.namespace.inode();
        let opened = self.within(network, || ListenerSocket::open(listen, network, netns))?;
        let listener = Rc::new(opened);
        self.listeners.push(Rc::clone(&listener));
        Ok(listener)
    }

    /// Lets another process hold the listener too; its process id.
    pub(crate) fn share(&mut self, listener: &ListenerSocket) -> Result<u32> {
        let holder = hold(Some(listener.duplicate()?.into()))?;
        let pid = holder.pid();
        self.processes.push(holder);
        Ok(pid)
    }

    /// A new client of the listener, with an address of its own.
    pub(crate) fn client(&mut self, listener: &ListenerSocket) -> Result<Client> {
        self.client_by(listener, matches!(listener.stack, Stack::V6 | Stack::Dual))
    }

    /// A new client that connects by IPv4, or by IPv6.
    pub(crate) fn client_by(&mut self, listener: &ListenerSocket, ipv6: bool) -> Result<Client> {
        let (from, to) = self.route(listener.network, ipv6, listener.address.port())?;
        Ok(Client::new(Rc::clone(&self.network(listener.network)?.tun), from, to))
    }

    /// A new client of the listener that sends to another address than the server's.
    pub(crate) fn client_of(&mut self, listener: &ListenerSocket, to: IpAddr) -> Result<Client> {
        let port = listener.address.port();
        let (from, _) = self.route(listener.network, to.is_ipv6(), port)?;
        let tun = Rc::clone(&self.network(listener.network)?.tun);
        Ok(Client::new(tun, from, SocketAddr::new(to, port)))
    }

    /// A new client of the listener that connects from another address than
    /// the network's clients have.
    pub(crate) fn client_from(&mut self, listener: &ListenerSocket, from: IpAddr) -> Result<Client> {
        let (own, to) = self.route(listener.network, from.is_ipv6(), listener.address.port())?;
        let tun = Rc::clone(&self.network(listener.network)?.tun);
        Ok(Client::new(tun, SocketAddr::new(from, own.port()), to))
    }

    /// Addresses of a new client's two ends in a network.
    pub(crate) fn route(
        &mut self,
        network: usize,
        ipv6: bool,
        port: u16,
    ) -> Result<(SocketAddr, SocketAddr)> {
        let network = self
            .networks
            .get_mut(network)
            .ok_or_else(|| Failure::unexpected("a client cannot be made", "no such network"))?;
        Ok(network.route(ipv6, port))
    }

    /// A network's TUN device, for another thread.
    pub(crate) fn wire(&self, network: usize) -> Result<Wire> {
        self.network(network)?.tun.wire()
    }

    /// A network's namespace, for another thread to enter.
    pub(crate) fn namespace(&self, network: usize) -> Result<Namespace> {
        self.within(network, Namespace::current)
    }

    /// Does something with this thread in a network's namespace.
    pub(crate) fn within<T>(&self, network: usize, act: impl FnOnce() -> Result<T>) -> Result<T> {
        if network == 0 {
            return act();
        }
        self.enter(network)?;
        let done = act();
        self.enter(0)?;
        done
    }

    /// Everything so far was preparation: starts the tool unless it watches
    /// already, and reads where the counters stand.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if let Some(observer) = &mut self.observer {
            // What was before is not the scenario's.
            observer.since()?;
        } else if self.watch != Watch::Nobody {
            // The tool is told nothing of the private networks: it starts
            // where a user starts it.
            self.origin.0.enter()?;
            let observer = Observer::start(&self.settings, self.watch == Watch::Events);
            self.enter(0)?;
            self.observer = Some(observer?);
        }
        self.count_from_here()
    }

    /// The same, and does something while the tool attaches: after it has
    /// looked for namespaces for the first time.
    pub(crate) fn begin_while<T>(&mut self, meanwhile: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.watch == Watch::Nobody || self.observer.is_some() {
            let done = meanwhile(self)?;
            return self.begin().map(|()| done);
        }
        self.origin.0.enter()?;
        let starting = Observer::spawn(&self.settings, self.watch == Watch::Events);
        let starting = starting.and_then(|mut starting| starting.until_loading().map(|()| starting));
        self.enter(0)?;
        let starting = starting?;
        // What is made from now on may be found late.
        self.began = true;
        let done = meanwhile(self)?;
        self.observer = Some(starting.attached()?);
        self.count_from_here().map(|()| done)
    }

    fn count_from_here(&mut self) -> Result<()> {
        for number in 0..self.networks.len() {
            let counters = self.counters_of(number)?;
            if let Some(network) = self.networks.get_mut(number) {
                network.baseline = counters;
            }
        }
        self.began = true;
        Ok(())
    }

    /// How far a counter of the listener's network moved since the beginning.
    pub(crate) fn moved_at(&self, listener: &ListenerSocket, counter: &str) -> Result<u64> {
        Ok(self.movement_of(listener.network)?.get(counter))
    }

    /// The first network's namespace, by inode number.
    pub(crate) fn netns(&self) -> u32 {
        self.networks.first().map_or(0, |network| network.namespace.inode())
    }

    /// Keeps a process that takes part until all is judged.
    pub(crate) fn keep(&mut self, process: Child) {
        self.processes.push(process);
    }

    /// Waits until a counter of the listener's network has moved so far.
    pub(crate) fn until(&self, listener: &ListenerSocket, counter: &str, moved: u64) -> Result<()> {
        patience::wait(&format!("{counter} to move by {moved}"), || {
            Ok(self.moved_at(listener, counter)? >= moved)
        })
    }

    /// Waits until a counter of the first network has moved at all.
    pub(crate) fn until_moved(&self, counter: &str) -> Result<()> {
        patience::wait(&format!("{counter} to move"), || Ok(self.movement_of(0)?.get(counter) > 0))
    }

    /// Reads what the kernel counted, and what the tool says of it: asks it
    /// where it goes on, stops it otherwise.
    pub(crate) fn end(&mut self) -> Result<(Kernel, Option<Seen>)> {
        if !self.began {
            return Err(Failure::unexpected("the scenario cannot be judged", "it never began"));
        }
        let low = self.reading()?;
        let seen = match &mut self.observer {
            Some(observer) if self.shared => observer.since().map(Some),
            _ => self.observer.take().map(Observer::stop).transpose(),
        };
        let high = self.reading()?;
        let networks =
            self.networks.iter().zip(low.0.into_iter().zip(high.0)).map(|(network, (low, high))| {
                NetworkMovement { netns: network.namespace.inode(), low, high, late: network.late }
            });
        let networks = by_number(self.gone.drain(..).chain(networks));
        let listeners =
            self.listeners.iter().zip(low.1.into_iter().zip(high.1)).map(|(listener, (low, high))| {
                DropsMovement {
                    inode: listener.inode,
                    low,
                    high,
                    more: listener.may_have_dropped_more(),
                    closed: listener.has_closed(),
                }
            });
        Ok((Kernel { networks, listeners: listeners.collect() }, seen?))
    }

    /// The observer that goes on.
    pub(crate) fn into_observer(mut self) -> Option<Observer> {
        self.observer.take()
    }

    fn reading(&self) -> Result<(Vec<Counters>, Vec<u64>)> {
        let counters = (0..self.networks.len()).map(|number| self.movement_of(number));
        // Every listener is the scenario's own, so its sk_drops started at 0.
        let drops = self.listeners.iter().map(|listener| listener.drops().map(u64::from));
        Ok((counters.collect::<Result<_>>()?, drops.collect::<Result<_>>()?))
    }

    fn movement_of(&self, number: usize) -> Result<Counters> {
        Ok(self.counters_of(number)?.since(&self.network(number)?.baseline))
    }

    fn counters_of(&self, number: usize) -> Result<Counters> {
        self.within(number, Counters::read)
    }

    fn enter(&self, number: usize) -> Result<()> {
        self.network(number)?.namespace.enter()
    }

    fn network(&self, number: usize) -> Result<&Network> {
        self.networks.get(number).ok_or_else(|| Failure::unexpected("a network is missing", number))
    }
}

/// Starts a process in this thread's namespace that holds a socket as its
/// standard output, and ends with this one.
fn hold(socket: Option<Stdio>) -> Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.args(["selftest", "--hold"]);
    Child::spawn_with(&mut command, "holder", Stdio::piped(), socket)
}
