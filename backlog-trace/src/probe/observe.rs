//! The observation: attach, then turn maps and ring into events until told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backlog_trace_model::check::Hook;
use backlog_trace_model::check::sources::news_of;
use backlog_trace_model::event::{Event, HookState, Rung, Session, SourceState};
use backlog_trace_model::failure::Result;
use backlog_trace_model::listener::Listener;
use tokio::sync::{Notify, oneshot};
use tokio::time::MissedTickBehavior;

use super::attach::Kernel;
use super::ladder;
use super::maps::Maps;
use super::plane::Plane;
use super::queues::{Counted, Queues};
use super::ring::{Details, POLL};
use super::settings::Settings;
use super::start::{Attached, Loaded};
use super::{attach, baselines, forget, kernel_log};
use crate::kernel::btf::Btf;
use crate::kernel::layout::Layout;
use crate::kernel::preflight;
use crate::listener::Book;
use crate::source::{self, Begun, Events};
use crate::step::Step;

/// How often the room of closed listeners is given back: each time interrupts
/// every CPU.
const FORGET: Duration = Duration::from_millis(100);

/// Attaches and observes until `stop` is done. The events end with
/// [`Event::Finished`], or with the failure that ended the observation.
///
/// # Errors
/// What the user must change before anything can be observed: privileges, the
/// kernel, a file that cannot be written.
pub(crate) async fn observe(
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Begun> {
    source::start(stop, move |events| Watch::begin(&settings, events)).await
}

/// Everything that is open while observing. Dropping it detaches.
struct Watch {
    plane: Plane,
    details: Details,
    /// Room for namespaces and for listeners; `None` once it is said that there
    /// is no more.
    netns_room: Option<u32>,
    listener_room: Option<u32>,
    events: Events,
    /// What is said first.
    opening: Option<(Session, Vec<Arc<Listener>>)>,
    sources: Vec<SourceState>,
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
        self.plane.works()
    }
}

impl Watch {
    fn begin(settings: &Settings, events: Events) -> Result<Self> {
        let rungs = ladder::rungs(settings.rung)?;
        let facts = preflight::require()?;
        let steps = &settings.steps;
        steps.begin(Step::Types);
        let types = Btf::from_sys_fs()?;
        let layout = Layout::resolve(&types)?;
        layout.check_pairs()?;
        let kernel = Kernel::meet(&rungs, &facts, &types, &layout)?;

        let mut book = Book::telling(steps.clone());
        let mut known = book.refresh();
        steps.begin(Step::Loading);
        let counting = Loaded::load(&kernel, settings, &book, known.len())?.find_counters(&kernel)?;
        steps.begin(Step::Attaching);
        let attached = counting.attach(&kernel, &rungs, settings.causes);
        attach::require(&attached.hooks)?;
        // A namespace that came since, and whose listener opened before the listen hook
        // was there, is known to nobody yet.
        known.extend(book.search());
        steps.begin(Step::Walking(book.namespaces().iter().count()));
        let attached = attached.walk(&kernel, book.namespaces())?.search(&kernel, book.namespaces())?;
        let judges_by_tracepoints = attached.has(Hook::Syn, Rung::Tracepoint);
        let Attached { mut ebpf, sizes, online, hooks } = attached;
        forget::load(&mut ebpf, &facts)?;
        let mut maps = Maps::take(&mut ebpf, sizes.cpus)?;
        maps.carry(attach::carried(&hooks))?;
        maps.walked()?;
        baselines::activate(&mut ebpf, &online, &maps.slots()?, &facts)?;
        let sources = book.sources();
        let session = source::session(hooks.iter().map(HookState::from).collect(), sources.clone());
        if judges_by_tracepoints {
            maps.settling(true)?;
            baselines::walk_listeners(&mut ebpf, &kernel.btf, book.namespaces(), &facts)?;
            maps.settling(false)?;
        }
        let details = Details::take(&mut ebpf)?;
        if settings.kernel_log != log::LevelFilter::Off {
            kernel_log::forward(&mut ebpf)?;
        }
        let mut plane =
            Plane::new(ebpf, maps, book, Queues::new(Counted::by(&hooks)).with(&hooks), sizes.identities());
        known.extend(plane.settle()?);
        Ok(Self {
            plane,
            details,
            netns_room: Some(sizes.netns_room()),
            listener_room: Some(sizes.identities()),
            events,
            opening: Some((session, known)),
            sources,
            seen: 0,
            interval: settings.snapshot_every,
        })
    }

    async fn observe(&mut self, mut stopped: oneshot::Receiver<()>, asked: &Notify) -> Result<()> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut snapshots = tokio::time::interval(self.interval);
        snapshots.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut since_forgotten = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = asked.notified() => {
                    self.drain().await;
                    self.plane.book.await_owners();
                    self.snapshot(false).await?;
                    self.send(Event::Mark).await;
                }
                _ = snapshots.tick() => self.snapshot(false).await?,
                _ = poll.tick() => {}
            }
            self.drain().await;
            if since_forgotten.elapsed() > FORGET {
                since_forgotten = Instant::now();
                let news = self.plane.forget_closed()?;
                self.announce(news).await;
            }
            if self.events.is_closed() {
                return Ok(());
            }
        }
        self.drain().await;
        self.plane.book.await_owners();
        self.snapshot(true).await?;
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
            let news = self.plane.name(&details);
            self.announce(news).await;
            self.send(Event::Details(details)).await;
        }
    }

    async fn snapshot(&mut self, is_last: bool) -> Result<()> {
        let (news, mut snapshot) = self.plane.snapshot(is_last)?;
        if let Some(sources) = news_of(&mut self.sources, self.plane.book.sources()) {
            self.send(Event::Sources(sources)).await;
        }
        snapshot.details_seen = self.seen;
        self.announce(news).await;
        self.send(Event::Snapshot(Arc::new(snapshot))).await;
        self.say_where_there_is_no_room()
    }

    /// Says once for each table that it is full, and what that means.
    fn say_where_there_is_no_room(&mut self) -> Result<()> {
        if let Some(room) = self.netns_room
            && self.plane.maps.slots()?.len() >= room as usize
        {
            self.netns_room = None;
            log::warn!(
                "{room} network namespaces have listeners, and there is no room for more: what is lost in \
                 those that come now is not counted until others are gone"
            );
        }
        if let Some(room) = self.listener_room
            && self.plane.listeners() >= room as usize
        {
            self.listener_room = None;
            log::warn!(
                "{room} listeners are open or have closed a moment ago, and there is no room for more: what \
                 others lose is counted for their network namespace and shown as unlisted, until some are gone"
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
