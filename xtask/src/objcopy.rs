//! Finding an llvm-objcopy, and stripping the object with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step::{on_path, quiet};

/// Sections that neither aya nor the kernel reads, beside DWARF.
const UNREAD: [&str; 3] = [".rel.BTF", ".rel.BTF.ext", ".llvm_addrsig"];

/// An llvm-objcopy. GNU's does not know the machine type of eBPF.
#[derive(Debug)]
pub(crate) struct Objcopy {
    program: PathBuf,
    /// Its LLVM version, for the record.
    pub(crate) version: String,
}

impl Objcopy {
    /// `$LLVM_OBJCOPY`, else that of the LLVM of this major version, else any
    /// on PATH.
    pub(crate) fn find(llvm_major: &str) -> Result<Self> {
        let program = std::env::var_os("LLVM_OBJCOPY")
            .map(PathBuf::from)
            .or_else(|| {
                let packaged = PathBuf::from(format!("/usr/lib/llvm-{llvm_major}/bin/llvm-objcopy"));
                packaged.is_file().then_some(packaged)
            })
            .or_else(|| on_path(&format!("llvm-objcopy-{llvm_major}")))
            .or_else(|| on_path("llvm-objcopy"))
            .with_context(|| {
                format!(
                    "llvm-objcopy is missing\n  run as root: apt-get install llvm-{llvm_major}, \
                     or name one in LLVM_OBJCOPY"
                )
            })?;
        let said = quiet(Command::new(&program).arg("--version"))?;
        let version = said
            .lines()
            .find_map(|line| line.split_once("LLVM version "))
            .map_or("unknown", |(_, version)| version.trim())
            .to_owned();
        Ok(Self { program, version })
    }

    /// Copies the object without what nothing reads: DWARF, and relocations of
    /// BTF, which are for a linker that joins objects (the values are in place).
    /// BTF stays, and so does .BTF.ext: it has the functions' names and types, and
    /// the lines that the verifier names where it refuses a program.
    pub(crate) fn strip_unread(&self, from: &Path, to: &Path) -> Result<()> {
        let unread = UNREAD.map(|section| format!("--remove-section={section}"));
        quiet(Command::new(&self.program).arg("--strip-debug").args(unread).arg(from).arg(to))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use object::{Object as _, ObjectSection as _};

    use super::*;
    use crate::workspace;

    #[test]
    fn the_checked_in_object_holds_nothing_that_nothing_reads() -> Result<()> {
        let bytes = fs::read(workspace::checked_in_object())?;
        let file = object::File::parse(bytes.as_slice())?;
        let is_unread = |name: &&str| {
            UNREAD.contains(name) || name.starts_with(".debug") || name.starts_with(".rel.debug")
        };
        let names: Vec<&str> = file.sections().filter_map(|section| section.name().ok()).collect();
        assert!(names.contains(&".BTF") && names.contains(&".BTF.ext"), "{names:?}");
        let unread: Vec<&&str> = names.iter().filter(|name| is_unread(name)).collect();
        assert!(unread.is_empty(), "{unread:?}: run `cargo xtask build-ebpf`");
        Ok(())
    }
}
