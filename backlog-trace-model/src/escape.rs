//! Text that somebody else chose, made safe to print: process names, cgroup
//! paths, file names, labels.

use std::fmt::{self, Write as _};
use std::io;

use serde::Serialize;

/// Shows text without anything that could steer a terminal or change the
/// order of what stands around it: control characters, escape sequences,
/// bidirectional overrides and other invisible characters appear as `\u{…}`.
/// Printable text, with its quotes and backslashes, is left as it is.
#[derive(Clone, Copy, Debug)]
pub struct Sanitized<'a>(pub &'a str);

impl fmt::Display for Sanitized<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '"' | '\'' | '\\' => f.write_char(character)?,
                _ => write!(f, "{}", character.escape_debug())?,
            }
        }
        Ok(())
    }
}

/// The same for what has several lines already, in which each name is
/// [`Sanitized`]: line ends stay, and nothing else that steers, whoever forgot it.
#[derive(Clone, Copy, Debug)]
pub struct SanitizedLines<'a>(pub &'a str);

impl fmt::Display for SanitizedLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split_inclusive('\n').try_for_each(|line| match line.strip_suffix('\n') {
            Some(line) => writeln!(f, "{}", Sanitized(line)),
            None => write!(f, "{}", Sanitized(line)),
        })
    }
}

/// Writes a value as one line of JSON whose strings hold nothing that could
/// steer a terminal: what [`Sanitized`] would show as an escape is written as
/// `\uXXXX`, which every reader of JSON turns back into the same text.
///
/// # Errors
/// Those of the writer.
pub fn write_json_line<W: io::Write>(mut out: W, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Escaping))?;
    out.write_all(b"\n")
}

struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = fragment;
        while let Some(at) = plain.find(is_unsafe) {
            let (before, rest) = plain.split_at(at);
            out.write_all(before.as_bytes())?;
            let mut characters = rest.chars();
            if let Some(character) = characters.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            plain = characters.as_str();
        }
        out.write_all(plain.as_bytes())
    }
}

/// Whether [`char::escape_debug`] would not show a character as it is.
fn is_unsafe(character: char) -> bool {
    !matches!(character, '"' | '\'' | '\\') && character.escape_debug().len() > 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(Sanitized(text).to_string(), shown);
    }

    #[test]
    fn what_is_shown() {
        check("nginx: master", "nginx: master");
        check(r#"it's a "name" \ path"#, r#"it's a "name" \ path"#);
        check("größe 日本 🦀", "größe 日本 🦀");
        check("a\x1b[31mb", "a\\u{1b}[31mb");
        check("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\0");
        check("\u{9b}31m", "\\u{9b}31m");
        check("evil\u{202e}txt", "evil\\u{202e}txt");
        check("\u{2066}\u{200b}\u{feff}\u{2028}", "\\u{2066}\\u{200b}\\u{feff}\\u{2028}");
    }

    #[test]
    fn line_ends_stay_where_there_are_lines() {
        for (text, shown) in
            [("a\n  b\n", "a\n  b\n"), ("a\r\n\x1b[m", "a\\r\n\\u{1b}[m"), ("", ""), ("\n", "\n")]
        {
            assert_eq!(SanitizedLines(text).to_string(), shown, "{text:?}");
        }
    }

    /// Control characters, and Unicode's bidirectional controls (UAX 9).
    fn steers(character: char) -> bool {
        character.is_control()
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    #[track_caller]
    fn check_json(text: &str, written: &str) {
        let mut line = Vec::new();
        write_json_line(&mut line, &text).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), format!("{written}\n"));
    }

    #[test]
    fn what_is_written() {
        check_json("nginx", r#""nginx""#);
        check_json(r#"a"b\c'd"#, r#""a\"b\\c'd""#);
        check_json("größe 🦀", r#""größe 🦀""#);
        check_json("\x1b[31m\n\x7f", r#""\u001b[31m\n\u007f""#);
        check_json("\u{9b}31m\u{202e}x\u{e0001}", r#""\u009b31m\u202ex\udb40\udc01""#);
    }

    proptest! {
        #[test]
        fn json_steers_nothing_and_says_the_same(text in any::<String>(), steering in "[\u{1b}\u{9b}\u{202a}-\u{202e}\u{2066}-\u{2069}\\\\\"a-z]*") {
            for text in [text, steering] {
                let mut line = Vec::new();
                write_json_line(&mut line, &text).unwrap();
                let line = String::from_utf8(line).unwrap();
                prop_assert!(!line.trim_end_matches('\n').chars().any(steers), "{line:?}");
                prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
            }
        }

        #[test]
        fn nothing_that_steers_a_terminal_survives(text in any::<String>(), steering in "[\u{1b}\u{9b}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{61c}\u{200e}\u{200f}\0-\u{1f}a-z]*") {
            for shown in [Sanitized(&text).to_string(), Sanitized(&steering).to_string()] {
                prop_assert!(!shown.chars().any(steers), "{shown:?}");
            }
        }

        #[test]
        fn printable_ascii_stays(text in "[ -~]*") {
            prop_assert_eq!(Sanitized(&text).to_string(), text);
        }
    }
}
