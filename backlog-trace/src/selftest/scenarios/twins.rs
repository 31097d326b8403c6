//! Identical SYNs on two CPUs at once.

use std::hint::spin_loop;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use backlog_trace_common::reason::Reason;
use backlog_trace_model::failure::{Exit, Failure, Result};

use crate::selftest::arena::Arena;
use crate::selftest::expectation::{Expectation, Expected};
use crate::selftest::listener_socket::{Listen, ListenerSocket};
use crate::selftest::segment::Segment;
use crate::selftest::tun::Wire;

/// SYNs that are to be lost to their twins.
const WANTED: u64 = 5;

/// Pairs that are sent at most until so many are.
const MOST: u32 = 10_000;

/// How long that may take; nothing is expected of a machine that is too busy.
const LONGEST: Duration = Duration::from_secs(15);

/// What the kernel counts of a SYN whose request is there already: it is
/// answered, or was answered a moment ago (`tcp_check_req()`).
const ANSWERED: [&str; 2] = ["TCPSynRetrans", "TCPACKSkippedSynRecv"];

/// Pairs of identical SYNs, each sent by two threads in the same moment. Where
/// both look for a request before either has made one, both make one, and the
/// later one finds the other's in its place (`inet_csk_reqsk_queue_hash_add()`):
/// that SYN gets no answer and moves no counter. Otherwise the later SYN
/// finds the request, which counters tell. The client resets it each time.
pub(in crate::selftest) fn at_once(arena: &mut Arena) -> Result<Expectation> {
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
            let before = answered(arena, &listener)?;
            own.send_when(syn, || {
                pace.lead();
                true
            })?;
            pace.wait();
            pairs += 1;
            lost += 1 - (answered(arena, &listener)? - before).min(1);
            own.send(&Segment { seq: syn.seq + 1, syn: false, rst: true, ..syn.clone() })?;
            arena.until(&listener, "EmbryonicRsts", pairs)
        });
        pace.stop();
        let panicked = |_| Err(Failure::new(Exit::Internal, "the thread that sends twins panicked"));
        sent.and(twin.join().unwrap_or_else(panicked))?;
        if lost == 0 {
            let many = format_args!("{pairs} pairs were sent");
            return Err(Failure::internal("no SYN was lost to its twin", many));
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
