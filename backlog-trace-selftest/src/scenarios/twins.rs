//! Identical SYNs on two CPUs at once.

use std::hint::spin_loop;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::arena::Arena;
use crate::counters::{SYN_RETRANSMITS, SYNACKS_SPARED};
use crate::expectation::{Expectation, Expected};
use crate::failure::{Failure, Kind, Result};
use crate::listener_socket::{Listen, ListenerSocket};
use crate::reason::Reason;
use crate::segment::Segment;
use crate::tun::Wire;

/// SYNs that are to be lost to their twins.
const WANTED: u64 = 5;

/// Pairs that are sent at most until so many are.
const MOST: u32 = 10_000;

/// How long that may take; nothing is expected of a machine that is too busy.
const LONGEST: Duration = Duration::from_secs(15);

/// How long both of two answers may take; shorter than the first retransmit's
/// second.
const MOMENT: Duration = Duration::from_millis(100);

/// What the kernel counts of a SYN whose request is there already: it is
/// answered, or was answered a moment ago (`tcp_check_req()`).
const ANSWERED: [&str; 2] = [SYN_RETRANSMITS, SYNACKS_SPARED];

/// Pairs of identical SYNs, each sent by two threads in the same moment. Where
/// both look for a request before either has made one, both make one, and the
/// later one finds the other's in its place (`inet_csk_reqsk_queue_hash_add()`):
/// that SYN gets no answer and moves no counter. Otherwise the later SYN
/// finds the request, which counters tell. The client resets it each time.
///
/// That function tells of another request since 6.10, 6.6.38 and 6.1.97. Before,
/// both requests stay and both SYNs are answered: such a kernel loses none.
pub(crate) fn at_once(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 1024))?;
    arena.begin()?;
    let (own, wire) = (arena.wire(0)?, arena.wire(0)?);
    let syns = (0..MOST).map(|_| Ok(syn(arena.route(0, false, listener.address.port())?)));
    let syns = syns.collect::<Result<Vec<Segment>>>()?;
    let pace = Pace::default();
    let began = Instant::now();
    thread::scope(|scope| {
        let twin = scope.spawn(|| pace.follow(&wire, &syns));
        let (mut pairs, mut lost) = (0, 0);
        let sent = syns.iter().try_for_each(|syn| {
            if lost == WANTED || began.elapsed() > LONGEST {
                return Ok(());
            }
            // What nobody takes fills the device until it drops answers.
            own.drain(|_| ())?;
            let before = answered(arena, &listener)?;
            own.send_when(syn, || {
                pace.lead();
                true
            })?;
            pace.wait();
            pairs += 1;
            if answered(arena, &listener)? == before {
                if synacks(&own, syn)? > 1 {
                    let why = "this kernel makes a request of each of two identical SYNs";
                    return Err(Failure::new(Kind::ScenarioUnable, why));
                }
                lost += 1;
            }
            own.send(&Segment { seq: syn.seq + 1, syn: false, rst: true, ..syn.clone() })?;
            arena.until(&listener, "EmbryonicRsts", pairs)
        });
        pace.stop();
        let panicked = |_| Err(Failure::new(Kind::Unexpected, "the thread that sends twins panicked"));
        sent.and(twin.join().unwrap_or_else(panicked))?;
        if lost == 0 {
            let many = format_args!("{pairs} pairs were sent");
            return Err(Failure::unexpected("no SYN was lost to its twin", many));
        }
        Ok(Expectation::exactly([Expected::on(&listener)
            .packets(Reason::SynDuplicate, lost)
            .packets(Reason::RequestReset, pairs)
            .sk_drops(pairs + (pairs - lost))
            .syns(pairs + lost)
            .established(0)]))
    })
}

fn answered(arena: &Arena, listener: &ListenerSocket) -> Result<u64> {
    ANSWERED.iter().map(|counter| arena.moved_at(listener, counter)).sum()
}

/// SYN+ACKs for this SYN's client, of which two are waited for.
fn synacks(wire: &Wire, syn: &Segment) -> Result<u32> {
    let deadline = Instant::now() + MOMENT;
    let mut heard = 0;
    loop {
        wire.drain(|segment| heard += u32::from(segment.syn && segment.to == syn.from))?;
        let left = deadline.saturating_duration_since(Instant::now());
        if heard > 1 || left.is_zero() {
            return Ok(heard);
        }
        wire.wait(left)?;
    }
}

fn syn((from, to): (SocketAddr, SocketAddr)) -> Segment {
    let (seq, payload) = (0x1000_0000, Vec::new());
    Segment { from, to, seq, ack: None, syn: true, rst: false, stamp: None, payload }
}

/// Two threads that send the same in the same moment. Each waits for the other
/// awake, because one that sleeps wakes up too late.
#[derive(Default)]
struct Pace {
    led: AtomicU32,
    followed: AtomicU32,
}

impl Pace {
    /// Nothing is led after this.
    const STOP: u32 = u32::MAX;

    fn lead(&self) {
        self.led.fetch_add(1, Ordering::SeqCst);
    }

    /// Until the other thread has sent as many, or has failed.
    fn wait(&self) {
        let led = self.led.load(Ordering::SeqCst);
        while self.followed.load(Ordering::SeqCst) < led {
            spin_loop();
        }
    }

    fn stop(&self) {
        self.led.store(Self::STOP, Ordering::SeqCst);
    }

    fn follow(&self, wire: &Wire, segments: &[Segment]) -> Result<()> {
        for (at, segment) in (1..).zip(segments) {
            let mut led = 0;
            let sent = wire.send_when(segment, || {
                while led < at {
                    spin_loop();
                    led = self.led.load(Ordering::SeqCst);
                }
                led != Self::STOP
            });
            let failed = sent.is_err();
            self.followed.store(if failed { Self::STOP } else { at }, Ordering::SeqCst);
            if failed || led == Self::STOP {
                return sent;
            }
        }
        Ok(())
    }
}
