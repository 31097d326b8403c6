//! Finding an llvm-objcopy, and stripping the object with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step::{on_path, quiet};

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

    /// Copies the object without its DWARF sections; BTF stays.
    pub(crate) fn strip_debug(&self, from: &Path, to: &Path) -> Result<()> {
        quiet(Command::new(&self.program).arg("--strip-debug").arg(from).arg(to))?;
        Ok(())
    }
}
