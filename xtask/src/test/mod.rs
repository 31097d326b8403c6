//! `test`: everything that must hold before a change goes in. First what
//! needs no kernel (format, lints, licences, unit and property tests), then
//! every scenario on every kernel of the matrix.

mod command;
mod guests;
mod matrix;
mod native;
mod programs;

pub(crate) use command::{Arguments, run};
