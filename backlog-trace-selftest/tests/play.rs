//! A scenario played for real, and no tool beside it: the kernel counts what the
//! scenario was built to give.

use std::io::Write as _;

use backlog_trace_selftest::{Format, Kind, Settings, play};

/// IPv4 alone, so that it can be played wherever a private network can be made.
const SCENARIO: &str = "syn_accept_queue_full";

#[test]
fn the_kernel_counts_what_the_scenario_was_built_to_give() {
    let mut said = Vec::new();
    match play(SCENARIO, &Settings::default(), Format::Text, &mut said) {
        Ok(as_built) => {
            let said = String::from_utf8(said).unwrap();
            assert!(as_built && said.contains("kernel counted ListenDrops 4, ListenOverflows 4"), "{said}");
        }
        Err(failure) if matches!(failure.kind, Kind::NotPermitted | Kind::KernelUnable) => {
            skipped(&failure.what);
        }
        Err(failure) => panic!("{failure:?}"),
    }
}

/// Says that this test could not run, to standard error itself: what the printing
/// macros print libtest shows of a failed test only.
fn skipped(why: &str) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "skipped {}: {why}", thread.name().unwrap_or_default());
}
