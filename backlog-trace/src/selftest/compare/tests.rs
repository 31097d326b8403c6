//! Verdicts on scenarios that never happened.
