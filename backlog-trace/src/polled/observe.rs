//! The observation: looks at sockets and counters until told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backlog_trace_model::check::sources::news_of;
use backlog_trace_model::event::{Event, NamespaceCounts, Occurrence, Session, Snapshot, SourceState, What};
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::listener::Listener;
use tokio::sync::{Notify, oneshot};
use tokio::time::{MissedTickBehavior, sleep, sleep_until};

use super::account::Account;
use super::details::{keyed, occurrence, tell};
use super::hooks;
use super::ledger::Ledger;
use super::pace::Pace;
use super::reading::{Reading, losses};
use crate::kernel::possible_cpus::CpuList;
use crate::listener::{Book, Counters, Depth};
use crate::source::{self, Begun, Events, monotonic, session};
use crate::step::{Step, Steps};

/// How long no loss must have been counted before a look is calm: longer than
/// any packet is between the first counter that it moves and the last.
const CALM: Duration = Duration::from_millis(5);

/// How often namespaces are looked for: a link for each process of the host.
const DISCOVER: Duration = Duration::from_millis(900);

/// How often the first and the last look are repeated where they are not calm.
const TRIES: u32 = 20;

/// How often that before a report is, so that the report is of its own stretch.
const REPORT_TRIES: u32 = 4;

/// No more tries after this long: with many listeners a look takes a while.
const LONGEST_TRY: Duration = Duration::from_secs(1);

/// Polls until `stop` is done; `why` no better rung was taken. The events end
/// with [`Event::Finished`], or with the failure that ended the observation.
///
/// # Errors
/// This kernel does not list sockets, or shows no counters.
pub(crate) async fn observe(
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
    /// Balances of namespaces that are gone, by inode number: the kernel gives
    /// a number to the next one, so there are as many as were open at one time.
    gone: BTreeMap<u32, NamespaceCounts>,
    /// Balances as they were told last.
    told: BTreeMap<u32, NamespaceCounts>,
    ledger: Ledger,
    pace: Pace,
    /// When namespaces were looked for last.
    discovered: Instant,
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
        let mut next_look = Instant::now() + self.pace.rest();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = asked.notified() => {
                    self.conclude().await;
                    self.send(Event::Mark).await;
                }
                _ = snapshots.tick() => {
                    // A dear look comes after a report, so as not to make the next one late.
                    let is_dear = !self.pace.has_one_for_each_report();
                    if !is_dear {
                        next_look = self.paced_look(REPORT_TRIES).await;
                    }
                    self.snapshot().await;
                    if is_dear && Instant::now() >= next_look {
                        next_look = self.paced_look(1).await;
                    }
                }
                () = sleep_until(next_look.into()), if self.pace.has_one_for_each_report() => {
                    next_look = self.paced_look(1).await;
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
            gone: BTreeMap::new(),
            told: BTreeMap::new(),
            ledger: Ledger::default(),
            pace: Pace::new(snapshot_every),
            discovered: Instant::now(),
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
        let earlier = watch.counters();
        std::thread::sleep(CALM);
        for netns in namespaces {
            match watch.first_look(netns, earlier.get(&netns).copied().unwrap_or_default()) {
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
        self.discover().await;
        let begin = Instant::now();
        for look in 1..=TRIES {
            let is_last = look == TRIES || begin.elapsed() >= LONGEST_TRY;
            if self.look(is_last).await || is_last {
                break;
            }
        }
        self.book.await_owners();
        self.name().await;
        self.snapshot().await;
    }

    /// Looks for owners where that is due.
    async fn name(&mut self) {
        let news = self.book.name();
        self.announce(news).await;
        if let Some(sources) = news_of(&mut self.sources, self.book.sources()) {
            self.send(Event::Sources(sources)).await;
        }
    }

    /// Looks for namespaces that came or went. What is known of one that went
    /// is all that there will ever be.
    async fn discover(&mut self) {
        self.discovered = Instant::now();
        let news = self.book.discover();
        self.announce(news).await;
        let pool = self.book.namespaces();
        let is_gone = |(netns, (serial, _)): &(&u32, &(u32, Account))| {
            pool.get(**netns).is_none_or(|namespace| namespace.serial() != *serial)
        };
        let gone: Vec<u32> = self.accounts.iter().filter(is_gone).map(|(netns, _)| *netns).collect();
        for netns in gone {
            self.end(netns);
        }
    }

    /// The account of a namespace that is gone.
    fn end(&mut self, netns: u32) {
        let Some((_, mut account)) = self.accounts.remove(&netns) else { return };
        for (id, given) in account.end(self.cpus) {
            self.ledger.give(id, &given);
        }
        add(self.gone.entry(netns).or_default(), &account.counts());
    }

    /// Looks until every loss is settled, at most so often, of which the last
    /// settles what it can; one look alone may wait for a calm one. Tells the
    /// pace what a look takes, and returns when the next one is due.
    async fn paced_look(&mut self, tries: u32) -> Instant {
        let begin = cpu_time();
        let is_due = self.discovered.elapsed() >= DISCOVER;
        if is_due {
            self.discover().await;
        }
        let known = self.known.len();
        let mut looks = 1;
        while !self.look(tries > 1 && looks == tries).await && looks < tries {
            looks += 1;
        }
        self.pace.took(cpu_time().saturating_sub(begin) / looks);
        // The walk for owners keeps a pace of its own.
        if is_due || self.known.len() > known {
            self.name().await;
        }
        let open = self.accounts.keys().map(|netns| self.book.open_in(*netns).count()).sum();
        if let Some(sentence) = self.pace.news(open) {
            log::warn!("{sentence}");
        }
        Instant::now() + self.pace.rest()
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

    /// A first look, where everything begins: calm if that can be had, so that
    /// what was under way is not taken for lost since.
    fn first_look(
        &mut self,
        netns: u32,
        mut earlier: Counters,
    ) -> std::io::Result<(Reading, Vec<Arc<Listener>>)> {
        let mut changed = Vec::new();
        let begin = Instant::now();
        for _ in 1..TRIES {
            let (reading, news) = self.weigh(netns, &earlier)?;
            changed.extend(news);
            if reading.calm || begin.elapsed() >= LONGEST_TRY {
                return Ok((reading, changed));
            }
            earlier = reading.after;
            std::thread::sleep(CALM);
        }
        let (reading, news) = self.weigh(netns, &earlier)?;
        changed.extend(news);
        Ok((reading, changed))
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
    fn take(&mut self, netns: u32, reading: &Reading, is_last: bool) -> Vec<Occurrence> {
        let serial = self.book.namespaces().get(netns).map_or(0, crate::listener::Namespace::serial);
        if self.accounts.get(&netns).is_some_and(|(of, _)| *of != serial) {
            self.end(netns);
        }
        let first = !self.accounts.contains_key(&netns);
        for (listener, depth) in self.book.open_in(netns) {
            self.ledger.look(listener.id, listener.limit, depth, !first);
        }
        let mut details = Vec::new();
        let Some((_, account)) = self.accounts.get_mut(&netns) else {
            let account = Account::new(netns, reading);
            account.sockets().for_each(|(id, drops)| self.ledger.settle(id, drops));
            self.accounts.insert(netns, (serial, account));
            return details;
        };
        let given = account.take(reading, self.cpus, is_last);
        if !account.waits() {
            account.sockets().for_each(|(id, drops)| self.ledger.settle(id, drops));
        }
        for (id, given) in &given {
            self.ledger.give(*id, given);
            if let Some(listener) = self.book.by_id(*id) {
                details.extend(tell(reading.time, listener, self.book.depth(*id), given));
            }
        }
        details
    }

    /// Tells what has changed since the last time, and lets go of listeners of
    /// which nothing comes any more.
    async fn snapshot(&mut self) {
        let (listeners, retired) = self.ledger.tell();
        for id in &retired {
            self.book.forget(*id);
        }
        let mut namespaces = self.gone.clone();
        for (netns, (_, account)) in &self.accounts {
            add(namespaces.entry(*netns).or_default(), &account.counts());
        }
        for netns in self.namespaces().into_iter().filter(|netns| self.book.lacks_counters(*netns)) {
            let counts = namespaces.entry(netns).or_default();
            (counts.netns, counts.unread) = (netns, true);
        }
        let is_news = |(netns, counts): &(&u32, &NamespaceCounts)| self.told.get(netns) != Some(counts);
        let news = namespaces.iter().filter(is_news).map(|(_, counts)| counts.clone()).collect();
        self.told = namespaces;
        let snapshot = Snapshot {
            time: monotonic(),
            listeners,
            namespaces: news,
            sysctls: self.book.sysctls(false),
            retired,
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
                    details.push(occurrence(monotonic(), &listener, depth, What::Closed));
                }
            } else if self.known.insert(listener.id) {
                details.push(occurrence(monotonic(), &listener, depth, What::Opened));
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

/// CPU that this thread took so far: a look costs what it takes, not how long
/// it waits for a CPU.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// One balance for each inode number.
fn add(sum: &mut NamespaceCounts, counts: &NamespaceCounts) {
    sum.netns = counts.netns;
    let pairs = sum.kernel.iter_mut().zip(counts.kernel);
    let pairs = pairs.chain(sum.attributed.iter_mut().flatten().zip(counts.attributed.into_iter().flatten()));
    pairs.for_each(|(sum, count)| *sum = sum.saturating_add(count));
}

/// Why there is nothing to poll.
fn unable(error: Option<std::io::Error>) -> Failure {
    let why = error.map_or_else(|| "no network namespace may be looked at".to_owned(), |e| e.to_string());
    Failure::new(Exit::KernelUnable, format!("this kernel does not list TCP sockets and their counters: {why}"))
        .advise("load the module tcp_diag (modprobe tcp_diag), or use a kernel with CONFIG_INET_DIAG; mount proc on /proc")
}
