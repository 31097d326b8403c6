//! Enumerators and functions by name.

use super::blob::Btf;
use super::record::Kind;

/// A function's prototype, as far as hooks need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// In order; a variadic function's `...` is a last one without a name.
    pub params: Vec<Param>,
    /// It returns nothing.
    pub returns_void: bool,
}

/// A parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param {
    /// Its name in the source; may be empty.
    pub name: String,
}

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

    /// The prototype of a function of the kernel proper. `None` where there is
    /// none of that name, or where several disagree in their parameters.
    pub fn function(&self, name: &str) -> Option<Function> {
        let mut found = None;
        for id in &self.functions {
            let function = self.record(*id).ok()?;
            if !self.is_named(function.name, name) {
                continue;
            }
            let prototype = self.record(function.size_or_type).ok()?;
            if prototype.kind != Kind::FuncProto {
                return None;
            }
            let this = Function {
                params: prototype
                    .elements::<2>()
                    .map(|[name, _]| Param { name: self.string(name) })
                    .collect(),
                returns_void: prototype.size_or_type == 0,
            };
            if found.as_ref().is_some_and(|other| *other != this) {
                return None;
            }
            found = Some(this);
        }
        found
    }
}
