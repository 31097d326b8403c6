//! Colours. They repeat what the words say and never stand alone; whether they
//! reach the output is decided where it is opened (a terminal, `NO_COLOR`).

use anstyle::{AnsiColor, Style};
use backlog_trace_common::reason::Class;

/// A heading.
pub(super) const HEADING: Style = Style::new().bold();

/// Something that should not be: an audit that does not balance, a missing hook.
pub(super) const ALARM: Style = AnsiColor::Red.on_default().bold();

/// What nobody has to read.
pub(super) const FAINT: Style = Style::new().dimmed();

/// The colour of what became of a connection.
pub(super) const fn class(class: Class) -> Style {
    match class {
        Class::Loss => AnsiColor::Red.on_default(),
        Class::Expired => AnsiColor::Magenta.on_default(),
        Class::Retransmit => AnsiColor::Yellow.on_default(),
        Class::Cookie => AnsiColor::Cyan.on_default(),
        Class::Harmless => FAINT,
    }
}

/// Text in a style; resets behind itself.
pub(super) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
