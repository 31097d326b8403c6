//! Functions and tracepoints by name.

use super::blob::{Btf, Named};
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
    /// The prototype of a function of the kernel proper. `None` where there is
    /// none of that name, or where several disagree in their parameters.
    pub fn function(&self, name: &str) -> Option<Function> {
        let named = self.functions.iter().filter(|named| self.is_named(named.name, name));
        self.agreed(named.map(|named| self.record(named.id).ok().map(|record| record.size_or_type)))
    }

    /// The parameters with which a tracepoint calls its probes, as a `tp_btf`
    /// program sees them. `None` where there is no such tracepoint.
    ///
    /// Each tracepoint leaves a typedef `btf_trace_NAME` of a pointer to the
    /// probe's prototype (`__DEFINE_EVENT` of `include/trace/bpf_probe.h`), whose
    /// first parameter, the probe's private data, is not passed to programs.
    pub fn tracepoint(&self, name: &str) -> Option<Function> {
        let name = format!("btf_trace_{name}");
        let named = self.typedefs.iter().filter(|named| self.is_named(named.name, &name));
        let mut probe = self.agreed(named.map(|named| self.pointee(*named)))?;
        if probe.params.is_empty() {
            return None;
        }
        probe.params.remove(0);
        Some(probe)
    }

    /// What a typedef of a pointer points to.
    fn pointee(&self, typedef: Named) -> Option<u32> {
        let pointer = self.record(self.unqualified(typedef.id).ok()?).ok()?;
        (pointer.kind == Kind::Ptr).then_some(pointer.size_or_type)
    }

    /// The prototype that all of `ids` are, if they agree and there is one.
    fn agreed(&self, ids: impl Iterator<Item = Option<u32>>) -> Option<Function> {
        let mut found = None;
        for id in ids {
            let this = self.prototype(id?)?;
            if found.as_ref().is_some_and(|other| *other != this) {
                return None;
            }
            found = Some(this);
        }
        found
    }

    fn prototype(&self, id: u32) -> Option<Function> {
        let record = self.record(id).ok().filter(|record| record.kind == Kind::FuncProto)?;
        Some(Function {
            params: record.elements::<2>().map(|[name, _]| Param { name: self.string(name) }).collect(),
            returns_void: record.size_or_type == 0,
        })
    }
}
