//! docs/recording.md is what other programs are written by: its tables of
//! bytes are compared with the structures that are written.

use std::mem::offset_of;

use backlog_trace_common::detail::Detail;
use backlog_trace_model::trace::DetailsHeader;
use backlog_trace_model::trace::format::{FileHeader, FrameHeader, VERSION};

const DOCUMENT: &str = include_str!("../../docs/recording.md");

/// Name, offset and size of each field of a structure, with the structure's size.
macro_rules! layout {
    ($of:ty: $($field:ident)*) => {{
        let whole: $of = zerocopy::FromZeros::new_zeroed();
        let fields = vec![$((stringify!($field).to_owned(), offset_of!($of, $field), size_of_val(&whole.$field))),*];
        (fields, size_of::<$of>())
    }};
}

/// The rows of the table whose heading begins like this: byte, size, `name`.
fn documented(heading: &str) -> Vec<(String, usize, usize)> {
    let rows = DOCUMENT.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, byte, size, what, ..] = cells.as_slice() else { return None };
            let name = what.strip_prefix('`')?.split('`').next()?;
            Some((name.to_owned(), byte.parse().ok()?, size.parse().ok()?))
        })
        .collect()
}

#[track_caller]
fn check(heading: &str, (fields, size): (Vec<(String, usize, usize)>, usize)) {
    assert_eq!(documented(heading), fields, "{heading}");
    assert_eq!(fields.iter().map(|(_, _, size)| size).sum::<usize>(), size, "{heading}: every byte is told");
}

#[test]
fn the_tables_of_bytes_are_those_of_the_structures() {
    check("| file header, byte |", layout!(FileHeader: magic major minor flags recording reserved crc));
    check(
        "| frame, byte |",
        layout!(FrameHeader: magic kind codec reserved recording sequence length decoded payload_crc header_crc),
    );
    check("| details header, byte |", layout!(DetailsHeader: record reserved));
    check(
        "| detail, byte |",
        layout!(Detail: time listener peer netns accept_queue syn_queue limit peer_port port kind reason
            outcome cause attempt family cpu payload more),
    );
}

#[test]
fn the_documented_version_is_the_one_that_is_written() {
    for (name, number) in [("major", VERSION.major), ("minor", VERSION.minor)] {
        let row =
            DOCUMENT.lines().find(|line| line.contains(&format!("`{name}` version"))).unwrap_or_default();
        assert!(row.ends_with(&format!("| {number} |")), "{name}: {row}");
    }
}
