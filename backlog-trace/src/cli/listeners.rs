//! `backlog-trace listeners`: every listener, both queues, what limits them,
//! owner and losses so far. Needs no eBPF.

use std::io::Write;
use std::time::Duration;

use backlog_trace_model::event::{Reach, SourceState};
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::listener::{Filter, Order, Standing};
use backlog_trace_model::view;
use clap::{Args, ValueEnum};

use super::missing::Missing;
use super::observe::{Filters, parse_duration};
use super::output::talk;
use super::{Format, descriptors, output, watch};
use crate::listener::{Book, check, survey};
use crate::resource_limits;

/// Every listener: both queues, limits and who sets them, owner, losses so far.
#[derive(Args, Clone, Debug)]
pub(super) struct Listeners {
    /// Which listeners are shown.
    #[command(flatten)]
    pub filters: Filters,
    /// Which come first; the members of a reuseport group stand under one another.
    #[arg(long, value_enum, default_value_t)]
    pub sort: Sort,
    /// Only so many: the first of this order.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// Show them again and again, e.g. every 5s (default: 1s), until it is interrupted.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1s", value_parser = parse_duration)]
    pub watch: Option<Duration>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What decides which listener comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum Sort {
    /// Most drops first, then the fullest accept queue.
    #[default]
    Losses,
    /// The fullest accept queue first, then most drops.
    Queue,
    /// By port.
    Port,
    /// By the name of the first process that holds the socket.
    Owner,
}

impl From<Sort> for Order {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Losses => Self::Losses,
            Sort::Queue => Self::Queue,
            Sort::Port => Self::Port,
            Sort::Owner => Self::Owner,
        }
    }
}

/// Runs it.
///
/// # Errors
/// What is filtered for does not exist, this kernel does not list sockets, or
/// the output cannot be written.
pub(super) fn run(listeners: &Listeners) -> Result<Exit> {
    descriptors::raise();
    resource_limits::threads()?;
    if let Some(reason) = listeners.filters.reason.first() {
        let what = format!("--reason {reason} does not apply to 'listeners'");
        return Err(
            Failure::new(Exit::Usage, what).advise("reasons are counted by 'live', 'hist' and 'report'")
        );
    }
    let filter = listeners.filters.listeners()?;
    let mut book = Book::new();
    let standings = look(listeners, &filter, &mut book)?;
    for warning in check(&filter, &book)? {
        talk(&warning);
    }
    let sources = book.sources();
    Missing::default().say(&sources);
    if let Some(every) = listeners.watch {
        if listeners.format == Format::Json {
            return Err(Failure::new(Exit::Usage, "--watch does not apply to --format json")
                .advise("a program runs 'listeners --format json' as often as it needs to"));
        }
        return watch::every(every, || {
            let standings = look(listeners, &filter, &mut book)?;
            Ok(view::listeners::text(&standings, output::columns()))
        });
    }
    if standings.is_empty() {
        return nothing(&filter, &sources);
    }
    let mut out = output::stdout();
    let written = match listeners.format {
        Format::Text => out.write_all(view::listeners::text(&standings, output::columns()).as_bytes()),
        Format::Json => view::listeners::json(&standings, &mut out),
    };
    match written.and_then(|()| out.flush()) {
        Err(error) => output::failure(&error).map_or(Ok(Exit::Success), Err),
        Ok(()) => Ok(Exit::Success),
    }
}

/// How those stand now that are asked for, in the order that is asked for.
fn look(asked: &Listeners, filter: &Filter, book: &mut Book) -> Result<Vec<Standing>> {
    book.refresh();
    if let Some(failure) = unable(book, &book.sources()) {
        return Err(failure);
    }
    let mut standings = survey(book, filter);
    Order::from(asked.sort).sort(&mut standings);
    if let Some(top) = asked.top {
        standings.truncate(usize::try_from(top).unwrap_or(usize::MAX));
    }
    Ok(standings)
}

/// Why nothing at all can be shown: /proc is not there, or the sockets of no
/// namespace are listed.
fn unable(book: &Book, sources: &[SourceState]) -> Option<Failure> {
    let unseen = book.unseen();
    let is_listed = book
        .namespaces()
        .iter()
        .any(|namespace| !unseen.namespaces.iter().any(|(netns, _)| *netns == namespace.inode()));
    if is_listed {
        return None;
    }
    let missing = sources.iter().find(|state| state.state == Reach::Missing);
    let failure = match missing.and_then(|state| Some((state.sentence()?, state.source.row()?))) {
        Some((sentence, row)) => Failure::new(Exit::KernelUnable, sentence).advise(row.advice),
        None => {
            let why = unseen.namespaces.into_iter().next().map_or_else(
                || "no network namespace was found".to_owned(),
                |(netns, why)| format!("network namespace {netns}: {why}"),
            );
            Failure::new(Exit::KernelUnable, format!("no TCP socket can be listed: {why}"))
                .advise("'backlog-trace check' says what is missing")
        }
    };
    Some(failure)
}

/// No listener is shown. That there is none is certain only where everything
/// was looked at.
fn nothing(filter: &Filter, sources: &[SourceState]) -> Result<Exit> {
    let hides = |state: &&SourceState| state.state != Reach::Whole && state.hides_listeners();
    let seen_all = !sources.iter().any(|state| hides(&state));
    if !filter.is_empty() {
        let what = if seen_all {
            "no TCP listener matches the filters"
        } else {
            "no TCP listener that can be seen matches the filters"
        };
        return Err(Failure::new(Exit::NotFound, what)
            .advise("'backlog-trace listeners' without filters shows all of them"));
    }
    if seen_all {
        talk("there is no TCP listener");
        return Ok(Exit::Success);
    }
    talk("no TCP listener can be seen; there may be some where it is not possible to look");
    Ok(Exit::Reduced)
}
