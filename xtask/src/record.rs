//! The record beside the checked-in object: which toolchain made it, from
//! which sources, and what came out. `name: value` lines, for people first.

use std::fmt;

/// One record. Every field is one line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// `rustc`'s release and commit.
    pub(crate) rustc: String,
    /// The LLVM that `rustc` generates bitcode with.
    pub(crate) llvm: String,
    /// bpf-linker's version and the LLVM library it links with.
    pub(crate) linker: String,
    /// What strips the debug sections.
    pub(crate) objcopy: String,
    /// Compiler flags, paths replaced by what they are mapped to.
    pub(crate) flags: String,
    /// SHA-256 of the sources, see [`crate::digest::of_tree`].
    pub(crate) sources: String,
    /// SHA-256 of the object.
    pub(crate) object: String,
}

impl Record {
    /// Whether both were made by the same tools with the same flags, so that
    /// the same sources must give the same bytes.
    pub(crate) fn same_toolchain(&self, other: &Self) -> bool {
        self.toolchain() == other.toolchain()
    }

    /// What differs between the tools of the two, one line each.
    pub(crate) fn toolchain_differences(&self, other: &Self) -> Vec<String> {
        let names = ["rustc", "llvm", "bpf-linker", "objcopy", "flags"];
        let pairs = self.toolchain().into_iter().zip(other.toolchain());
        names
            .iter()
            .zip(pairs)
            .filter(|(_, (recorded, here))| recorded != here)
            .map(|(name, (recorded, here))| format!("{name}: recorded `{recorded}`, here `{here}`"))
            .collect()
    }

    fn toolchain(&self) -> [&str; 5] {
        [&self.rustc, &self.llvm, &self.linker, &self.objcopy, &self.flags]
    }

    /// Reads a record; unknown lines are passed over, missing ones stay empty
    /// and therefore differ from every real value.
    pub(crate) fn parse(text: &str) -> Self {
        let mut record = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim().to_owned();
            match name {
                "rustc" => record.rustc = value,
                "llvm" => record.llvm = value,
                "bpf-linker" => record.linker = value,
                "objcopy" => record.objcopy = value,
                "flags" => record.flags = value,
                "sources-sha256" => record.sources = value,
                "object-sha256" => record.object = value,
                _ => {}
            }
        }
        record
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Written by `cargo xtask build-ebpf`, verified by `cargo xtask build-ebpf --check`.")?;
        writeln!(f, "rustc: {}", self.rustc)?;
        writeln!(f, "llvm: {}", self.llvm)?;
        writeln!(f, "bpf-linker: {}", self.linker)?;
        writeln!(f, "objcopy: {}", self.objcopy)?;
        writeln!(f, "flags: {}", self.flags)?;
        writeln!(f, "sources-sha256: {}", self.sources)?;
        writeln!(f, "object-sha256: {}", self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        Record {
            rustc: "1.96.0 (abc 2026-05-25)".into(),
            llvm: "22.1.8".into(),
            linker: "bpf-linker 0.13.0, libLLVM.so.22.1".into(),
            objcopy: "22.1.8".into(),
            flags: "-Cdebuginfo=2 --remap-path-prefix=ROOT=/src".into(),
            sources: "aa".into(),
            object: "bb".into(),
        }
    }

    #[test]
    fn a_record_reads_back_as_written() {
        assert_eq!(Record::parse(&sample().to_string()), sample());
    }

    #[test]
    fn another_linker_is_another_toolchain_other_sources_are_not() {
        let sources = Record { sources: "cc".into(), ..sample() };
        assert!(sample().same_toolchain(&sources));
        let linker = Record { linker: "bpf-linker 0.14.0".into(), ..sample() };
        assert!(!sample().same_toolchain(&linker));
        assert_eq!(sample().toolchain_differences(&linker).len(), 1);
    }
}
