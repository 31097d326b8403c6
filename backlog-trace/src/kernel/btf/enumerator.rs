//! Enumerators by name.

use super::blob::Btf;
use super::record::Kind;

impl Btf {
    /// The value of an enumerator, in whichever enum it is: those of the MIB
    /// counters are in an anonymous one. `None` where no enum has it, or where
    /// several have it and disagree.
    pub fn enumerator(&self, name: &str) -> Option<i64> {
        let mut found = None;
        for id in &self.enums {
            let record = self.record(*id).ok()?;
            let value = if record.kind == Kind::Enum {
                record.elements::<2>().find(|[at, _]| self.is_named(*at, name)).map(|[_, value]| {
                    // kind_flag: the enum is signed.
                    if record.flag { i64::from(value.cast_signed()) } else { i64::from(value) }
                })
            } else {
                record
                    .elements::<3>()
                    .find(|[at, ..]| self.is_named(*at, name))
                    .map(|[_, low, high]| (u64::from(high) << 32 | u64::from(low)).cast_signed())
            };
            if let Some(value) = value {
                if found.is_some_and(|other| other != value) {
                    return None;
                }
                found = Some(value);
            }
        }
        found
    }
}
