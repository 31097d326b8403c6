//! A recording is hostile input: whatever it holds, a report of it ends, with
//! events from the first to the last one, or with a failure that says why.
//! What an input is, `every_view.rs` says; `tests/fuzz_corpus.rs` of the tool
//! replays the corpus, and small changes of it, without libFuzzer.
#![no_main]

#[path = "../every_view.rs"]
mod every_view;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    every_view::replay(input);
});
