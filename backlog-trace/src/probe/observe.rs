//! The observation: attach, then turn maps and ring into events until told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aya::Ebpf;
use backlog_trace_common::detail::{Detail, Kind};
use backlog_trace_common::identity::Identity;
use backlog_trace_common::key::ListenerKey;
use tokio::sync::{Notify, oneshot};
use tokio::time::MissedTickBehavior;

use super::attach::Kernel;
use super::extents::Extents;
use super::ladder;
use super::load::Sizes;
use super::maps::Maps;
use super::queues::{Counted, Queues};
use super::ring::{Details, POLL};
use super::settings::Settings;
use super::{attach, baselines, kernel_log, load, search, snapshot};
use crate::event::{Event, HookState, Rung, Session};
use crate::failure::{Exit, Failure, Result};
use crate::kernel::btf::Btf;
use crate::kernel::layout::Layout;
use crate::kernel::possible_cpus::CpuList;
use crate::kernel::preflight;
use crate::listener::{Book, Listener};
use crate::source::{self, Begun, Events};

/// Attaches and observes until `stop` is done. The events end with
/// [`Event::Finished`], or with the failure that ended the observation.
///
/// # Errors
/// What the user must change before anything can be observed: privileges, the
/// kernel, a file that cannot be written.
pub async fn observe(settings: Settings, stop: impl Future<Output = ()> + Send + 'static) -> Result<Begun> {
    source::start(stop, move |events| Watch::begin(&settings, events)).await
}

/// Everything that is open while observing. Dropping it detaches.
struct Watch {
    ebpf: Ebpf,
    maps: Maps,
    details: Details,
    book: Book,
    queues: Queues,
    known: snapshot::Known,
    /// Room for namespaces; `None` once it is said that there is no more.
    netns_room: Option<u32>,
    events: Events,
    /// What it sends first: the session and the listeners that it found.
    opening: Option<(Session, Vec<Arc<Listener>>)>,
    seen: u64,
    interval: Duration,
}

impl source::Watch for Watch {
    async fn run(&mut self, stopped: oneshot::Receiver<()>, asked: &Notify) -> Result<()> {
        if let Some((session, listeners)) = self.opening.take() {
            self.send(Event::Started(Arc::new(session))).await;
            self.announce(listeners).await;
        }
        self.observe(stopped, asked).await
    }

    fn works(&mut self) -> bool {
        self.maps.identities().is_ok()
    }
}

impl Watch {
    fn begin(settings: &Settings, events: Events) -> Result<Self> {
        let rungs = ladder::rungs(settings.rung)?;
        let facts = preflight::require()?;
        let types = Btf::from_sys_fs()?;
        let layout = Layout::resolve(&types)?;
        layout.check_pairs()?;
        let btf = aya::Btf::from_sys_fs()
            .map_err(|error| Failure::new(Exit::KernelUnable, format!("the kernel's types: {error}")))?;

        let extents = Extents::find()?;

        let mut book = Book::new();
        let mut known = book.refresh();
        let sizes = Sizes::now(&book, known.len())?;
        let mut ebpf = load::load(&layout, &extents, settings, sizes, &facts)?;
        let online = CpuList::online()?;
        baselines::record_cpu_offsets(&mut ebpf, &online, &facts)?;
        let hooks = {
            let kernel =
                Kernel { btf: &btf, types: &types, layout: &layout, extents: &extents, facts: &facts };
            attach::attach_all(&mut ebpf, &kernel, &rungs, settings.causes)
        };
        attach::require(&hooks)?;
        // A namespace that came since, and whose listener opened before the listen hook
        // was there, is known to nobody yet.
        known.extend(book.search());
        baselines::walk_listeners(&mut ebpf, &btf, book.namespaces(), &facts)?;
        if hooks.iter().any(|tried| tried.hook.name == "accept" && tried.rung() == Some(Rung::Kprobe)) {
            baselines::walk_accept_queues(&mut ebpf, &btf, book.namespaces(), &facts)?;
        }
        search::check(&mut ebpf, &btf, book.namespaces(), &facts, &hooks)?;
        let mut maps = Maps::take(&mut ebpf, sizes.cpus)?;
        maps.carry(attach::carried(&hooks))?;
        maps.walked()?;
        baselines::activate(&mut ebpf, &online, &maps.slots()?, &facts)?;

        let mut watch = Self {
            maps,
            details: Details::take(&mut ebpf)?,
            ebpf,
            book,
            queues: Queues::new(Counted::by(&hooks)),
            known: snapshot::Known::default(),
            netns_room: Some(sizes.netns_room()),
            events,
            opening: Some((source::session(hooks.iter().map(HookState::from).collect()), known)),
            seen: 0,
            interval: settings.snapshot_every,
        };
        if settings.kernel_log != log::LevelFilter::Off {
            kernel_log::forward(&mut watch.ebpf)?;
        }
        Ok(watch)
    }

    async fn observe(&mut self, mut stopped: oneshot::Receiver<()>, asked: &Notify) -> Result<()> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut snapshots = tokio::time::interval(self.interval);
        snapshots.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = asked.notified() => {
                    self.drain().await;
                    self.book.await_owners();
                    self.snapshot().await?;
                    self.send(Event::Mark).await;
                }
                _ = snapshots.tick() => self.snapshot().await?,
                _ = poll.tick() => {}
            }
            self.drain().await;
            if self.events.is_closed() {
                return Ok(());
            }
        }
        self.drain().await;
        self.book.await_owners();
        self.snapshot().await?;
        self.send(Event::Finished).await;
        Ok(())
    }

    /// Passes on what the ring holds, listeners before their details.
    async fn drain(&mut self) {
        loop {
            let details = self.details.drain();
            if details.is_empty() {
                return;
            }
            self.seen += details.len() as u64;
            let news = self.name(&details);
            self.announce(news).await;
            self.send(Event::Details(details)).await;
        }
    }

    /// Makes sure that the book knows every listener in a batch.
    fn name(&mut self, details: &[Detail]) -> Vec<Arc<Listener>> {
        let mut news = Vec::new();
        for detail in details {
            let known = self.book.by_key(detail.listener).is_some();
            let changed = matches!(Kind::from_number(detail.kind), Some(Kind::Opened | Kind::Closed));
            if known && !changed {
                continue;
            }
            if let Some(identity) = self.maps.identity(detail.listener) {
                // A new socket gets its cookie and its owners from a look at
                // its namespace; one that closed meanwhile from the identity.
                if !known && identity.closed == 0 {
                    news.extend(self.book.refresh_namespace(identity.netns));
                }
                news.extend(self.learn(detail.listener, &identity));
            }
        }
        news
    }

    /// Joins what the kernel side recorded of a listener with its row.
    fn learn(&mut self, key: u64, identity: &Identity) -> Vec<Arc<Listener>> {
        let mut news: Vec<_> = self.book.learn(ListenerKey(key), identity).into_iter().collect();
        if let Some(listener) = self.book.by_key(key) {
            let id = listener.id;
            self.queues.learn(id, key, identity);
            if identity.closed != 0 {
                news.extend(self.book.mark_closed(id));
            }
        }
        news
    }

    async fn snapshot(&mut self) -> Result<()> {
        let before = self.maps.counts(self.maps.keys()?.into_iter())?;
        let mut news = self.book.refresh();
        let identities = self.maps.identities()?;
        for (key, identity) in &identities {
            news.extend(self.learn(*key, identity));
        }
        let keys: Vec<u64> = identities.iter().map(|(key, _)| *key).collect();
        self.announce(news).await;
        let snapshot = snapshot::take(
            &self.maps,
            &self.book,
            &mut self.queues,
            &mut self.known,
            (&keys, &before),
            self.seen,
            source::monotonic,
        )?;
        self.send(Event::Snapshot(Arc::new(snapshot))).await;
        self.say_where_there_is_no_room()
    }

    /// Namespaces that come after the last one that has room are not judged.
    fn say_where_there_is_no_room(&mut self) -> Result<()> {
        let Some(room) = self.netns_room else { return Ok(()) };
        if self.maps.next_slot()? >= room {
            self.netns_room = None;
            log::warn!(
                "{room} network namespaces had listeners since the start, and there is no room for more: \
                 what is lost in those that come now is not counted; start again to see them"
            );
        }
        Ok(())
    }

    async fn announce(&self, news: Vec<Arc<Listener>>) {
        for listener in news {
            self.send(Event::Listener(listener)).await;
        }
    }

    async fn send(&self, event: Event) {
        // A consumer that is gone is noticed by the loop.
        let _ = self.events.send(Ok(event)).await;
    }
}
