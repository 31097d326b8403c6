//! Counters that the kernel side reads by one load because they are neighbours.

use backlog_trace_common::globals::ABSENT;
use backlog_trace_model::failure::{Exit, Failure, Result};

/// ListenDrops must be the slot after ListenOverflows (so since 2.6, up to 7.2).
///
/// # Errors
/// `KernelUnable` where it is not.
pub fn check_overflow_pair(overflows: u32, drops: u32) -> Result<()> {
    if drops != ABSENT && overflows.checked_add(1) == Some(drops) {
        return Ok(());
    }
    Err(apart("ListenOverflows", overflows, "ListenDrops", drops))
}

/// TCPReqQFullDrop and TCPReqQFullDoCookies must be neighbours, in either order.
///
/// # Errors
/// `KernelUnable` where they are not.
pub fn check_queue_full_pair(do_cookies: u32, full_drop: u32) -> Result<()> {
    if do_cookies != ABSENT && full_drop != ABSENT && do_cookies.abs_diff(full_drop) == 1 {
        return Ok(());
    }
    Err(apart("TCPReqQFullDoCookies", do_cookies, "TCPReqQFullDrop", full_drop))
}

fn apart(first: &str, first_at: u32, second: &str, second_at: u32) -> Failure {
    let what = format!(
        "this kernel keeps its counters in an unknown order: {first} is number {first_at} and {second} is number {second_at}, not its neighbour"
    );
    Failure::new(Exit::KernelUnable, what).advise("please report this together with the output of `uname -a`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(result: Result<()>, expected: bool) {
        assert_eq!(result.is_ok(), expected, "{result:?}");
        if let Err(failure) = result {
            assert_eq!(failure.exit, Exit::KernelUnable);
        }
    }

    #[test]
    fn overflows_come_right_before_drops() {
        // 5.10 to 6.12, then 6.18 and 7.2.
        check(check_overflow_pair(19, 20), true);
        check(check_overflow_pair(23, 24), true);
        check(check_overflow_pair(20, 19), false);
        check(check_overflow_pair(19, 21), false);
        check(check_overflow_pair(ABSENT, 0), false);
        check(check_overflow_pair(ABSENT - 1, ABSENT), false);
    }

    #[test]
    fn the_queue_full_counters_are_neighbours_in_either_order() {
        check(check_queue_full_pair(74, 75), true);
        check(check_queue_full_pair(75, 74), true);
        check(check_queue_full_pair(74, 74), false);
        check(check_queue_full_pair(74, 76), false);
        check(check_queue_full_pair(ABSENT - 1, ABSENT), false);
        check(check_queue_full_pair(ABSENT, ABSENT), false);
    }
}
