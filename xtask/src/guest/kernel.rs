//! A kernel's image and modules, from its packages, kept under
//! `target/vm/kernels`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::module;
use crate::archive::Archive;
use crate::kernels::Kernel;
use crate::step::step;
use crate::workspace;

/// What a guest needs of a kernel.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The bootable image.
    pub(crate) image: PathBuf,
    /// Modules in the order in which they must be loaded.
    pub(crate) modules: Vec<PathBuf>,
    /// A static busybox.
    pub(crate) busybox: PathBuf,
}

/// Downloads what is not there yet.
pub(crate) fn prepare(kernel: &Kernel) -> Result<Prepared> {
    let busybox = busybox()?;
    let directory = workspace::target().join("vm/kernels").join(kernel.version);
    let complete = directory.join("complete");
    if !complete.is_file() {
        let _ = fs::remove_dir_all(&directory);
        let archive = Archive::open(&[kernel.suite])?;
        let names =
            kernel.packages.iter().map(|pattern| archive.newest(pattern)).collect::<Result<Vec<_>>>()?;
        step(&format!("download {}", names.join(", ")), || archive.unpack(&names, &directory))?;
        fs::write(&complete, names.join("\n"))?;
    }
    let image = find(&directory, &|name| name == "vmlinuz" || name.starts_with("vmlinuz-"))
        .with_context(|| format!("the packages of kernel {} hold no vmlinuz", kernel.version))?;
    let modules = module::in_order(&directory, &busybox)?;
    Ok(Prepared { image, modules, busybox })
}

fn busybox() -> Result<PathBuf> {
    let directory = workspace::target().join("vm/busybox");
    let busybox = || find(&directory, &|name| name == "busybox");
    if busybox().is_none() {
        let archive = Archive::open(&["trixie"])?;
        step("download busybox-static", || archive.unpack(&["busybox-static".to_owned()], &directory))?;
    }
    busybox().context("busybox-static holds no busybox")
}

/// The first regular file below a directory whose name is wanted.
pub(super) fn find(directory: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.into_iter().find_map(|path| {
        let kind = fs::symlink_metadata(&path).ok()?;
        if kind.is_dir() {
            find(&path, wanted)
        } else if kind.is_file() && path.file_name()?.to_str().is_some_and(wanted) {
            Some(path)
        } else {
            None
        }
    })
}
