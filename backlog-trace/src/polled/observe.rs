//! The observation: looks at sockets and counters until told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backlog_trace_common::detail::{Detail, Kind};
use backlog_trace_common::key::ListenerKey;
use backlog_trace_common::reason::Reason;
use tokio::sync::{Notify, oneshot};
use tokio::time::{MissedTickBehavior, sleep};

use super::account::{Account, Given};
use super::hooks;
use super::ledger::Ledger;
use super::reading::{Reading, losses};
use crate::event::sources::news_of;
use crate::event::{Event, NamespaceCounts, Session, Snapshot, SourceState};
use crate::failure::{Exit, Failure, Result};
use crate::kernel::possible_cpus::CpuList;
use crate::listener::{Book, Counters, Depth, Listener};
use crate::source::{self, Begun, Events, monotonic, session};
use crate::step::{Step, Steps};

/// How often sockets and counters are looked at: the shorter a stretch, the
/// fewer listeners lose something in it and the less is left in doubt.
const POLL: Duration = Duration::from_millis(100);

/// A look is followed by a rest of at least this many times its length, so
/// that polling takes no more than 5 % of one CPU.
const REST: u32 = 19;

/// How long no loss must have been counted before a look is calm: longer than
/// any packet is between the first counter that it moves and the last.
const CALM: Duration = Duration::from_millis(5);

/// How often the last look is repeated where it is not calm.
const LAST_LOOKS: u32 = 20;

/// Polls until `stop` is done; `why` no better rung was taken. The events end
/// with [`Event::Finished`], or with the failure that ended the observation.
///
/// # Errors
/// This kernel does not list sockets, or shows no counters.
pub async fn observe(
    snapshot_every: Duration,
    why: Option<String>,
    steps: Steps,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Begun> {
    source::start(stop, move |events| Watch::begin(snapshot_every, why.as_deref(), &steps, events)).await
}

/// Everything that is known while polling.
struct Watch {
    book: Book,
    /// By inode number, with the serial of the namespace that has it.
    accounts: BTreeMap<u32, (u32, Account)>,
    /// Balances of namespaces that are gone, by inode number.
    retired: BTreeMap<u32, NamespaceCounts>,
    ledger: Ledger,
    known: BTreeSet<u32>,
    cpus: u64,
    events: Events,
    /// What it sends first: the session and the listeners that it found.
    opening: Option<(Session, Vec<Arc<Listener>>)>,
    sources: Vec<SourceState>,
    seen: u64,
    snapshot_every: Duration,
}

impl source::Watch for Watch {
    async fn run(&mut self, mut stopped: oneshot::Receiver<()>, asked: &Notify) -> Result<()> {
        if let Some((session, listeners)) = self.opening.take() {
            self.send(Event::Started(Arc::new(session))).await;
            self.announce(listeners).await;
        }
        let mut snapshots = tokio::time::interval(self.snapshot_every);
        snapshots.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut rest = POLL.min(self.snapshot_every);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = asked.notified() => {
                    self.conclude().await;
                    self.send(Event::Mark).await;
                }
                _ = snapshots.tick() => {
                    self.refresh().await;
                    self.look(false).await;
                    self.snapshot().await;
                }
                () = sleep(rest) => {
                    let begin = Instant::now();
                    self.look(false).await;
                    // The wait for calm takes no CPU.
                    let took = begin.elapsed().saturating_sub(CALM);
                    rest = POLL.min(self.snapshot_every).max(took * REST);
                }
            }
            if self.events.is_closed() {
                return Ok(());
            }
        }
        self.conclude().await;
        self.send(Event::Finished).await;
        Ok(())
    }

    fn works(&mut self) -> bool {
        // It reads what it has opened.
        true
    }
}

impl Watch {
    fn begin(snapshot_every: Duration, why: Option<&str>, steps: &Steps, events: Events) -> Result<Self> {
        let mut watch = Self {
            book: Book::telling(steps.clone()),
            accounts: BTreeMap::new(),
            retired: BTreeMap::new(),
            ledger: Ledger::default(),
            known: BTreeSet::new(),
            cpus: CpuList::online().map_or(1, |online| online.count() as u64),
            events,
            opening: None,
            sources: Vec::new(),
            seen: 0,
            snapshot_every,
        };
        let mut listeners = watch.book.refresh();
        let namespaces = watch.namespaces();
        steps.begin(Step::Counters(namespaces.len()));
        let mut failed = None;
        for netns in namespaces {
            match watch.weigh(netns, &Counters::default()) {
                Ok((reading, changed)) => {
                    listeners.extend(changed);
                    watch.take(netns, &reading, false);
                }
                Err(error) => failed = Some(error),
            }
        }
        if watch.accounts.is_empty() {
            return Err(unable(failed));
        }
        watch.sources = watch.book.sources();
        watch.known = watch.book.iter().filter(|listener| !listener.closed).map(|open| open.id).collect();
        watch.opening = Some((session(hooks(why), watch.sources.clone()), listeners));
        Ok(watch)
    }

    fn namespaces(&self) -> Vec<u32> {
        self.book.namespaces().iter().map(crate::listener::Namespace::inode).collect()
    }

    /// Looks until every loss is settled, or often enough.
    async fn conclude(&mut self) {
        self.book.await_owners();
        self.refresh().await;
        for look in 1..=LAST_LOOKS {
            if self.look(look == LAST_LOOKS).await {
                break;
            }
        }
        self.snapshot().await;
    }

    /// Looks for namespaces, listeners and owners that came or went.
    async fn refresh(&mut self) {
        let news = self.book.refresh();
        self.announce(news).await;
        if let Some(sources) = news_of(&mut self.sources, self.book.sources()) {
            self.send(Event::Sources(sources)).await;
        }
    }

    /// Looks at every namespace; returns whether all losses are settled.
    async fn look(&mut self, is_last: bool) -> bool {
        let earlier = self.counters();
        if self
            .accounts
            .iter()
            .any(|(netns, (_, account))| earlier.get(netns).is_some_and(|counters| account.is_open(counters)))
        {
            sleep(CALM).await;
        }
        let (mut news, mut details, mut settled) = (Vec::new(), Vec::new(), true);
        for netns in self.namespaces() {
            let counters = earlier.get(&netns).copied().unwrap_or_default();
            // One that cannot be looked at now stays as it was; where only its
            // counters cannot be read, its queues and drops are known all the same.
            let Ok((reading, changed)) = self.weigh(netns, &counters) else {
                self.look_at_queues(netns);
                continue;
            };
            news.extend(changed);
            details.extend(self.take(netns, &reading, is_last));
            settled &= self.accounts.get(&netns).is_none_or(|(_, account)| !account.is_open(&reading.after));
        }
        self.announce(news).await;
        if !details.is_empty() {
            self.seen += details.len() as u64;
            self.send(Event::Details(details)).await;
        }
        settled
    }

    /// Notes how the listeners of a namespace without counters stood at the
    /// last listing.
    fn look_at_queues(&mut self, netns: u32) {
        if self.book.lacks_counters(netns) {
            for (listener, depth) in self.book.open_in(netns) {
                self.ledger.look(listener.id, listener.limit, depth, false);
            }
        }
    }

    fn counters(&self) -> BTreeMap<u32, Counters> {
        let namespaces = self.book.namespaces().iter();
        let read = |namespace: &crate::listener::Namespace| {
            Some((namespace.inode(), namespace.all_counters().ok()?))
        };
        namespaces.filter_map(read).collect()
    }

    fn weigh(&mut self, netns: u32, earlier: &Counters) -> std::io::Result<(Reading, Vec<Arc<Listener>>)> {
        let (before, after, news) = self.book.weigh(netns)?;
        let calm = losses(earlier) == losses(&before) && losses(&before) == losses(&after);
        let drops = |(listener, depth): (&Arc<Listener>, Depth)| (listener.id, depth.drops);
        let sockets = self.book.open_in(netns).map(drops).collect();
        Ok((Reading { time: monotonic(), before, after, calm, sockets }, news))
    }

    /// Enters a look into the books; returns what `live` tells of it.
    fn take(&mut self, netns: u32, reading: &Reading, is_last: bool) -> Vec<Detail> {
        let serial = self.book.namespaces().get(netns).map_or(0, crate::listener::Namespace::serial);
        if let Some((_, gone)) = self.accounts.get(&netns).filter(|(of, _)| *of != serial) {
            let counts = gone.counts();
            add(self.retired.entry(netns).or_default(), &counts);
            self.accounts.remove(&netns);
        }
        let first = !self.accounts.contains_key(&netns);
        for (listener, depth) in self.book.open_in(netns) {
            self.ledger.look(listener.id, listener.limit, depth, !first);
        }
        let Some((_, account)) = self.accounts.get_mut(&netns) else {
            self.accounts.insert(netns, (serial, Account::new(netns, reading)));
            return Vec::new();
        };
        let given = account.take(reading, self.cpus, is_last);
        let mut details = Vec::new();
        for (id, given) in &given {
            self.ledger.give(*id, given);
            if let Some(listener) = self.book.by_id(*id) {
                details.extend(tell(reading.time, listener, self.book.depth(*id), given));
            }
        }
        details
    }

    async fn snapshot(&self) {
        let mut namespaces = self.retired.clone();
        for (netns, (_, account)) in &self.accounts {
            add(namespaces.entry(*netns).or_default(), &account.counts());
        }
        for netns in self.namespaces().into_iter().filter(|netns| self.book.lacks_counters(*netns)) {
            let counts = namespaces.entry(netns).or_default();
            (counts.netns, counts.unread) = (netns, true);
        }
        let snapshot = Snapshot {
            time: monotonic(),
            listeners: self.ledger.counts(),
            namespaces: namespaces.into_values().collect(),
            retired: Vec::new(),
            details_seen: self.seen,
            details_missed: 0,
        };
        self.send(Event::Snapshot(Arc::new(snapshot))).await;
    }

    /// Tells of listeners that are new, changed or closed; and in `live`, of
    /// those that opened or closed.
    async fn announce(&mut self, news: Vec<Arc<Listener>>) {
        let mut details = Vec::new();
        for listener in news {
            let listener = keyed(&listener);
            let depth = self.book.depth(listener.id);
            if listener.closed {
                self.ledger.close(listener.id);
                if self.known.remove(&listener.id) {
                    details.push(detail(monotonic(), &listener, depth, Kind::Closed));
                }
            } else if self.known.insert(listener.id) {
                details.push(detail(monotonic(), &listener, depth, Kind::Opened));
            }
            self.send(Event::Listener(Arc::new(listener))).await;
        }
        if !details.is_empty() {
            self.seen += details.len() as u64;
            self.send(Event::Details(details)).await;
        }
    }

    async fn send(&self, event: Event) {
        // A consumer that is gone is noticed by the loop.
        let _ = self.events.send(Ok(event)).await;
    }
}

/// One balance for each inode number.
fn add(sum: &mut NamespaceCounts, counts: &NamespaceCounts) {
    sum.netns = counts.netns;
    let pairs = sum.kernel.iter_mut().zip(counts.kernel);
    let pairs = pairs.chain(sum.attributed.iter_mut().flatten().zip(counts.attributed.into_iter().flatten()));
    pairs.for_each(|(sum, count)| *sum = sum.saturating_add(count));
}

/// The listener with the key that details carry: its cookie, which every
/// listing makes.
fn keyed(listener: &Listener) -> Listener {
    let keys = listener.cookie.map(|cookie| ListenerKey::from_cookie(cookie).0).into_iter().collect();
    Listener { keys, ..listener.clone() }
}

/// One record for each reason, which stands for all packets that met it: for
/// 65,536 at most, then there are more.
fn tell<'a>(
    time: u64,
    listener: &'a Listener,
    depth: Option<Depth>,
    given: &'a Given,
) -> impl Iterator<Item = Detail> + 'a {
    given.reasons.iter().flat_map(move |(reason, count)| {
        let most = u64::from(u16::MAX) + 1;
        (0..count.div_ceil(most)).map(move |number| Detail {
            reason: reason as u8,
            more: u16::try_from((count - number * most).min(most) - 1).unwrap_or(u16::MAX),
            ..detail(time, listener, depth, Kind::Reason)
        })
    })
}

fn detail(time: u64, listener: &Listener, depth: Option<Depth>, kind: Kind) -> Detail {
    Detail {
        time,
        listener: listener.cookie.map_or(0, |cookie| ListenerKey::from_cookie(cookie).0),
        peer: [0; 16],
        netns: listener.netns,
        accept_queue: depth.map_or(0, |depth| depth.accept_queue),
        syn_queue: 0,
        limit: listener.limit.unwrap_or(0),
        peer_port: 0,
        port: listener.port,
        kind: kind as u8,
        reason: Reason::SynAcceptQueueFull as u8,
        outcome: 0,
        cause: 0,
        attempt: 0,
        family: 0,
        cpu: 0,
        payload: 0,
        more: 0,
    }
}

/// Why there is nothing to poll.
fn unable(error: Option<std::io::Error>) -> Failure {
    let why = error.map_or_else(|| "no network namespace may be looked at".to_owned(), |e| e.to_string());
    Failure::new(Exit::KernelUnable, format!("this kernel does not list TCP sockets and their counters: {why}"))
        .advise("load the module tcp_diag (modprobe tcp_diag), or use a kernel with CONFIG_INET_DIAG; mount proc on /proc")
}
