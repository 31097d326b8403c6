//! Whether this machine can be polled: for `check`.

use backlog_trace_model::check::unseen::NO_COUNTER;
use backlog_trace_model::check::{Attempt, Finding, Grade, Hook, Outcome, Trial, Tried};
use backlog_trace_model::event::Rung;

use super::hooks::is_polled;
use crate::listener::Book;

/// The last rung as `check` shows it beside the others.
pub(crate) fn finding() -> Finding {
    look(&mut Book::new())
}

fn look(book: &mut Book) -> Finding {
    book.refresh();
    let namespaces: Vec<u32> = book.namespaces().iter().map(crate::listener::Namespace::inode).collect();
    let mut why = "no network namespace may be looked at".to_owned();
    for netns in namespaces {
        match book.weigh(netns) {
            Ok(_) => return Finding::fine("polling", "sockets and counters can be polled (--rung counters)"),
            Err(error) => why = error.to_string(),
        }
    }
    Finding {
        subject: "polling",
        grade: Grade::Reduced,
        what: format!("sockets and counters cannot be polled: {why}"),
        advice: Some("load the module tcp_diag (modprobe tcp_diag)".to_owned()),
    }
}

/// What `check --rung counters` shows: each hook as polling stands in for it.
pub(crate) fn trial() -> Trial {
    let mut book = Book::new();
    let finding = look(&mut book);
    let able = finding.grade == Grade::Fine;
    let tried = |hook| {
        let (outcome, why) = match (is_polled(hook), able) {
            (false, _) => (Outcome::Absent, Some(NO_COUNTER.to_owned())),
            (true, true) => (Outcome::Attached, None),
            (true, false) => (Outcome::Refused, Some(finding.what.clone())),
        };
        Tried { hook, attempts: vec![Attempt { rung: Rung::Counters, outcome, why, advice: None }] }
    };
    Trial {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        hooks: Hook::all().map(tried).collect(),
        findings: vec![finding],
        sources: book.sources(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backlog_trace_model::check::Verdict;

    #[test]
    fn this_machine_can_be_polled_and_what_no_counter_shows_is_missing() {
        let trial = trial();
        assert_eq!(trial.verdict(), Verdict::Reduced, "{:?}", trial.findings);
        for tried in &trial.hooks {
            assert_eq!(tried.rung(), is_polled(tried.hook).then_some(Rung::Counters));
        }
    }
}
