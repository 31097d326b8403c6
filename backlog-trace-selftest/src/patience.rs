//! Waiting for what must happen, instead of sleeping and hoping.

use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// How long anything that must happen may take. Long, because an emulated
/// machine may need a second for what takes a microsecond here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// Waits until a condition holds.
pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() >= deadline {
            let waited = format!("it did not happen in {} s", PATIENCE.as_secs());
            return Err(Failure::unexpected(format!("waited for {what}"), waited));
        }
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_asked_until_it_holds_and_its_error_ends_the_wait() {
        let mut asked = 0;
        wait("the third time", || {
            asked += 1;
            Ok(asked == 3)
        })
        .unwrap();
        assert_eq!(asked, 3);
        assert!(wait("an error", || Err(Failure::unexpected("asking", "no answer"))).is_err());
    }
}
