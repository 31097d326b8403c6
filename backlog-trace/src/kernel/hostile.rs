//! The parsers of this module for the fuzz targets, which are another crate.
//! It exists in fuzzing builds only.

use super::btf::Btf;
use super::layout::Layout;
use super::possible_cpus::CpuList;
use super::preflight::Lockdown;
use super::release::Release;
use super::symbols::Symbols;

/// Names that a mutation can hit without a dictionary.
const NAMES: [&str; 4] = ["sock", "a", "net", ""];

/// Reads the bytes as the kernel's types: there is an answer or an error, and
/// looking things up ends.
pub fn types(blob: Vec<u8>) {
    let Ok(types) = Btf::parse(blob) else { return };
    for name in NAMES {
        let _ = types.function(name);
        let _ = types.tracepoint(name);
        let _ = types.enumerator(name);
        for path in ["a", "a.b", "sk_drops", "__sk_common.skc_net"] {
            let _ = types.field(name, path);
        }
    }
    if let Ok(layout) = Layout::resolve(&types) {
        let _ = layout.check_pairs();
    }
}

/// Reads the bytes as each of the files of /proc and /sys that the kernel writes
/// about itself.
pub fn files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(list) = CpuList::parse(&text) {
        assert!(list.count() >= 1 && list.iter().all(|cpu| cpu <= list.highest()));
    }
    let _ = Lockdown::parse(&text);
    let _ = Release::parse(&text);
    if let Ok(symbols) = Symbols::parse(bytes, &["tcp_check_req", "a"]) {
        let _ = (symbols.range("tcp_check_req"), symbols.range("a"));
    }
}
