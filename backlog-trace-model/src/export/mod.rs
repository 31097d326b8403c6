//! Outputs as flat rows, one per listener and stretch of time, for whoever loads
//! them into a database or a spreadsheet.
//!
//! The columns are always the same, in the same order, whatever was observed: they
//! are one table (`column.rs`), from which docs/csv.md has its own. Refuses to
//! nest anything: histograms, the audit, findings with their evidence and hooks are
//! in JSON (`view/hist_json.rs`).

mod cell;
mod column;
mod hist_csv;
mod row;

pub use column::{Column, columns};
pub use hist_csv::HistCsv;
