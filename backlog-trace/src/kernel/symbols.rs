//! Which functions this kernel has, and where: one pass over `/proc/kallsyms`.
//!
//! Only text of the kernel proper counts. A module's or a BPF program's symbol
//! never stands for the kernel's function of that name. Addresses are hidden
//! (0) from unprivileged readers: then there is presence without a place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

use backlog_trace_model::failure::{Exit, Failure, Result};

const PATH: &str = "/proc/kallsyms";

/// Those of the wanted symbols that this kernel has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Symbols {
    found: HashMap<String, Place>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// Present; the address is hidden or several symbols share the name.
    Unknown,
    Known(Range<u64>),
}

impl Symbols {
    /// Looks for `wanted` in the running kernel. Takes some 50 ms: ask once for all.
    ///
    /// # Errors
    /// `KernelUnable` where /proc/kallsyms cannot be read.
    pub(crate) fn find(wanted: &[&str]) -> Result<Self> {
        File::open(PATH)
            .and_then(|file| Self::parse(BufReader::with_capacity(1 << 16, file), wanted))
            .map_err(|error| {
                let what = format!("symbols cannot be read from {PATH}: {error}");
                Failure::new(Exit::KernelUnable, what)
                    .advise("mount proc on /proc, and let this user read its kallsyms")
            })
    }

    /// Looks for `wanted` in lines of the form `address type name [module]`;
    /// lines of another form are passed over.
    ///
    /// # Errors
    /// What the reader reports.
    pub(crate) fn parse(mut lines: impl BufRead, wanted: &[&str]) -> io::Result<Self> {
        let mut starts: HashMap<&str, Vec<u64>> = HashMap::new();
        let mut text = Vec::new();
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if let Some((address, name)) = function(&line) {
                text.push(address);
                if let Some(name) = wanted.iter().find(|wanted| wanted.as_bytes() == name) {
                    starts.entry(name).or_default().push(address);
                }
            }
            line.clear();
        }
        text.sort_unstable();
        let place = |starts: &[u64]| match starts {
            [start] if *start != 0 => {
                // Aliases share an address: the end is the next higher one.
                let next = text.partition_point(|address| address <= start);
                text.get(next).map_or(Place::Unknown, |end| Place::Known(*start..*end))
            }
            _ => Place::Unknown,
        };
        let found = starts.into_iter().map(|(name, starts)| (name.to_owned(), place(&starts))).collect();
        Ok(Self { found })
    }

    /// Whether the kernel has this function.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    /// The addresses of a function, up to the next symbol. `None` where it is
    /// absent, hidden, or one of several of its name.
    pub(crate) fn range(&self, name: &str) -> Option<Range<u64>> {
        match self.found.get(name)? {
            Place::Known(range) => Some(range.clone()),
            Place::Unknown => None,
        }
    }
}

/// Address and name of a line about a function of the kernel proper.
fn function(line: &[u8]) -> Option<(u64, &[u8])> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
    // A module's name follows a tab; weak functions are W or w.
    if !matches!(kind, b"t" | b"T" | b"w" | b"W") || name.contains(&b'\t') {
        return None;
    }
    let address = u64::from_str_radix(str::from_utf8(address).ok()?, 16).ok()?;
    Some((address, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WANTED: &[&str] =
        &["tcp_conn_request", "tcp_check_req", "twice", "last", "data", "of_module", "absent"];

    const VISIBLE: &str = "\
ffffffff81000000 T _text
ffffffff81000200 t twice
ffffffff81000100 T tcp_conn_request
ffffffff81000100 T alias_of_it
ffffffff81000180 t tcp_conn_request.cold
ffffffff81000300 t twice
ffffffff81000400 W tcp_check_req
not a line
ffffffff81000410 T last
ffffffff82000000 D data
ffffffffc0000000 t of_module\t[smc]
";

    #[track_caller]
    fn check(text: &str, name: &str, present: bool, range: Option<Range<u64>>) {
        let symbols = Symbols::parse(text.as_bytes(), WANTED).unwrap();
        assert_eq!((symbols.contains(name), symbols.range(name)), (present, range), "{name}");
    }

    #[test]
    fn a_function_reaches_to_the_next_symbol() {
        check(VISIBLE, "tcp_conn_request", true, Some(0xffff_ffff_8100_0100..0xffff_ffff_8100_0180));
        check(VISIBLE, "tcp_check_req", true, Some(0xffff_ffff_8100_0400..0xffff_ffff_8100_0410));
        check(VISIBLE, "last", true, None);
        check(VISIBLE, "twice", true, None);
    }

    #[test]
    fn data_modules_and_neighbours_are_no_functions() {
        check(VISIBLE, "data", false, None);
        check(VISIBLE, "of_module", false, None);
        check(VISIBLE, "absent", false, None);
        check(VISIBLE, "_text", false, None);
    }

    #[test]
    fn hidden_addresses_still_tell_presence() {
        let hidden = "0000000000000000 T tcp_conn_request\n0000000000000000 T next\n";
        check(hidden, "tcp_conn_request", true, None);
    }

    #[test]
    fn the_running_kernel_has_tcp() {
        let symbols = Symbols::find(&["tcp_conn_request", "no_such_function"]).unwrap();
        assert!(symbols.contains("tcp_conn_request") && !symbols.contains("no_such_function"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_passed_over_or_read(lines in prop::collection::vec("[0-9a-f]{0,18} [tTD] (last|x)(\t.)?\n|.*", 0..20)) {
            Symbols::parse(lines.concat().as_bytes(), WANTED).unwrap();
        }
    }
}
