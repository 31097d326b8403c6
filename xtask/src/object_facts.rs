//! What any toolchain must make of the same sources: the names and kinds of
//! programs, maps and globals, and the sizes of the globals.
//!
//! It refuses to compare instructions: two compilers may both be right.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

/// One line per fact, so that two objects are compared by a set difference
/// and a difference reads as a sentence.
pub(crate) fn of_object(bytes: &[u8]) -> Result<BTreeSet<String>> {
    let file = object::File::parse(bytes).context("the object is no ELF file")?;
    let mut facts = BTreeSet::new();
    for symbol in file.symbols() {
        // Local symbols are basic blocks and static subprograms: the
        // compiler's own business.
        if !symbol.is_global() {
            continue;
        }
        let Some(section) = symbol.section_index().and_then(|index| file.section_by_index(index).ok()) else {
            continue;
        };
        let name = symbol.name().context("a symbol has no readable name")?;
        let place = section.name().context("a section has no readable name")?;
        let fact = match (section.kind(), symbol.kind()) {
            // aya-ebpf's memory builtins are exported into .text when used.
            (SectionKind::Text, _) if place == ".text" => continue,
            (SectionKind::Text, _) => format!("program {name} in section {place}"),
            (_, SymbolKind::Data) if place == "maps" || place == ".maps" => {
                format!("map {name} of {} bytes in section {place}", symbol.size())
            }
            (_, SymbolKind::Data) => format!("global {name} of {} bytes in section {place}", symbol.size()),
            _ => continue,
        };
        facts.insert(fact);
    }
    if let Some(section) = file.section_by_name("license") {
        let license = section.data().context("the license section cannot be read")?;
        facts.insert(format!("license {}", String::from_utf8_lossy(license).trim_end_matches('\0')));
    }
    for section in [".BTF", ".BTF.ext"] {
        if file.section_by_name(section).is_some() {
            facts.insert(format!("type information in section {section}"));
        }
    }
    Ok(facts)
}

/// What is in one object and not in the other, in words.
pub(crate) fn differences(checked_in: &BTreeSet<String>, rebuilt: &BTreeSet<String>) -> Vec<String> {
    let lost = checked_in.difference(rebuilt).map(|fact| format!("only in the checked-in object: {fact}"));
    let new = rebuilt.difference(checked_in).map(|fact| format!("only in the rebuilt object: {fact}"));
    lost.chain(new).collect()
}
