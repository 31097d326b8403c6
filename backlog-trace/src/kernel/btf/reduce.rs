//! Cuts a kernel's BTF of some MiB down to what the layout's tests ask of it.
//!
//! Structures keep every member, by value to the end; pointers lead nowhere,
//! parameters lose their types, and enums that nobody asks for lose their values.

use std::collections::{HashMap, VecDeque};

use super::blob::Btf;
use super::builder::Builder;
use super::record::{Kind, Record};

/// What must still be found afterwards.
pub(crate) struct Keep<'a> {
    pub(crate) structures: &'a [&'a str],
    pub(crate) functions: &'a [&'a str],
    pub(crate) tracepoints: &'a [&'a str],
    /// Whole enums are kept that have an enumerator of such a prefix.
    pub(crate) enumerators: &'a [&'a str],
}

struct Reduction<'a> {
    from: &'a Btf,
    ids: HashMap<u32, u32>,
    queue: VecDeque<u32>,
}

impl Reduction<'_> {
    /// The id in the reduced BTF.
    fn want(&mut self, id: u32) -> u32 {
        if id == 0 {
            return 0;
        }
        let next = u32::try_from(self.ids.len()).unwrap() + 1;
        *self.ids.entry(id).or_insert_with(|| {
            self.queue.push_back(id);
            next
        })
    }
}

pub(crate) fn reduce(from: &Btf, keep: &Keep<'_>) -> Vec<u8> {
    let mut reduction = Reduction { from, ids: HashMap::new(), queue: VecDeque::new() };
    let roots = [
        (&from.structures, keep.structures, ""),
        (&from.functions, keep.functions, ""),
        (&from.typedefs, keep.tracepoints, "btf_trace_"),
    ];
    for (index, names, prefix) in roots {
        for named in index {
            let name = from.string(named.name);
            if name.strip_prefix(prefix).is_some_and(|name| names.contains(&name)) {
                reduction.want(named.id);
            }
        }
    }
    for id in &from.enums {
        if keeps_values(from, from.record(*id).unwrap(), keep) {
            reduction.want(*id);
        }
    }
    let mut builder = Builder::new();
    while let Some(id) = reduction.queue.pop_front() {
        copy(&mut reduction, from.record(id).unwrap(), keep, &mut builder);
    }
    builder.finish()
}

fn keeps_values(from: &Btf, record: Record<'_>, keep: &Keep<'_>) -> bool {
    let width = if record.kind == Kind::Enum64 { 3 } else { 2 };
    words(record).chunks_exact(width).any(|element| {
        let name = from.string(element[0]);
        keep.enumerators.iter().any(|prefix| name.starts_with(prefix))
    })
}

fn words(record: Record<'_>) -> Vec<u32> {
    record.elements::<1>().flatten().collect()
}

fn copy(reduction: &mut Reduction<'_>, record: Record<'_>, keep: &Keep<'_>, to: &mut Builder) {
    let from = reduction.from;
    let mut body = words(record);
    let mut target = record.size_or_type;
    let mut elements = 0;
    match record.kind {
        Kind::Struct | Kind::Union => {
            for member in body.chunks_exact_mut(3) {
                member[0] = to.string(&from.string(member[0]));
                member[1] = reduction.want(member[1]);
            }
            elements = body.len() / 3;
        }
        Kind::Enum | Kind::Enum64 if keeps_values(from, record, keep) => {
            let width = if record.kind == Kind::Enum64 { 3 } else { 2 };
            for value in body.chunks_exact_mut(width) {
                value[0] = to.string(&from.string(value[0]));
            }
            elements = body.len() / width;
        }
        Kind::Enum | Kind::Enum64 => body.clear(),
        Kind::FuncProto => {
            for param in body.chunks_exact_mut(2) {
                *param.as_mut_array().unwrap() = [to.string(&from.string(param[0])), 0];
            }
            elements = body.len() / 2;
            target = reduction.want(target);
        }
        Kind::Array => {
            body[0] = reduction.want(body[0]);
            body[1] = 0;
        }
        // A tracepoint is a typedef of a pointer to its prototype.
        Kind::Ptr => {
            let prototype = from.record(target).is_ok_and(|below| below.kind == Kind::FuncProto);
            target = if prototype { reduction.want(target) } else { 0 };
        }
        Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag | Kind::Func => {
            target = reduction.want(target);
        }
        _ => {}
    }
    let elements = u32::try_from(elements).unwrap();
    to.raw(&from.string(record.name), record.kind as u32 + 1, record.flag, elements, target, &body);
}
