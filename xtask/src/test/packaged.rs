//! Programs nobody here wrote: a server and a load generator from the
//! distribution, unpacked under `target/vm`, with the libraries they need.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::archive::Archive;
use crate::guest::{self, GuestFile};
use crate::step::step;
use crate::workspace;

/// The release they come from: its C library runs on every kernel of the matrix.
const SUITE: &str = "trixie";
const PACKAGES: [&str; 2] = ["nginx", "wrk"];
const PROGRAMS: [&str; 2] = ["usr/sbin/nginx", "usr/bin/wrk"];

/// The files for a guest, at the paths their packages give them.
pub(crate) fn packaged() -> Result<Vec<GuestFile>> {
    let tree = unpacked()?;
    let mut files = Vec::new();
    for program in PROGRAMS {
        let outside = tree.join(program);
        let libraries = guest::closure(&tree, &outside)
            .with_context(|| format!("{program} cannot be taken from its package"))?;
        files.push(GuestFile { inside: program.to_owned(), outside });
        files.extend(libraries.into_iter().map(|(inside, outside)| GuestFile { inside, outside }));
    }
    Ok(files)
}

fn unpacked() -> Result<PathBuf> {
    let tree = workspace::target().join("vm/programs");
    let complete = tree.join("complete");
    if !complete.is_file() {
        let _ = fs::remove_dir_all(&tree);
        let archive = Archive::open(&[SUITE])?;
        step(&format!("download {}", PACKAGES.join(", ")), || archive.unpack_closure(&PACKAGES, &tree))?;
        fs::write(complete, "")?;
    }
    Ok(tree)
}
