//! What a program must find in a kernel beside its target.
//!
//! Said per program, asked before it is loaded: the verifier's own words about
//! an argument or a member that a kernel lacks would help nobody.

use super::extents::Extents;
use crate::kernel::btf::Btf;
use crate::kernel::layout::Layout;

/// What a program must find.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Needs {
    /// Arguments that its tracepoint passes, at least.
    pub arguments: usize,
    /// What those it needs say, in words.
    pub saying: &'static str,
    /// Kernel functions whose addresses it must know. One that a kernel lacks
    /// is not needed there.
    pub places: &'static [&'static str],
    /// Facts of the layout that other programs do without.
    pub facts: &'static [&'static str],
}

impl Needs {
    /// Nothing.
    pub(super) const NOTHING: Self = Self { arguments: 0, saying: "", places: &[], facts: &[] };
}

/// What of it a kernel lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Lack {
    /// Its tracepoint passes fewer arguments: what they would say.
    Argument(&'static str),
    /// The address of this function is hidden or not clear.
    Place(&'static str),
    /// This fact of the layout.
    Fact(&'static str),
}

/// What a program cannot have of what it needs.
pub(super) fn lack(
    needs: &Needs,
    target: &str,
    types: &Btf,
    layout: &Layout,
    extents: &Extents,
) -> Option<Lack> {
    let passed = || types.tracepoint(target).map_or(0, |probe| probe.params.len());
    if needs.arguments > 0 && passed() < needs.arguments {
        return Some(Lack::Argument(needs.saying));
    }
    if let Some(fact) = needs.facts.iter().find(|fact| layout.get(fact).is_none()) {
        return Some(Lack::Fact(fact));
    }
    extents.hidden(needs.places).map(Lack::Place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::programs::{PROGRAMS, Part};
    use backlog_trace_model::event::Rung;

    fn kernel(name: &str) -> (Btf, Layout) {
        let path = format!("{}/tests/data/btf/{name}.btf", env!("CARGO_MANIFEST_DIR"));
        let types = Btf::parse(std::fs::read(path).unwrap()).unwrap();
        let layout = Layout::resolve(&types).unwrap();
        (types, layout)
    }

    /// What the required programs of the tracepoint rung lack on a kernel whose
    /// addresses are known: hook, and in words.
    #[track_caller]
    fn check(name: &str, lacking: &[(&str, Lack)]) {
        let (types, layout) = kernel(name);
        let lacks = |part: &&Part| lack(&part.needs, part.target, &types, &layout, &Extents::default());
        let mut found = Vec::new();
        for hook in PROGRAMS {
            let parts = hook.parts_on(Rung::Tracepoint).unwrap_or_default();
            found.extend(
                parts
                    .iter()
                    .filter(|part| !part.optional)
                    .filter_map(|part| Some((hook.hook.name(), lacks(&part)?))),
            );
        }
        assert_eq!(found, lacking, "{name}");
    }

    #[test]
    fn tracepoints_say_enough_since_6_12() {
        let place = || Lack::Argument("where a packet is freed");
        let socket = || Lack::Argument("for which socket a packet is dropped");
        for name in ["5.10.223", "6.1.176"] {
            let lacking = [("syn", place()), ("syn", place()), ("ack", socket()), ("ack", socket())];
            check(name, &lacking);
        }
        for name in ["6.12.107", "6.18.44", "7.2.13"] {
            check(name, &[]);
        }
    }

    #[test]
    fn every_fact_that_is_needed_is_in_the_table() {
        let (_, layout) = kernel("6.18.44");
        let parts = PROGRAMS.iter().flat_map(|hook| hook.rungs).flat_map(|(_, parts)| *parts);
        for fact in parts.flat_map(|part| part.needs.facts) {
            assert!(layout.get(fact).is_some(), "{fact}");
        }
    }
}
