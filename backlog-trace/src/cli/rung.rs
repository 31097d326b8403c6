//! `--rung`: the attach methods by their names.

use backlog_trace_model::check::Rung;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// What the option takes.
pub(super) fn rung() -> impl TypedValueParser<Value = Rung> {
    let values = Rung::ALL.map(|rung| PossibleValue::new(rung.name()).help(rung.means()));
    PossibleValuesParser::new(values)
        .try_map(|name| Rung::from_name(&name).ok_or_else(|| format!("'{name}' is no rung")))
}
