//! Text that another program chose, made safe to print. What the observing
//! tool says is such text as well: its names come from processes and cgroups.

use std::fmt::Write as _;

use serde_json::Value;

/// Shows text without what could steer a terminal or change the order of what
/// stands around it: control characters, bidirectional overrides and other
/// invisible ones appear as `\u{…}`.
pub(crate) fn text(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, character| {
        if is_unsafe(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
        shown
    })
}

/// The value as JSON in one line, in which such characters are `\uXXXX`: every
/// reader of JSON turns that back into the same text. Outside strings JSON has
/// none of them.
pub(crate) fn json(value: &Value) -> String {
    value.to_string().chars().fold(String::new(), |mut line, character| {
        if is_unsafe(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(character);
        }
        line
    })
}

/// Whether [`char::escape_debug`] would not show a character as it is.
fn is_unsafe(character: char) -> bool {
    !matches!(character, '"' | '\'' | '\\') && character.escape_debug().len() > 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_shown() {
        assert_eq!(text(r#"nginx's "größe" \ 日本 🦀"#), r#"nginx's "größe" \ 日本 🦀"#);
        assert_eq!(text("a\x1b[31m\n\u{9b}\u{202e}"), "a\\u{1b}[31m\\n\\u{9b}\\u{202e}");
        let value = serde_json::json!({"a\"b\\": "\x1b[31m\n\x7f\u{9b}\u{202e}\u{e0001}größe"});
        let line = r#"{"a\"b\\":"\u001b[31m\n\u007f\u009b\u202e\udb40\udc01größe"}"#;
        assert_eq!(json(&value), line);
    }

    /// Control characters, and Unicode's bidirectional controls (UAX 9).
    fn steers(character: char) -> bool {
        character.is_control()
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    proptest! {
        #[test]
        fn nothing_that_steers_survives_and_json_says_the_same(
            any in any::<String>(),
            steering in "[\0-\u{1f}\u{9b}\u{61c}\u{202a}-\u{202e}\u{2066}-\u{2069}\\\\\"a-z]*",
        ) {
            for said in [any, steering] {
                prop_assert!(!text(&said).chars().any(steers));
                let value = Value::from(said);
                let line = json(&value);
                prop_assert!(!line.chars().any(steers), "{line:?}");
                prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
            }
        }
    }
}
