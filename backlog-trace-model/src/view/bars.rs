//! Bars, sparklines and lines that fold at the terminal's edge.

use unicode_width::UnicodeWidthStr;

use super::paint::painted;
use super::wrap::visible;
use anstyle::Style;

/// How wide the parts of a line with a bar are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bars {
    /// Label and count in front of a bar.
    label_and_count: usize,
    /// The bar itself.
    bar: usize,
    /// Where the terminal ends.
    edge: Option<usize>,
}

/// Columns of everything else on a line with a bar: two blanks in front of it,
/// one after the count, and a stroke on either side.
const BESIDE: usize = 5;

impl Bars {
    /// On a terminal of `columns` columns; 40 columns of bar where there is none
    /// to fill.
    pub(super) fn on(columns: Option<usize>) -> Self {
        let label_and_count = if columns.is_some_and(|columns| columns < 60) { 26 } else { 34 };
        let bar =
            columns.map_or(40, |columns| columns.saturating_sub(BESIDE + label_and_count).clamp(4, 100));
        Self { label_and_count, bar, edge: columns }
    }

    /// One line: label, count, and a bar as long as its share of `largest`. A
    /// label that is too long for the terminal takes the bar's room.
    pub(super) fn row(self, label: &str, count: u64, largest: u64, style: Style) -> String {
        let bar = length(count, largest, self.bar);
        let count = count.to_string();
        let blank = self.label_and_count.saturating_sub(label.width() + count.len()).max(1);
        let front = format!("  {label}{:blank$}{count}", "");
        let bar = "#".repeat(bar);
        if self.edge.is_some_and(|edge| front.width() + 3 + self.bar > edge) {
            return front;
        }
        format!("{front} |{}{:space$}|", painted(style, &bar), "", space = self.bar - bar.len())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_row(label: &str, count: u64, largest: u64, expected: &str) {
        assert_eq!(Bars::on(None).row(label, count, largest, Style::new()), expected);
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
        assert_eq!(
            [None, Some(80), Some(140), Some(40), Some(500)].map(|columns| Bars::on(columns).bar),
            [40, 41, 100, 9, 100]
        );
    }

    #[test]
    fn no_row_crosses_the_edge() {
        for columns in [40, 60, 80, 140] {
            for label in ["syn/accept_queue_full", "cookie_ack/accept_queue_full"] {
                for count in [1, 123_456_789] {
                    let row = Bars::on(Some(columns)).row(label, count, 7, Style::new());
                    assert!(row.width() <= columns, "{columns}: {row}");
                }
            }
        }
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
