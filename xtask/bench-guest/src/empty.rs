//! Programs that do nothing, on both sides of the two functions that decide
//! about every connection: the floor under any tracer that hooks them.
//!
//! The object is put together here, for two instructions need no compiler.

use anyhow::{Context as _, Result};
use aya::programs::{FEntry, FExit};
use aya::{Btf, Ebpf};
use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

/// `r0 = 0; exit` (Documentation/bpf/standardization/instruction-set.rst).
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
/// `tcp_get_cookie_sock` decides too, but sees no connection of these workloads.
const FUNCTIONS: [&str; 2] = ["tcp_conn_request", "tcp_check_req"];

/// Attaches them for as long as the result lives.
pub(crate) fn attach() -> Result<Ebpf> {
    let kernel = Btf::from_sys_fs().context("the kernel's BTF")?;
    let mut loaded = Ebpf::load(&object()?).context("the object of the empty programs")?;
    for function in FUNCTIONS {
        let entry: &mut FEntry =
            loaded.program_mut(&name("fentry", function)).context("no entry program")?.try_into()?;
        entry.load(function, &kernel)?;
        entry.attach()?;
        let exit: &mut FExit =
            loaded.program_mut(&name("fexit", function)).context("no exit program")?.try_into()?;
        exit.load(function, &kernel)?;
        exit.attach()?;
    }
    Ok(loaded)
}

fn object() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    for function in FUNCTIONS {
        for side in ["fentry", "fexit"] {
            let place = format!("{side}/{function}");
            let section = object.add_section(Vec::new(), place.into_bytes(), SectionKind::Text);
            let value = object.append_section_data(section, &NOTHING, 8);
            object.add_symbol(Symbol {
                name: name(side, function).into_bytes(),
                value,
                size: 16,
                kind: SymbolKind::Text,
                scope: SymbolScope::Dynamic,
                weak: false,
                section: SymbolSection::Section(section),
                flags: SymbolFlags::None,
            });
        }
    }
    object.write().context("the object of the empty programs cannot be written")
}

fn name(side: &str, function: &str) -> String {
    format!("{side}_{function}")
}
