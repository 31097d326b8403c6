//! Rows in columns, on as many lines as the terminal's width asks for: no cell
//! is left out and none breaks inside. It refuses to know what cells mean.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::paint::{HEADING, painted};

/// Blanks between two columns.
const GAP: usize = 2;

/// To how much a column grows by itself: a name that is longer stands out of
/// its row, and costs the rows after it nothing.
pub(super) const WIDEST: usize = 64;

/// Blanks in front of what did not fit into the line before.
const INDENT: usize = 2;

/// A column: its heading, the width that it starts with, and its side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) width: usize,
    pub(super) side: Side,
}

/// Where the cells of a column stand in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

impl Column {
    /// A column of words.
    pub(super) const fn words(name: &'static str, width: usize) -> Self {
        Self { name, width, side: Side::Left }
    }

    /// A column of numbers.
    pub(super) const fn numbers(name: &'static str, width: usize) -> Self {
        Self { name, width, side: Side::Right }
    }
}

/// What stands in a row of a column.
pub(super) type Cell = (String, Style);

/// The columns of a table, by the lines that a row takes.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    lines: Vec<Vec<Column>>,
    /// Of the terminal; `None`: every row is one line.
    edge: Option<usize>,
}

impl Grid {
    /// Columns in this order, each on the first line that has room for it.
    pub(super) fn new(columns: impl IntoIterator<Item = Column>, edge: Option<usize>) -> Self {
        let mut lines: Vec<Vec<Column>> = vec![Vec::new()];
        let mut used = 0;
        for mut column in columns {
            column.width = column.width.max(column.name.width());
            let is_first = lines.last().is_none_or(Vec::is_empty);
            let gap = if is_first { 0 } else { GAP };
            if !is_first && edge.is_some_and(|edge| used + gap + column.width > edge) {
                lines.push(Vec::new());
                used = INDENT + column.width;
            } else {
                used += gap + column.width;
            }
            if let Some(line) = lines.last_mut() {
                line.push(column);
            }
        }
        Self { lines, edge }
    }

    /// Its headings.
    pub(super) fn heading(&self) -> Vec<String> {
        let cells = |line: &[Column]| line.iter().map(|column| (column.name.to_owned(), HEADING)).collect();
        let lines = self.lines.iter().enumerate();
        lines.flat_map(|(at, line)| self.fitted(at, line, cells(line))).collect()
    }

    /// The lines of a row. Columns grow with what is in them, unless their line
    /// would cross the terminal's edge for it.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> Vec<String> {
        let mut cells = cells.into_iter();
        let mut shown = Vec::new();
        for at in 0..self.lines.len() {
            let Some(line) = self.lines.get_mut(at) else { break };
            let here: Vec<Cell> = cells.by_ref().take(line.len()).collect();
            let grown: Vec<Column> = line
                .iter()
                .zip(&here)
                .map(|(column, (text, _))| Column {
                    width: column.width.max(text.width().min(WIDEST)),
                    ..*column
                })
                .collect();
            if self.edge.is_none_or(|edge| indent(at) + total(&grown) <= edge) {
                *line = grown;
            }
            let line = line.clone();
            shown.extend(self.fitted(at, &line, here));
        }
        shown
    }

    /// One line of a row; where its cells cross the edge, more, broken between them.
    fn fitted(&self, at: usize, columns: &[Column], cells: Vec<Cell>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = " ".repeat(indent(at));
        // Columns taken by then, and of those, by what is not blank.
        let (mut used, mut filled) = (indent(at), 0);
        for (column, (text, style)) in columns.iter().zip(cells) {
            let blank = column.width.saturating_sub(text.width());
            let before = if column.side == Side::Right { blank } else { 0 };
            if filled > 0 && self.edge.is_some_and(|edge| used + before + text.width() > edge) {
                lines.push(std::mem::replace(&mut line, " ".repeat(2 * INDENT)).trim_end().to_owned());
                used = 2 * INDENT;
            } else {
                line.push_str(&" ".repeat(before));
                used += before;
            }
            line.push_str(&painted(style, &text));
            used += text.width();
            filled = used;
            let after = blank - before + GAP;
            line.push_str(&" ".repeat(after));
            used += after;
        }
        lines.push(line.trim_end().to_owned());
        lines
    }
}

fn indent(line: usize) -> usize {
    if line == 0 { 0 } else { INDENT }
}

fn total(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::words("WHO", 8), Column::numbers("HOW", 4), Column::words("WHAT", 10)];

    #[track_caller]
    fn check(edge: Option<usize>, row: [&str; 3], expected: &str) {
        let mut grid = Grid::new(COLUMNS, edge);
        let lines: Vec<String> = grid
            .row(row.map(|text| (text.to_owned(), Style::new())))
            .into_iter()
            .chain(grid.heading())
            .collect();
        let plain = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        assert_eq!(plain, expected, "{edge:?}");
    }

    #[test]
    fn a_row_takes_as_many_lines_as_it_needs() {
        check(None, ["one", "2", "three"], "one          2  three\nWHO        HOW  WHAT");
        check(Some(26), ["one", "2", "three"], "one          2  three\nWHO        HOW  WHAT");
        check(Some(25), ["one", "2", "three"], "one          2\n  three\nWHO        HOW\n  WHAT");
        check(
            Some(13),
            ["one", "2", "three"],
            "one\n     2  three\nWHO\n   HOW  WHAT"
                .replace("     2  three", "     2\n  three")
                .replace("   HOW  WHAT", "   HOW\n  WHAT")
                .as_str(),
        );
    }

    #[test]
    fn one_long_name_does_not_widen_every_row_after_it() {
        let mut grid = Grid::new(COLUMNS, None);
        let mut lines = |who: &str| grid.row([who, "2", "3"].map(|text| (text.to_owned(), Style::new())));
        assert!(lines(&"x".repeat(10_000)).concat().len() > 10_000);
        assert!(lines("one").concat().len() < 2 * WIDEST);
    }

    #[test]
    fn columns_grow_as_far_as_there_is_room() {
        check(Some(26), ["one", "2", "and a half"], "one          2  and a half\nWHO        HOW  WHAT");
        check(None, ["one-two-three", "2", "3"], "one-two-three     2  3\nWHO             HOW  WHAT");
        // There is none: the row breaks where a cell would cross the edge.
        check(
            Some(26),
            ["one-two-three", "2", "three-four"],
            "one-two-three     2\n    three-four\nWHO        HOW  WHAT",
        );
    }
}
