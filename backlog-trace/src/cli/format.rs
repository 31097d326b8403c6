//! `--format`: how results are printed. A command offers the formats that it has,
//! and no other.

use clap::ValueEnum;

/// What every command with results offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum Format {
    /// Aligned text for a person.
    #[default]
    Text,
    /// One JSON object a line; field names are a contract.
    Json,
}

/// What those offer that print reports: a listener in one is a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum ReportFormat {
    /// Aligned text for a person.
    #[default]
    Text,
    /// One JSON object a line; field names are a contract.
    Json,
    /// One row per listener and interval, for a database or a spreadsheet; columns are a contract (docs/csv.md).
    Csv,
}

impl From<Format> for ReportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// The formats of a command, as a value of its arguments.
pub(super) trait Offered: ValueEnum + Default + Send + Sync + 'static {}

impl<F: ValueEnum + Default + Send + Sync + 'static> Offered for F {}
