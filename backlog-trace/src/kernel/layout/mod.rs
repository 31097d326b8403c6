//! The facts about this kernel's types that the kernel side reads as globals.
//!
//! [`table::TABLE`] lists them; [`Layout::resolve`] answers all of them from
//! BTF, before anything is loaded. It refuses to default: a required fact that
//! is missing is a failure that names it, an optional one is [`ABSENT`].

mod adjacent;
mod row;
pub mod table;

pub use adjacent::{check_overflow_pair, check_queue_full_pair};
pub use row::{Fact, Need, Row};

use backlog_trace_common::globals::ABSENT;
use backlog_trace_model::failure::{Exit, Failure, Result};

use crate::kernel::btf::{Btf, BtfError};

/// Every fact of the table with its value on one kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    values: Vec<(&'static str, u32)>,
}

impl Layout {
    /// Resolves the whole table.
    ///
    /// # Errors
    /// `KernelUnable` naming every required fact that is missing or is not of
    /// the size that the kernel side reads.
    pub fn resolve(btf: &Btf) -> Result<Self> {
        Self::resolve_rows(btf, table::TABLE)
    }

    fn resolve_rows(btf: &Btf, rows: &[Row]) -> Result<Self> {
        let mut values = Vec::with_capacity(rows.len());
        let mut missing = Vec::new();
        for row in rows {
            match (row.resolve(btf), row.need) {
                (Ok(value), _) => values.push((row.global, value)),
                (Err(error), Need::Optional) if error.is_missing() => values.push((row.global, ABSENT)),
                (Err(error @ BtfError::Damaged(_)), _) => return Err(error.into()),
                (Err(error), _) => missing.push(error.to_string()),
            }
        }
        if !missing.is_empty() {
            let what = format!("this kernel's types are not as expected: {}", missing.join("; "));
            return Err(Failure::new(Exit::KernelUnable, what)
                .advise("please report this together with the output of `uname -a`"));
        }
        Ok(Self { values })
    }

    /// The value for a global of the kernel side; `None` where the table has
    /// no such row, or its fact is [`ABSENT`] on this kernel.
    pub fn get(&self, global: &str) -> Option<u32> {
        self.values.iter().find(|(name, _)| *name == global).map(|(_, value)| *value).filter(|v| *v != ABSENT)
    }

    /// Every global with its value, [`ABSENT`] ones included, in table order.
    pub fn globals(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.values.iter().copied()
    }

    /// Checks what the kernel side assumes beyond single facts.
    ///
    /// # Errors
    /// `KernelUnable` where counters that are read together are not adjacent.
    pub fn check_pairs(&self) -> Result<()> {
        let value = |global| self.get(global).unwrap_or(ABSENT);
        check_overflow_pair(value("MIB_LISTENOVERFLOWS"), value("MIB_LISTENDROPS"))?;
        check_queue_full_pair(value("MIB_DOCOOKIES"), value("MIB_FULLDROP"))
    }
}

#[cfg(test)]
mod kernels;
#[cfg(test)]
mod tests;
