//! What the tool concludes: each finding with the same load beside it under
//! which it must not be found.

use std::time::Duration;

use super::loaded::Loaded;
use super::moves::{accept_all, connect, half_open, refused};
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::{Failure, Result};
use crate::found::Found;
use crate::listener_socket::{Listen, ListenerSocket};
use crate::network::sysctl;
use crate::patience::wait;
use crate::reason::Reason;

/// Longer by a snapshot of the tool (1 s) than a listener must have accepted nothing
/// to be said not to accept: an accept() counts as old as the snapshot that shows it.
const STALL: Duration = Duration::from_millis(2300);

/// Sixty clients within a hundred milliseconds, six before each accept(): 51
/// wait at once where there is room, so that listen(50) refuses nobody,
/// listen(49) the last one, and listen(8) most.
pub(crate) fn burst(arena: &mut Arena) -> Result<Expectation> {
    const NEEDED: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    let small = arena.listen(Listen::on(8080, 8))?;
    let enough = arena.listen(Listen::on(8081, 50))?;
    let one_less = arena.listen(Listen::on(8082, 49))?;
    let half = arena.listen(Listen::on(8083, 25))?;
    arena.begin()?;
    let mut all = [
        Loaded::new(&small, 8),
        Loaded::new(&enough, NEEDED),
        Loaded::new(&one_less, NEEDED - 1),
        Loaded::new(&half, NEEDED / 2),
    ];
    for _ in 0..10 {
        for listener in &mut all {
            (0..6).try_for_each(|_| listener.comes(arena))?;
            listener.accepts()?;
        }
        std::thread::sleep(PAUSE);
    }
    while all.iter().any(Loaded::holds) {
        all.iter_mut().try_for_each(Loaded::accepts)?;
        std::thread::sleep(PAUSE);
    }
    let found = |loaded: &Loaded<'_>| {
        Found::of("burst")
            .with("lost_clients", loaded.refused)
            .with("needed_limit", NEEDED)
            // Half of what is advised must refuse somebody again.
            .within("advised_limit", NEEDED + 1..=2 * NEEDED)
            // One at a step, and a step takes its pause at least.
            .within("accepts_per_second", 0..=150)
    };
    let [of_small, of_enough, of_one_less, of_half] = &all;
    Ok(Expectation::exactly([
        lost(&small, of_small).finds([found(of_small)]),
        lost(&enough, of_enough).finds([
            Found::of("close_to_limit").with("longest_queue", NEEDED + 1),
            Found::perhaps("slow_to_accept"),
        ]),
        lost(&one_less, of_one_less).finds([found(of_one_less)]),
        lost(&half, of_half).finds([found(of_half)]),
    ]))
}

/// Three seconds of clients who come six times as fast as they are accepted: a
/// queue of 4 loses, and one ten times as long loses too. Beside them the same
/// clients where each is accepted as it comes.
pub(crate) fn accepts_too_slowly(arena: &mut Arena) -> Result<Expectation> {
    let small = arena.listen(Listen::on(8080, 4))?;
    let large = arena.listen(Listen::on(8081, 40))?;
    let fast = arena.listen(Listen::on(8082, 4))?;
    arena.begin()?;
    let mut slow = [Loaded::new(&small, 4), Loaded::new(&large, 40)];
    let mut healthy = Loaded::new(&fast, 4);
    for step in 1..=150 {
        healthy.comes(arena)?;
        healthy.accepts()?;
        for listener in &mut slow {
            listener.comes(arena)?;
            if step % 6 == 0 {
                listener.accepts()?;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let found = |loaded: &Loaded<'_>| {
        [Found::of("accepts_too_slowly")
            .with("lost_clients", loaded.refused)
            .with("longest_queue", loaded.longest)
            .within("acceptors_factor", 3..=9)]
    };
    let [of_small, of_large] = &slow;
    Ok(Expectation::exactly([
        lost(&small, of_small).finds(found(of_small)),
        lost(&large, of_large).finds(found(of_large)),
        lost(&fast, &healthy).finds([]),
    ]))
}

/// listen(4) and eight clients, of whom three are refused. One listener never
/// accepts, one stopped after its first client, one accepts in the end, one
/// accepts each as it comes; and to one, long idle, all come at the very end,
/// which says nothing of whether it accepts.
pub(crate) fn not_accepting(arena: &mut Arena) -> Result<Expectation> {
    let never = arena.listen(Listen::on(8080, 4))?;
    let stopped = arena.listen(Listen::on(8081, 4))?;
    let late = arena.listen(Listen::on(8082, 4))?;
    let fast = arena.listen(Listen::on(8083, 4))?;
    let idle = arena.listen(Listen::on(8084, 4))?;
    arena.begin()?;
    let mut all = [&never, &stopped, &late, &fast, &idle].map(|listener| Loaded::new(listener, 4));
    let [of_never, of_stopped, of_late, of_fast, of_idle] = &mut all;
    for listener in [&mut *of_stopped, &mut *of_idle] {
        listener.comes(arena)?;
        listener.accepts()?;
    }
    for _ in 0..8 {
        of_never.comes(arena)?;
        of_stopped.comes(arena)?;
        of_late.comes(arena)?;
        of_fast.comes(arena)?;
        of_fast.accepts()?;
    }
    std::thread::sleep(STALL);
    while of_late.holds() {
        of_late.accepts()?;
    }
    (0..8).try_for_each(|_| of_idle.comes(arena))?;
    let found = || {
        [Found::of("not_accepting")
            .with("waiting", 5)
            .with("lost_clients", 3)
            .within("nothing_accepted_seconds", 1..=60)]
    };
    Ok(Expectation::exactly([
        lost(&never, of_never).finds(found()),
        lost(&stopped, of_stopped).finds(found()),
        lost(&late, of_late).finds([Found::of("burst").with("lost_clients", 3).with("needed_limit", 7)]),
        lost(&fast, of_fast).finds([]),
        lost(&idle, of_idle).finds([Found::of("accept_queue_full").with("lost_clients", 3)]),
    ]))
}

/// Three connections and four half-open requests on listen(4), whose accept
/// queue holds five: the final ACKs of two clients are refused. In one
/// namespace in silence, so that they believe they are connected, and one sends
/// data; in another, with tcp_abort_on_overflow, by a RST. On listen(16) all get in.
pub(crate) fn fooled_and_reset(arena: &mut Arena) -> Result<Expectation> {
    let strict = arena.add_network()?;
    arena.within(strict, || sysctl("net/ipv4/tcp_abort_on_overflow", 1))?;
    let fooling = arena.listen(Listen::on(8080, 4))?;
    let resetting = arena.listen_in(strict, Listen::on(8080, 4))?;
    let roomy = arena.listen(Listen::on(8081, 16))?;
    arena.begin()?;
    let mut expected = Vec::new();
    for (listener, resets) in [(&fooling, false), (&resetting, true)] {
        connect(arena, listener, 3, false)?;
        let mut clients = half_open(arena, listener, 4, false)?;
        let mut late = clients.split_off(2);
        clients.iter_mut().try_for_each(crate::client::Client::ack)?;
        wait("five connections in the accept queue", || Ok(listener.accept_queue()? == 5))?;
        for client in &mut late {
            refused(arena, listener, || client.ack())?;
            if resets {
                client.hear_reset()?;
            }
        }
        if let Some(client) = late.first_mut().filter(|_| !resets) {
            refused(arena, listener, || client.data(b"GET / HTTP/1.1\r\n"))?;
        }
        let accepted = accept_all(listener)?;
        let told = if resets {
            Found::of("resets").with("resets", 2)
        } else {
            Found::of("fooled_clients").with("clients", 2).with("sent_data", 1)
        };
        let packets = if resets { 2 } else { 3 };
        expected.push(
            Expected::on(listener)
                .packets(Reason::AckAcceptQueueFull, packets)
                .sk_drops(2 * packets)
                .syns(7)
                .established(5)
                .accepted(accepted)
                .connections(2, 0)
                .finds([told, Found::of("burst").with("lost_clients", 2).with("needed_limit", 6)]),
        );
    }
    connect(arena, &roomy, 7, false)?;
    let accepted = accept_all(&roomy)?;
    expected.push(Expected::on(&roomy).syns(7).accepted(accepted).sk_drops(0).finds(unhurt()));
    Ok(Expectation::exactly(expected))
}

/// Two listeners close: one with three connections unaccepted and two half-open
/// requests, one when it has accepted all.
pub(crate) fn closing(arena: &mut Arena) -> Result<Expectation> {
    let hasty = arena.listen(Listen::on(8080, 16))?;
    let patient = arena.listen(Listen::on(8081, 16))?;
    arena.begin()?;
    for listener in [&hasty, &patient] {
        connect(arena, listener, 3, false)?;
    }
    let accepted = accept_all(&patient)?;
    half_open(arena, &hasty, 2, false)?;
    hasty.close()?;
    patient.close()?;
    Ok(Expectation::exactly([
        Expected::on(&hasty)
            .packets(Reason::ListenerClosed, 5)
            .syns(5)
            .finds([Found::of("lost_by_restart").with("lost_connections", 5)]),
        Expected::on(&patient).syns(3).accepted(accepted).finds(unhurt()),
    ]))
}

/// Three sockets of one port (SO_REUSEPORT), of which one does not accept, and
/// two of another port of which neither does: only the first is uneven. The
/// kernel deals clients out by their addresses, so they come until the one has
/// refused nine, and until both of the others have refused one.
pub(crate) fn reuseport_skew(arena: &mut Arena) -> Result<Expectation> {
    let group = |arena: &mut Arena, port| arena.listen(Listen::on(port, 4).shared());
    let uneven = [group(arena, 8080)?, group(arena, 8080)?, group(arena, 8080)?];
    let even = [group(arena, 8081)?, group(arena, 8081)?];
    arena.begin()?;
    let [stuck, busy @ ..] = &uneven;
    deal(
        arena,
        &[stuck, &busy[0], &busy[1]],
        || Ok(stuck.drops()? >= 9),
        || busy.iter().try_for_each(|member| accept_all(member).map(drop)),
    )?;
    deal(arena, &[&even[0], &even[1]], || Ok(even[0].drops()? > 0 && even[1].drops()? > 0), || Ok(()))?;
    std::thread::sleep(STALL);
    let full = |member: &ListenerSocket| -> Result<(Expected, u32)> {
        let lost = member.drops()?;
        let expected = Expected::on(member).packets(Reason::SynAcceptQueueFull, lost.into());
        Ok((expected.connections(lost.into(), 0).accept_queue(5, 4), lost))
    };
    let stall = |lost| Found::of("not_accepting").with("waiting", 5).with("lost_clients", lost);
    let (expected, lost) = full(stuck)?;
    let skew = Found::of("reuseport_skew")
        .with("members", 3)
        .with("lost_packets", lost)
        .with("lost_by_others", 0)
        .with("members_without_loss", 2);
    let mut all = vec![expected.finds([skew, stall(lost)])];
    for member in &even {
        let (expected, lost) = full(member)?;
        all.push(expected.finds([stall(lost)]));
    }
    all.extend(busy.iter().map(|member| Expected::on(member).sk_drops(0).finds(unhurt())));
    Ok(Expectation::exactly(all))
}

/// Sends clients to a group until it is `done`, and lets it accept after each.
fn deal(
    arena: &mut Arena,
    group: &[&ListenerSocket],
    done: impl Fn() -> Result<bool>,
    accept: impl Fn() -> Result<()>,
) -> Result<()> {
    const MOST_CLIENTS: u32 = 300;
    let [first, ..] = group else { return Ok(()) };
    let queued = || -> Result<u32> { group.iter().map(|member| member.accept_queue()).sum() };
    for _ in 0..MOST_CLIENTS {
        if done()? {
            return Ok(());
        }
        let mut client = arena.client(first)?;
        let (before, lost) = (queued()?, arena.moved_at(first, "ListenDrops")?);
        client.syn()?;
        let mut answered = false;
        wait("an answer or a refusal", || {
            answered = client.heard_synack(Duration::ZERO)?;
            Ok(answered || arena.moved_at(first, "ListenDrops")? > lost)
        })?;
        if answered {
            client.ack()?;
            wait("a connection in an accept queue", || Ok(queued()? > before))?;
        }
        accept()?;
    }
    Err(Failure::unexpected("the group was not filled", format!("{MOST_CLIENTS} clients came")))
}

/// A listener whose queue was nearly full, and one whose queue never was: nobody
/// was refused, and the tool says so.
pub(crate) fn nobody_refused(arena: &mut Arena) -> Result<Expectation> {
    let close = arena.listen(Listen::on(8080, 10))?;
    let healthy = arena.listen(Listen::on(8081, 10))?;
    arena.begin()?;
    connect(arena, &close, 9, false)?;
    connect(arena, &healthy, 8, false)?;
    let accepted = [accept_all(&close)?, accept_all(&healthy)?];
    let nearly = Found::of("close_to_limit").with("longest_queue", 9).with("limit", 10);
    Ok(Expectation::exactly([
        Expected::on(&close)
            .syns(9)
            .accepted(accepted[0])
            .sk_drops(0)
            .finds([nearly, Found::perhaps("slow_to_accept")]),
        Expected::on(&healthy).syns(8).accepted(accepted[1]).sk_drops(0).finds(unhurt()),
    ]))
}

/// Five clients who each wait 150 ms for accept(), and five who do not.
pub(crate) fn slow_to_accept(arena: &mut Arena) -> Result<Expectation> {
    let slow = arena.listen(Listen::on(8080, 16))?;
    let fast = arena.listen(Listen::on(8081, 16))?;
    arena.begin()?;
    for _ in 0..5 {
        connect(arena, &fast, 1, false)?;
        accept_all(&fast)?;
    }
    connect(arena, &slow, 5, false)?;
    std::thread::sleep(Duration::from_millis(150));
    let accepted = accept_all(&slow)?;
    Ok(Expectation::exactly([
        Expected::on(&slow).accepted(accepted).sk_drops(0).finds([Found::of("slow_to_accept")
            .with("long_waits", 5)
            .with("accepted", 5)
            .within("longest_wait_us_at_least", 100_000..=1_000_000)]),
        Expected::on(&fast).accepted(5).sk_drops(0).finds([]),
    ]))
}

/// What a load of [`Loaded`] came to.
fn lost(listener: &ListenerSocket, loaded: &Loaded<'_>) -> Expected {
    Expected::on(listener)
        .packets(Reason::SynAcceptQueueFull, loaded.refused.into())
        .sk_drops(loaded.refused.into())
        .accepted(loaded.accepted.into())
        .connections(loaded.refused.into(), 0)
}

/// Nothing wrong; on a slow machine a client may wait for those after it.
fn unhurt() -> [Found; 1] {
    [Found::perhaps("slow_to_accept")]
}
