//! Text that somebody else chose, made safe to print: process names, cgroup
//! paths, labels.

use std::fmt::{self, Write};

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

    /// Control characters, and Unicode's bidirectional controls (UAX 9).
    fn steers(character: char) -> bool {
        character.is_control()
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    proptest! {
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
