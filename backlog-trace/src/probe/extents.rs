//! Where kernel functions lie that the tracepoint rung tells apart the places
//! by where packets are freed.
//!
//! Nothing else of the kernel's addresses is used, and none is ever shown.

use std::ops::Range;

use backlog_trace_common::globals::Extent;
use backlog_trace_model::failure::Result;

use crate::kernel::symbols::Symbols;

/// Global of the kernel side, and the function.
const FUNCTIONS: &[(&str, &str)] = &[
    ("AT_RCV_STATE_PROCESS", "tcp_rcv_state_process"),
    ("AT_V4_RCV", "tcp_v4_rcv"),
    ("AT_V6_RCV", "tcp_v6_rcv"),
    ("AT_V4_DO_RCV", "tcp_v4_do_rcv"),
    ("AT_V6_DO_RCV", "tcp_v6_do_rcv"),
    ("AT_COOKIE_V4_CHECK", "cookie_v4_check"),
    ("AT_COOKIE_V6_CHECK", "cookie_v6_check"),
    ("AT_ICMP_RCV", "icmp_rcv"),
    ("AT_ICMPV6_RCV", "icmpv6_rcv"),
    ("AT_REQSK_TIMER", "reqsk_timer_handler"),
];

/// What is known of each function.
#[derive(Clone, Debug, Default)]
pub(super) struct Extents {
    symbols: Symbols,
}

impl Extents {
    /// Of the running kernel.
    ///
    /// # Errors
    /// Where /proc/kallsyms cannot be read.
    pub(super) fn find() -> Result<Self> {
        let cold: Vec<String> = FUNCTIONS.iter().map(|(_, function)| cold(function)).collect();
        let wanted: Vec<&str> =
            FUNCTIONS.iter().map(|(_, function)| *function).chain(cold.iter().map(String::as_str)).collect();
        Ok(Self { symbols: Symbols::find(&wanted)? })
    }

    /// Every global with its value; [`Extent::UNKNOWN`] where the place is not known.
    pub(super) fn globals(&self) -> Vec<(&'static str, Extent)> {
        FUNCTIONS.iter().map(|(global, function)| (*global, self.extent(function))).collect()
    }

    fn extent(&self, function: &str) -> Extent {
        let length = |range: &Range<u64>| range.end - range.start;
        let own = self.symbols.range(function).unwrap_or_default();
        let unlikely = self.symbols.range(&cold(function)).unwrap_or_default();
        Extent {
            start: own.start,
            length: length(&own),
            cold_start: unlikely.start,
            cold_length: length(&unlikely),
        }
    }

    /// The first of these functions that this kernel has and whose place is
    /// not known.
    pub(super) fn hidden<'a>(&self, functions: &[&'a str]) -> Option<&'a str> {
        let hides = |name: &str| self.symbols.contains(name) && self.symbols.range(name).is_none();
        functions.iter().copied().find(|function| hides(function) || hides(&cold(function)))
    }
}

/// What GCC calls the part of a function that it moves out of the way.
fn cold(function: &str) -> String {
    format!("{function}.cold")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBLE: &str = "\
ffffffff81000100 t tcp_v4_rcv.cold
ffffffff81000140 t next
ffffffff81000400 T tcp_v4_rcv
ffffffff81000500 T icmp_rcv
ffffffff81000580 t twice
";

    fn extents(text: &str) -> Extents {
        let wanted = ["tcp_v4_rcv", "tcp_v4_rcv.cold", "tcp_v6_rcv", "icmp_rcv"];
        Extents { symbols: Symbols::parse(text.as_bytes(), &wanted).unwrap() }
    }

    #[track_caller]
    fn check(text: &str, function: &str, extent: [u64; 4], hidden: bool) {
        let extents = extents(text);
        let found = extents.extent(function);
        assert_eq!([found.start, found.length, found.cold_start, found.cold_length], extent);
        assert_eq!(extents.hidden(&[function]), hidden.then_some(function));
    }

    #[test]
    fn a_function_and_the_part_that_is_put_aside() {
        let both = [0xffff_ffff_8100_0400, 0x100, 0xffff_ffff_8100_0100, 0x40];
        check(VISIBLE, "tcp_v4_rcv", both, false);
        check(VISIBLE, "icmp_rcv", [0xffff_ffff_8100_0500, 0x80, 0, 0], false);
        // Not built in: nothing is freed there.
        check(VISIBLE, "tcp_v6_rcv", [0; 4], false);
    }

    #[test]
    fn one_part_without_the_other_is_not_enough() {
        let twice = format!("{VISIBLE}ffffffff81000600 t tcp_v4_rcv.cold\nffffffff81000640 t end\n");
        check(&twice, "tcp_v4_rcv", [0xffff_ffff_8100_0400, 0x100, 0, 0], true);
        check("0000000000000000 T tcp_v4_rcv\n", "tcp_v4_rcv", [0; 4], true);
    }

    #[test]
    fn every_global_is_of_one_function() {
        let mut names: Vec<_> = FUNCTIONS.iter().flat_map(|(global, function)| [global, function]).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
