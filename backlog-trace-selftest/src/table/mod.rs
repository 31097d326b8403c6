//! Every scenario: a new one is a row here and a function below `scenarios`.

mod advice;
mod cookie;
mod crowd;
mod handshake;
mod listeners;
mod syn;

use crate::scenario::Scenario;

/// Every scenario, in the order in which they are played.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    [syn::ROWS, handshake::ROWS, listeners::ROWS, cookie::ROWS, crowd::ROWS, advice::ROWS]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_words_and_sentences_have_no_full_stop() {
        let mut names: Vec<&str> = all().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        for scenario in all() {
            let name = scenario.name;
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert!(!scenario.shows.ends_with('.') && !scenario.shows.is_empty(), "{name}");
            assert!(!scenario.hooks.is_empty(), "{name}");
        }
    }
}
