//! What a test says that cannot run here, in the line that `cargo xtask test`
//! counts and lists: `skipped NAME: why`. A test that returns without it is
//! refused (`xtask/tests/skips.rs`). The library's own tests use it as well, so
//! it knows nothing of the program that is tested.

use std::io::Write as _;
use std::panic::Location;

use rustix::process::geteuid;

/// Why most of them cannot.
pub(crate) const NEEDS_ROOT: &str = "needs root";

/// Why what needs a fence cannot.
pub(crate) const NEEDS_LANDLOCK: &str = "needs a kernel with Landlock";

/// Says that the test on this thread could not run, or not all of it. To standard
/// error itself: what the printing macros print libtest shows of a failed test only.
#[track_caller]
pub(crate) fn skipped(why: &str) {
    let thread = std::thread::current();
    // Where tests run one after another (`--test-threads=1`), all run on `main`.
    let name = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => Location::caller().to_string(),
    };
    let _ = writeln!(std::io::stderr(), "skipped {name}: {why}");
}

/// Whether tests that change what a process may do or sees can run.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}
