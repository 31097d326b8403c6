//! Printing: text and JSON. Views know no kernel.

pub mod escape;
pub mod listeners;
