//! Which listener a loss is charged to.

use super::moves::{accept_all, connect, refused};
use crate::arena::Arena;
use crate::expectation::{Expectation, Expected};
use crate::failure::{Failure, Result};
use crate::listener_socket::{Listen, ListenerSocket, Stack};
use crate::patience::wait;
use crate::reason::Reason;

/// Overflows listen(1) by `losses` SYNs, and says what must come of it.
fn overflow(arena: &mut Arena, listener: &ListenerSocket, losses: u64) -> Result<Expected> {
    connect(arena, listener, 2, false)?;
    for _ in 0..losses {
        let mut client = arena.client(listener)?;
        refused(arena, listener, || client.syn())?;
    }
    Ok(Expected::on(listener)
        .packets(Reason::SynAcceptQueueFull, losses)
        .sk_drops(losses)
        .syns(2 + losses)
        .established(2)
        .connections(losses, 0)
        .accept_queue(2, 1))
}

/// Three clients are served by a listener that loses nothing.
fn serve(arena: &mut Arena, listener: &ListenerSocket) -> Result<Expected> {
    connect(arena, listener, 3, false)?;
    let accepted = accept_all(listener)?;
    Ok(Expected::on(listener).sk_drops(0).syns(3).established(3).accepted(accepted).connections(0, 0))
}

/// Two listeners at once: the losses of one are not the other's.
pub(crate) fn two_listeners(arena: &mut Arena) -> Result<Expectation> {
    let full = arena.listen(Listen::on(8080, 1))?;
    let idle = arena.listen(Listen::on(8081, 128))?;
    arena.begin()?;
    let served = serve(arena, &idle)?;
    let lost = overflow(arena, &full, 3)?;
    Ok(Expectation::exactly([lost, served]))
}

/// One port at one address in two namespaces: only one of them overflows.
pub(crate) fn two_namespaces(arena: &mut Arena) -> Result<Expectation> {
    let other = arena.add_network()?;
    let full = arena.listen_in(other, Listen::on(8080, 1))?;
    let idle = arena.listen(Listen::on(8080, 128))?;
    arena.begin()?;
    let served = serve(arena, &idle)?;
    let lost = overflow(arena, &full, 3)?;
    Ok(Expectation::exactly([lost, served]))
}

/// Namespaces that come one after another while the tool attaches, each with a
/// listener that overflows once it has.
pub(crate) fn namespaces_meanwhile(arena: &mut Arena) -> Result<Expectation> {
    let open = |arena: &mut Arena| {
        let network = arena.add_network()?;
        arena.listen_in(network, Listen::on(8080, 1))
    };
    let idle = arena.listen(Listen::on(8080, 128))?;
    let [a, b, c, d] =
        arena.begin_while(|arena| Ok([open(arena)?, open(arena)?, open(arena)?, open(arena)?]))?;
    let served = serve(arena, &idle)?;
    let mut lose = |listener: &ListenerSocket| overflow(arena, listener, 3);
    Ok(Expectation::exactly([lose(&a)?, lose(&b)?, lose(&c)?, lose(&d)?, served]))
}

/// A namespace is gone before another one is made, to which the kernel gives
/// the inode number that has become free: what was lost in the one is not
/// counted to the other. Where it gets another number, both hold all the same.
pub(crate) fn namespace_again(arena: &mut Arena) -> Result<Expectation> {
    let first = arena.add_network()?;
    let idle = arena.listen(Listen::on(8080, 128))?;
    arena.begin()?;
    let served = serve(arena, &idle)?;
    let listener = arena.listen_in(first, Listen::on(8080, 1))?;
    let lost = overflow(arena, &listener, 5)?;
    listener.close()?;
    arena.remove_network()?;
    let second = arena.add_network_numbered(listener.netns)?;
    let listener = arena.listen_in(second, Listen::on(8080, 1))?;
    let lost_again = overflow(arena, &listener, 3)?;
    Ok(Expectation::exactly([lost, lost_again, served]))
}

/// A listener that opens when the tool is watching already.
pub(crate) fn opened_late(arena: &mut Arena) -> Result<Expectation> {
    arena.begin()?;
    let listener = arena.listen(Listen::on(8080, 1))?;
    let lost = overflow(arena, &listener, 3)?;
    Ok(Expectation::exactly([lost]))
}

/// A listener that has closed before the tool ends, so that only what the
/// tool kept can name it. Its connections were accepted before.
pub(crate) fn closed_early(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 1))?;
    arena.begin()?;
    let lost = overflow(arena, &listener, 3)?;
    let accepted = accept_all(&listener)?;
    listener.close()?;
    Ok(Expectation::exactly([lost.accepted(accepted)]))
}

/// A listener that opens, overflows and closes while the tool watches: nobody
/// saw it at the start, nobody can ask it at the end.
pub(crate) fn opened_late_closed_early(arena: &mut Arena) -> Result<Expectation> {
    arena.begin()?;
    let listener = arena.listen(Listen::on(8080, 1))?;
    let lost = overflow(arena, &listener, 3)?;
    let accepted = accept_all(&listener)?;
    listener.close()?;
    Ok(Expectation::exactly([lost.accepted(accepted)]))
}

/// One socket of two processes, as a prefork server has it: both own it.
pub(crate) fn prefork(arena: &mut Arena) -> Result<Expectation> {
    let listener = arena.listen(Listen::on(8080, 1))?;
    let other = arena.share(&listener)?;
    arena.begin()?;
    let lost = overflow(arena, &listener, 3)?;
    Ok(Expectation::exactly([lost.owner(std::process::id()).owner(other)]))
}

/// Two sockets of one port (SO_REUSEPORT), one small, one large. The kernel
/// deals the clients out by their addresses, so clients come until the small
/// one has refused three; which member met which is asked of both.
pub(crate) fn reuseport(arena: &mut Arena) -> Result<Expectation> {
    const MOST_CLIENTS: u32 = 200;
    let small = arena.listen(Listen::on(8080, 1).shared())?;
    let large = arena.listen(Listen::on(8080, 1024).shared())?;
    arena.begin()?;
    let mut losses = 0;
    for _ in 0..MOST_CLIENTS {
        let mut client = arena.client(&small)?;
        let queued = small.accept_queue()? + large.accept_queue()?;
        client.syn()?;
        let mut answered = false;
        wait("an answer or a refusal", || {
            answered = client.heard_synack(std::time::Duration::ZERO)?;
            Ok(answered || arena.moved_at(&small, "ListenDrops")? > losses)
        })?;
        if answered {
            client.ack()?;
            wait("a connection in an accept queue", || {
                Ok(small.accept_queue()? + large.accept_queue()? > queued)
            })?;
            continue;
        }
        losses += 1;
        if losses == 3 {
            break;
        }
    }
    if losses < 3 {
        let dealt = format!("{losses} of {MOST_CLIENTS} clients were refused");
        return Err(Failure::unexpected("the small member of the group was not filled", dealt));
    }
    let [small_holds, large_holds] = [&small, &large].map(|member| member.accept_queue().map(u64::from));
    let (small_holds, large_holds) = (small_holds?, large_holds?);
    Ok(Expectation::exactly([
        Expected::on(&small)
            .packets(Reason::SynAcceptQueueFull, losses)
            .sk_drops(losses)
            .syns(small_holds + losses)
            .established(small_holds)
            .connections(losses, 0)
            .accept_queue(2, 1),
        Expected::on(&large)
            .sk_drops(0)
            .syns(large_holds)
            .established(large_holds)
            .connections(0, 0)
            .accept_queue(large_holds, 1024),
    ]))
}

/// Two sockets of one port (SO_REUSEPORT) that both overflow: each member's
/// losses are its own. How the kernel dealt them out, the members say.
pub(crate) fn reuseport_all_full(arena: &mut Arena) -> Result<Expectation> {
    const CLIENTS: u32 = 24;
    let members = [arena.listen(Listen::on(8080, 1).shared())?, arena.listen(Listen::on(8080, 1).shared())?];
    let [one, other] = &members;
    arena.begin()?;
    for _ in 0..CLIENTS {
        let mut client = arena.client(one)?;
        let held = |arena: &Arena| -> Result<u64> {
            let queued = u64::from(one.accept_queue()? + other.accept_queue()?);
            Ok(queued + arena.moved_at(one, "ListenDrops")?)
        };
        let before = held(arena)?;
        client.syn()?;
        let mut answered = false;
        wait("an answer or a refusal", || {
            answered = client.heard_synack(std::time::Duration::ZERO)?;
            Ok(answered || held(arena)? > before)
        })?;
        if answered {
            client.ack()?;
            wait("a connection in an accept queue", || Ok(held(arena)? > before))?;
        }
    }
    let mut expected = Vec::new();
    for member in &members {
        let (queued, lost) = (u64::from(member.accept_queue()?), u64::from(member.drops()?));
        if queued != 2 || lost == 0 {
            let dealt = format!("{queued} connections wait, {lost} were refused");
            return Err(Failure::unexpected("a member of the group was not filled", dealt));
        }
        expected.push(
            Expected::on(member)
                .packets(Reason::SynAcceptQueueFull, lost)
                .sk_drops(lost)
                .syns(queued + lost)
                .established(queued)
                .connections(lost, 0)
                .accept_queue(2, 1),
        );
    }
    Ok(Expectation::exactly(expected))
}

/// One port, once at the address that clients connect to and once at any: the
/// kernel prefers the first, which overflows.
pub(crate) fn specific_address(arena: &mut Arena) -> Result<Expectation> {
    let any = arena.listen(Listen::on(8080, 1024).shared())?;
    let full = arena.listen(Listen::on(8080, 1).stack(Stack::V4Address).shared())?;
    arena.begin()?;
    let lost = overflow(arena, &full, 3)?;
    Ok(Expectation::exactly([lost, Expected::on(&any).sk_drops(0).connections(0, 0)]))
}
