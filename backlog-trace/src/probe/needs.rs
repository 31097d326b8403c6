//! What a program must find in a kernel beside its target.
//!
//! Said per program, asked before it is loaded: the verifier's own words about
//! an argument or a member that a kernel lacks would help nobody.

use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::Result;

use super::extents::Extents;
use super::programs::{PROGRAMS, Part};
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

/// Where functions lie, as far as programs of these rungs ask for it.
///
/// Not read where none does: the kernel prints 200,000 symbols for a dozen of
/// them, which takes it as long as verifying some of the programs.
///
/// # Errors
/// Where it is asked for and /proc/kallsyms cannot be read.
pub(super) fn extents(rungs: &[Rung], types: &Btf, layout: &Layout) -> Result<Extents> {
    if want_places(rungs, types, layout) { Extents::find() } else { Ok(Extents::default()) }
}

/// Whether a hook that this kernel can have on one of these rungs has a program
/// that must know where functions lie.
fn want_places(rungs: &[Rung], types: &Btf, layout: &Layout) -> bool {
    let anywhere = Extents::default();
    let can = |part: &Part| lack(&part.needs, part.target, types, layout, &anywhere).is_none();
    let hooks = PROGRAMS.iter().flat_map(|hook| rungs.iter().filter_map(|rung| hook.parts_on(*rung)));
    hooks
        .filter(|parts| parts.iter().all(|part| part.optional || can(part)))
        .any(|parts| parts.iter().any(|part| !part.needs.places.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::RUNGS;

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
    fn symbols_are_read_where_a_program_that_may_stand_asks_for_them() {
        let by_tracepoints = ["6.12.107", "6.18.44", "7.2.13"];
        for name in ["5.10.223", "6.1.176", "6.12.107", "6.18.44", "7.2.13"] {
            let (types, layout) = kernel(name);
            let want = |rungs: &[Rung]| want_places(rungs, &types, &layout);
            assert!(!want(&[Rung::Fentry]) && !want(&[Rung::Kprobe]) && !want(&[]), "{name}");
            let asked = by_tracepoints.contains(&name);
            assert_eq!((want(&[Rung::Tracepoint]), want(RUNGS)), (asked, asked), "{name}");
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
