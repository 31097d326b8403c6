//! Kernel modules: found in an unpacked package, decompressed, and put in the
//! order in which they can be loaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use object::{Object as _, ObjectSection as _};

use super::kernel::find;
use crate::kernels::{MODULES, OPTIONAL_MODULES};

/// The modules of the matrix with all they depend on, each after what it
/// depends on. One that is built into the kernel is left out.
pub(super) fn in_order(package: &Path, busybox: &Path) -> Result<Vec<PathBuf>> {
    let mut search =
        Search { package, busybox, builtin: builtin(package), loaded: Vec::new(), order: Vec::new() };
    for name in MODULES {
        search.add(name, OPTIONAL_MODULES.contains(&name))?;
    }
    Ok(search.order)
}

struct Search<'a> {
    package: &'a Path,
    busybox: &'a Path,
    builtin: Vec<String>,
    loaded: Vec<String>,
    order: Vec<PathBuf>,
}

impl Search<'_> {
    fn add(&mut self, name: &str, optional: bool) -> Result<()> {
        let name = spelled(name);
        if self.loaded.contains(&name) || self.builtin.contains(&name) {
            return Ok(());
        }
        self.loaded.push(name.clone());
        let Some(file) = find(self.package, &|file| module_name(file).is_some_and(|module| module == name))
        else {
            if optional {
                return Ok(());
            }
            bail!("the kernel's packages have no module {name}");
        };
        let file = decompressed(&file, self.busybox)?;
        let bytes = fs::read(&file)?;
        for dependency in dependencies(&bytes).with_context(|| format!("{} is no module", file.display()))? {
            self.add(&dependency, false)?;
        }
        self.order.push(file);
        Ok(())
    }
}

/// `a-b.ko.xz` is module `a_b`.
fn module_name(file: &str) -> Option<String> {
    Some(spelled(file.split_once(".ko")?.0))
}

/// Files are named with either sign, symbols only with the underscore.
fn spelled(name: &str) -> String {
    name.replace('-', "_")
}

fn builtin(package: &Path) -> Vec<String> {
    let list =
        find(package, &|name| name == "modules.builtin").and_then(|file| fs::read_to_string(file).ok());
    let list = list.unwrap_or_default();
    list.lines().filter_map(|line| module_name(line.rsplit('/').next()?)).collect()
}

/// Releases compress with xz or not at all; our static busybox knows how.
fn decompressed(file: &Path, busybox: &Path) -> Result<PathBuf> {
    if file.extension().is_none_or(|extension| extension != "xz") {
        return Ok(file.to_path_buf());
    }
    let plain = file.with_extension("");
    let output = Command::new(busybox).arg("unxz").arg("-c").arg(file).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!(
            "{} cannot be decompressed: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    fs::write(&plain, output.stdout)?;
    Ok(plain)
}

/// `depends=` of the `.modinfo` section: comma-separated names.
fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file.section_by_name(".modinfo").context("there is no .modinfo")?;
    let names = section
        .data()?
        .split(|&byte| byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix("depends="))
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_files_are_named_in_many_ways() {
        for (file, module) in [
            ("tun.ko", Some("tun")),
            ("inet-diag.ko.xz", Some("inet_diag")),
            ("tcp_diag.ko.zst", Some("tcp_diag")),
            ("modules.builtin", None),
        ] {
            assert_eq!(module_name(file).as_deref(), module, "{file}");
        }
    }
}
