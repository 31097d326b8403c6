//! What stands in one cell: nothing where a figure is not known, never a 0; and
//! text that somebody chose in a form that neither a terminal nor a spreadsheet obeys.

use crate::escape::Sanitized;

/// How a text begins that Excel, LibreOffice and Google Sheets take for a formula;
/// tabs and carriage returns, which they take for one as well, are escaped. Last
/// what marks it as none.
const MARKED: [char; 5] = ['=', '+', '-', '@', '\''];

/// A cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cell(pub(super) String);

impl Cell {
    /// Not known, or not of this row.
    pub(super) const EMPTY: Self = Self(String::new());

    /// Text that somebody chose: the name of a process, of a host, of a cgroup.
    ///
    /// A process may call itself `=HYPERLINK(…)`, and who opens the file may be
    /// somebody else: an apostrophe stands before such a text, as spreadsheets mark
    /// text that is no formula. It stands before an apostrophe too, so that whoever
    /// takes one away from a text that begins with it has the name.
    pub(super) fn text(chosen: &str) -> Self {
        let shown = Sanitized(chosen).to_string();
        if shown.starts_with(MARKED) { Self(format!("'{shown}")) } else { Self(shown) }
    }

    /// Such a text, where it is known.
    pub(super) fn text_of(chosen: Option<&str>) -> Self {
        chosen.map_or(Self::EMPTY, Self::text)
    }

    /// A number or a word of this tool's own, where it is known.
    pub(super) fn known(value: Option<impl ToString>) -> Self {
        value.map_or(Self::EMPTY, |value| Self(value.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chosen: &str, shown: &str) {
        assert_eq!(Cell::text(chosen).0, shown);
    }

    #[test]
    fn no_text_is_a_formula_or_steers_a_terminal() {
        check("nginx", "nginx");
        check("=1+2", "'=1+2");
        check("+1", "'+1");
        check("-.slice", "'-.slice");
        check("@SUM(A1)", "'@SUM(A1)");
        check("'=1+2", "''=1+2");
        check("a=b", "a=b");
        check("", "");
        check("\t=1", "\\t=1");
        check("\r=1", "\\r=1");
        check("\u{1b}[2J\n", "\\u{1b}[2J\\n");
    }

    /// A negative number is no text, and stays one.
    #[test]
    fn what_is_not_known_is_empty_and_a_number_is_a_number() {
        assert_eq!(Cell::known(None::<u64>), Cell::EMPTY);
        assert_eq!(Cell::known(Some(0_u64)).0, "0");
        assert_eq!(Cell::known(Some(-3_i64)).0, "-3");
        assert_eq!(Cell::text_of(None), Cell::EMPTY);
    }
}
