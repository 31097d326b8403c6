//! What a dynamic program needs beside it: its interpreter and libraries.
//!
//! Read from the ELF files themselves, so that it works for programs unpacked
//! from packages of another release, which this machine could not run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{Endianness, StringTable};

/// Where Debian keeps libraries. RPATH is not looked at: packages set none.
const DIRECTORIES: [&str; 6] =
    ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib64", "lib64", "usr/lib", "lib"];

/// The libraries of a program, by their path in the guest. `root` is the tree
/// that the program was unpacked to, or `/`.
pub(crate) fn closure(root: &Path, program: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![program.to_path_buf()];
    while let Some(file) = waiting.pop() {
        let bytes = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let wanted =
            wanted(&bytes).with_context(|| format!("{} is no ELF file of this machine", file.display()))?;
        for name in wanted {
            let (inside, outside) = locate(root, &name)
                .with_context(|| format!("{} needs {name}, which is not there", program.display()))?;
            if found.insert(inside, outside.clone()).is_none() {
                waiting.push(outside);
            }
        }
    }
    Ok(found)
}

/// A name with a slash is the interpreter's path, any other is searched for.
fn locate(root: &Path, name: &str) -> Option<(String, PathBuf)> {
    if let Some(path) = name.strip_prefix('/') {
        let base = path.rsplit('/').next()?;
        let outside = resolved(root, path).or_else(|| locate(root, base).map(|(_, outside)| outside))?;
        return Some((path.to_owned(), outside));
    }
    DIRECTORIES.iter().find_map(|directory| {
        let inside = format!("{directory}/{name}");
        Some((inside.clone(), resolved(root, &inside)?))
    })
}

/// Follows links inside the tree: an absolute target means the tree's root.
fn resolved(root: &Path, inside: &str) -> Option<PathBuf> {
    let mut path = root.join(inside);
    for _ in 0..8 {
        if path.is_file() {
            return Some(path);
        }
        let target = fs::read_link(&path).ok()?;
        path = match target.strip_prefix("/") {
            Ok(absolute) => root.join(absolute),
            Err(_) => path.parent()?.join(target),
        };
    }
    None
}

/// DT_NEEDED names, and the path in PT_INTERP.
fn wanted(bytes: &[u8]) -> Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let mut names = Vec::new();
    let segments = header.program_headers(endian, bytes)?;
    for segment in segments {
        if segment.p_type(endian) == PT_INTERP
            && let Ok(path) = segment.data(endian, bytes)
        {
            names.push(String::from_utf8_lossy(path).trim_end_matches('\0').to_owned());
        }
    }
    let sections = header.sections(endian, bytes)?;
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings: StringTable<'_> = sections.strings(endian, bytes, link)?;
        for entry in entries {
            if entry.tag32(endian) == Some(DT_NEEDED) {
                names.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            }
        }
    }
    if names.iter().any(|name| name.contains("..")) {
        bail!("a library name points out of its directory");
    }
    Ok(names)
}

/// Names of the libraries that a file asks for; none for a static program.
pub(crate) fn needed(bytes: &[u8]) -> Result<Vec<String>> {
    wanted(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_needs_libc_and_an_interpreter() {
        let this = std::env::current_exe().unwrap();
        let found = closure(Path::new("/"), &this).unwrap();
        assert!(found.keys().any(|path| path.ends_with("/libc.so.6")), "{found:?}");
        assert!(found.keys().any(|path| path.contains("ld-linux")), "{found:?}");
    }

    #[test]
    fn text_is_no_program() {
        assert!(needed(b"#!/bin/sh\n").is_err());
    }
}
