//! Bars, sparklines and lines that fold at the terminal's edge.

use anstream::adapter::strip_str;
use unicode_width::UnicodeWidthStr;

use super::paint::painted;
use anstyle::Style;

/// Columns of label and count in front of a bar.
const LABEL_AND_COUNT: usize = 34;

/// Columns of a bar where there is no terminal to fill.
const BAR_ON_PAPER: usize = 40;

/// Columns of everything else on a line with a bar.
const BESIDE_BAR: usize = 2 + LABEL_AND_COUNT + 3;

/// Columns of the bars on a terminal of `columns` columns.
pub(super) fn bar_columns(columns: Option<usize>) -> usize {
    columns.map_or(BAR_ON_PAPER, |columns| columns.saturating_sub(BESIDE_BAR).clamp(10, 100))
}

/// One line: label, count, and a bar as long as its share of `largest`.
pub(super) fn row(label: &str, count: u64, largest: u64, columns: usize, style: Style) -> String {
    let count_columns = LABEL_AND_COUNT.saturating_sub(label.width()).max(2);
    let bar = "#".repeat(length(count, largest, columns));
    format!(
        "  {label} {count:>width$} |{}{:space$}|",
        painted(style, &bar),
        "",
        width = count_columns - 1,
        space = columns - bar.len()
    )
}

/// Rounded, but anything that occurred shows.
fn length(count: u64, largest: u64, columns: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let (count, largest, wide) = (u128::from(count), u128::from(largest.max(count)), columns as u128);
    let rounded = (count * wide * 2 + largest) / (largest * 2);
    usize::try_from(rounded).unwrap_or(columns).clamp(1, columns.max(1))
}

/// Counts over time in at most `columns` columns; a blank is nothing at all.
pub(super) fn sparkline(cells: &[u64], columns: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let per_column = cells.len().div_ceil(columns.max(1)).max(1);
    let sums: Vec<u64> = cells.chunks(per_column).map(|cells| cells.iter().sum()).collect();
    let largest = sums.iter().copied().max().unwrap_or(0);
    let level = |sum: u64| LEVELS.get(length(sum, largest, LEVELS.len()).wrapping_sub(1)).copied();
    sums.into_iter().map(|sum| level(sum).unwrap_or(' ')).collect()
}

/// Joins parts, starting an indented line where the next one would cross the edge.
pub(super) fn fold(parts: &[String], separator: &str, columns: Option<usize>) -> String {
    let mut text = String::new();
    let mut used = 0;
    for (at, part) in parts.iter().enumerate() {
        let separator = if at + 1 == parts.len() { "" } else { separator };
        let width = visible(part);
        if at > 0 && columns.is_some_and(|columns| used + width + separator.trim_end().width() > columns) {
            text.truncate(text.trim_end().len());
            text.push_str("\n    ");
            used = 4;
        }
        text.push_str(part);
        text.push_str(separator);
        used += width + separator.width();
    }
    text
}

/// Columns of a text that may hold colours.
fn visible(text: &str) -> usize {
    strip_str(text).map(UnicodeWidthStr::width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_row(label: &str, count: u64, largest: u64, expected: &str) {
        assert_eq!(row(label, count, largest, 40, Style::new()), expected);
    }

    #[test]
    fn rows() {
        let full = "#".repeat(40);
        check_row(
            "syn/accept_queue_full",
            311,
            311,
            &format!("  syn/accept_queue_full          311 |{full}|"),
        );
        check_row(
            "ack/accept_queue_full",
            4,
            311,
            &format!("  ack/accept_queue_full            4 |#{}|", " ".repeat(39)),
        );
        check_row(
            "   0 -> 1",
            33,
            311,
            &format!("     0 -> 1                       33 |####{}|", " ".repeat(36)),
        );
        check_row("nothing", 0, 0, &format!("  nothing                          0 |{}|", " ".repeat(40)));
    }

    #[test]
    fn a_bar_is_never_longer_than_its_columns() {
        for (count, largest) in [(u64::MAX, u64::MAX), (u64::MAX, 0), (1, u64::MAX), (7, 3)] {
            assert!((1..=40).contains(&length(count, largest, 40)));
        }
    }

    #[test]
    fn columns_of_a_bar() {
        assert_eq!([None, Some(80), Some(140), Some(20), Some(500)].map(bar_columns), [40, 41, 100, 10, 100]);
    }

    #[test]
    fn sparklines() {
        assert_eq!(sparkline(&[0, 1, 4, 8], 40), " ▁▄█");
        assert_eq!(sparkline(&[1, 1, 2, 2, 8], 3), "▂▄█");
        assert_eq!(sparkline(&[], 40), "");
        assert_eq!(sparkline(&[0, 0], 40), "  ");
    }

    #[test]
    fn folding() {
        let parts = ["one".to_owned(), "two".to_owned(), "three".to_owned()];
        assert_eq!(fold(&parts, ", ", None), "one, two, three");
        assert_eq!(fold(&parts, ", ", Some(15)), "one, two, three");
        assert_eq!(fold(&parts, ", ", Some(14)), "one, two,\n    three");
        assert_eq!(fold(&parts, ", ", Some(1)), "one,\n    two,\n    three");
        let red = parts.map(|part| painted(super::super::paint::ALARM, &part));
        assert!(!fold(&red, ", ", Some(15)).contains('\n'), "colours take no room");
    }
}
