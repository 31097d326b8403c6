//! The rungs of this build, and which of them are tried.

use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::{Exit, Failure, Result};

/// The rungs that this build has, best first.
pub const RUNGS: &[Rung] = &[Rung::Fentry, Rung::Kprobe, Rung::Tracepoint];

/// The rungs to try, in this order: all, or the one that was asked for.
///
/// # Errors
/// `KernelUnable` where this build does not have the rung that was asked for.
pub(crate) fn rungs(forced: Option<Rung>) -> Result<Vec<Rung>> {
    let Some(forced) = forced else { return Ok(RUNGS.to_vec()) };
    if RUNGS.contains(&forced) {
        return Ok(vec![forced]);
    }
    let names: Vec<_> = RUNGS.iter().map(|rung| rung.name()).collect();
    let what = format!("this build cannot attach by {}; it can by: {}", forced.name(), names.join(", "));
    Err(Failure::new(Exit::KernelUnable, what)
        .advise("leave out --rung: the best method is taken for each hook"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_that_was_asked_for_is_the_only_one() {
        assert_eq!(rungs(None).unwrap(), RUNGS);
        for rung in [Rung::Fentry, Rung::Kprobe, Rung::Tracepoint, Rung::Counters] {
            match rungs(Some(rung)) {
                Ok(only) => assert_eq!((only, RUNGS.contains(&rung)), (vec![rung], true)),
                Err(failure) => {
                    assert_eq!((failure.exit, RUNGS.contains(&rung)), (Exit::KernelUnable, false));
                    assert!(failure.what.contains(rung.name()), "{failure}");
                    assert!(RUNGS.iter().all(|rung| failure.what.contains(rung.name())), "{failure}");
                    assert!(failure.advice.is_some(), "{failure}");
                }
            }
        }
    }
}
