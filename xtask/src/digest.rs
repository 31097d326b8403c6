//! SHA-256 of files and of source trees.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Digest of these bytes, in hexadecimal.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// Digest over names and contents of the files below the given places, which
/// are named relative to `root`. Build output (`target`) is left out.
pub(crate) fn of_tree(root: &Path, places: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for place in places {
        collect(&root.join(place), &mut files)?;
    }
    files.sort();
    let mut sum = Sha256::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
        let bytes = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        // Lengths between the parts, so that no two trees run together alike.
        sum.update(format!("{} {}\n", name, bytes.len()));
        sum.update(&bytes);
    }
    Ok(hex(sum.finalize().as_slice()))
}

fn collect(place: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if place.is_file() {
        files.push(place.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(place).with_context(|| format!("{} cannot be read", place.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name != "target") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('?'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_sha256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(of_bytes(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn tree_digest_sees_names_contents_and_ignores_build_output() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("src/target")).unwrap();
        fs::write(root.join("src/a.rs"), "a").unwrap();
        let first = of_tree(root, &["src"]).unwrap();
        fs::write(root.join("src/target/out"), "x").unwrap();
        assert_eq!(first, of_tree(root, &["src"]).unwrap());
        fs::rename(root.join("src/a.rs"), root.join("src/b.rs")).unwrap();
        assert_ne!(first, of_tree(root, &["src"]).unwrap());
    }
}
