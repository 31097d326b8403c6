//! What is known without a kernel: what an observation tells, the recording
//! that keeps it, what adds it up, and what prints it.
//!
//! Refuses to touch the host: no system call but those of the standard
//! library's tests, no clock, no terminal. Everything here takes bytes or
//! events and gives events, reports or text, so all of it is tested, and
//! fuzzed, without one.

pub mod check;
pub mod escape;
pub mod event;
pub mod export;
pub mod failure;
pub mod findings;
pub mod listener;
pub mod output;
pub mod quantity;
pub mod tally;
pub mod trace;
pub mod view;
