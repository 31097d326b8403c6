//! Lines that are longer than the terminal is wide, broken between words.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Further in than an indented line that is continued.
const INDENT: usize = 2;

/// The same of a line that begins at the edge, as [`super::bars::fold`] has it.
const FOLDED: usize = 4;

/// A text of several lines, none longer than `columns` as far as its words allow.
pub fn fitted(text: &str, columns: Option<usize>) -> String {
    let lines = text.lines().flat_map(|line| wrapped(line, columns));
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// Prints lines, each as [`fitted`] has it; an empty one is a line too.
pub(super) fn print(lines: &[String], columns: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    lines.iter().try_for_each(|line| match line.as_str() {
        "" => writeln!(out),
        line => out.write_all(fitted(line, columns).as_bytes()),
    })
}

/// A line, broken between words; what follows stands under its last column:
///
/// ```text
/// reduced  fence  this kernel has no
///                 Landlock
/// ```
pub(super) fn wrapped(line: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns.filter(|columns| visible(line) > *columns) else {
        return vec![line.to_owned()];
    };
    let (prefix, words) = line.split_at(last_column(line, columns));
    let hang = match visible(prefix) {
        0 => FOLDED.min(columns / 2),
        blank if prefix.trim().is_empty() => (blank + INDENT).min(columns / 2),
        column => column,
    };
    // Less far in where a word, such as the name of a sysctl, would cross the edge.
    let widest = words.split_whitespace().map(visible).filter(|width| *width <= columns).max();
    let hang = hang.min(columns.saturating_sub(widest.unwrap_or(0)));
    let mut lines = Vec::new();
    let (mut now, mut used, mut is_bare) = (prefix.to_owned(), visible(prefix), true);
    for word in words.split_whitespace() {
        let width = visible(word);
        if !is_bare && used + 1 + width > columns {
            lines.push(std::mem::replace(&mut now, " ".repeat(hang)));
            (used, is_bare) = (hang, true);
        }
        if !is_bare {
            now.push(' ');
            used += 1;
        }
        now.push_str(word);
        used += width;
        is_bare = false;
    }
    lines.push(now);
    lines
}

/// Where a line's last column begins: after the last two blanks in its first half.
fn last_column(line: &str, columns: usize) -> usize {
    let begins = line.char_indices().map(|(at, _)| at).filter(|at| {
        let before = line.get(..*at).unwrap_or_default();
        before.ends_with("  ") && !line.get(*at..).is_some_and(|rest| rest.starts_with(' '))
    });
    begins.take_while(|at| line.get(..*at).map_or(0, visible) <= columns / 2).last().unwrap_or(0)
}

/// Columns of a text that may hold colours.
pub(super) fn visible(text: &str) -> usize {
    strip_str(text).map(UnicodeWidthStr::width).sum()
}

/// The end of a long path, which tells more than its beginning: `…/cri-4c1f.scope`.
pub(super) fn shortened(path: &str, columns: usize) -> String {
    if path.width() <= columns {
        return path.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = |(at, character): (usize, char)| {
        room = room.checked_sub(character.width().unwrap_or(0))?;
        Some(at)
    };
    let from = path.char_indices().rev().map_while(fits).last().unwrap_or(path.len());
    format!("…{}", path.get(from..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, columns: usize, expected: &[&str]) {
        assert_eq!(wrapped(line, Some(columns)), expected);
    }

    #[test]
    fn lines_break_between_words() {
        check("one two three", 13, &["one two three"]);
        check("one two three", 12, &["one two", "    three"]);
        check("  one two three", 12, &["  one two", "    three"]);
        check("one  two three four", 14, &["one  two three", "     four"]);
        check("fine  a  b c d e f g h i", 20, &["fine  a  b c d e f g", "         h i"]);
        check("onetwothreefour", 5, &["onetwothreefour"]);
        check("    one twothreefour", 12, &["    one", "twothreefour"]);
        check("    one twothreefou", 12, &["    one", " twothreefou"]);
        assert_eq!(wrapped("one two three", None), ["one two three"]);
        assert_eq!(fitted("a b\nc d\n", Some(2)), "a\n b\nc\n d\n");
    }

    #[test]
    fn colours_take_no_room() {
        let red = super::super::paint::painted(super::super::paint::ALARM, "two three");
        assert_eq!(wrapped(&format!("one {red}"), Some(13)).len(), 1);
    }

    #[test]
    fn long_paths_keep_their_end() {
        assert_eq!(shortened("/a/b.scope", 10), "/a/b.scope");
        assert_eq!(shortened("/a/b.scope", 9), "…/b.scope");
        assert_eq!(shortened("/a/b.scope", 1), "…");
        assert_eq!(shortened("/ключ", 4), "…люч");
    }
}
