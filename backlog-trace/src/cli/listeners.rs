//! `backlog-trace listeners`: every listener, both queues, what limits them,
//! owner and losses so far. Needs no eBPF.

use std::io::Write;

use clap::Args;

use super::observe::Filters;
use super::output::talk;
use super::{Format, descriptors, output};
use crate::failure::{Exit, Failure, Result};
use crate::listener::{Book, Filter, Unseen, survey};
use crate::view;
use crate::view::escape::Sanitized;

/// Every listener: both queues, limits and who sets them, owner, losses so far.
#[derive(Args, Clone, Debug)]
pub struct Listeners {
    /// Which listeners are shown.
    #[command(flatten)]
    pub filters: Filters,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs it.
///
/// # Errors
/// What is filtered for does not exist, this kernel does not list sockets, or
/// the output cannot be written.
pub fn run(listeners: &Listeners) -> Result<Exit> {
    descriptors::raise();
    if let Some(reason) = listeners.filters.reason.first() {
        let what = format!("--reason {} does not apply to 'listeners'", Sanitized(reason));
        return Err(
            Failure::new(Exit::Usage, what).advise("reasons are counted by 'live', 'hist' and 'report'")
        );
    }
    let filter = Filter::new(&listeners.filters)?;
    let mut book = Book::new();
    book.refresh();
    let unseen = book.unseen();
    if unseen.namespaces.len() >= book.namespaces().iter().count()
        && let Some((_, why)) = unseen.namespaces.first()
        && book.iter().next().is_none()
    {
        return Err(Failure::new(
            Exit::KernelUnable,
            format!("this kernel does not list TCP sockets: {why}"),
        )
        .advise("load the module tcp_diag (modprobe tcp_diag), or use a kernel with CONFIG_INET_DIAG"));
    }
    for warning in filter.check(&book)? {
        talk(&warning);
    }
    let standings = survey(&mut book, &filter);
    for sentence in sentences(&unseen) {
        talk(&sentence);
    }
    if standings.is_empty() {
        let what = if filter.is_empty() {
            "there is no TCP listener"
        } else {
            "no TCP listener matches the filters"
        };
        return if filter.is_empty() {
            talk(what);
            Ok(Exit::Success)
        } else {
            Err(Failure::new(Exit::NotFound, what)
                .advise("'backlog-trace listeners' without filters shows all of them"))
        };
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

/// What could not be seen, as sentences.
fn sentences(unseen: &Unseen) -> Vec<String> {
    let mut sentences = Vec::new();
    for (netns, why) in &unseen.namespaces {
        sentences.push(format!("network namespace {netns} is not shown: {}", Sanitized(why)));
    }
    let processes = unseen.processes.max(unseen.unread);
    if processes > 0 {
        let count = if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") };
        let advice = if rustix::process::geteuid().is_root() { "" } else { " (root sees more)" };
        sentences.push(format!(
            "{count} hidden: owners show as '-' there, and network namespaces that nobody else uses are not shown{advice}"
        ));
    }
    sentences
}
