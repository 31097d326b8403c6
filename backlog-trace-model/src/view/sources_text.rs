//! What could not be read, and what is not known for that reason: a line for
//! each source that is missing, whole or in part.

use crate::event::SourceState;

use super::bars::fold;
use super::paint::{ALARM, painted};
use crate::escape::Sanitized;

/// The lines; none where everything could be read.
pub(super) fn lines(sources: &[SourceState], columns: Option<usize>) -> Vec<String> {
    let line = |sentence: String| {
        let said = format!("missing: {}", Sanitized(&sentence));
        let words: Vec<String> = said.split(' ').map(str::to_owned).collect();
        painted(ALARM, &fold(&words, " ", columns))
    };
    sources.iter().filter_map(SourceState::sentence).map(line).collect()
}
