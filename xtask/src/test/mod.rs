//! `test`: everything that must hold before a change goes in. First what
//! needs no kernel (format, lints, licences, unit and property tests), then
//! every scenario on this machine's own kernel, as far as that allows, and on
//! every kernel of the matrix.

mod advisories;
mod command;
mod guests;
mod here;
mod matrix;
mod native;
mod packaged;
mod skips;
mod stage;

pub(crate) use command::{Arguments, run};
