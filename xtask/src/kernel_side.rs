//! The toolchain of the kernel side: which rustc, cargo and bpf-linker build
//! it, with which flags, and what installs them.
//!
//! A plain `cargo build` of the tool never comes here: it embeds the
//! checked-in object.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::debian;
use crate::remap::{self, cargo_home, list};
use crate::stable_identity;
use crate::step::{loud, on_path, quiet, step};

/// The version that the distribution's LLVM 22 builds.
const LINKER_VERSION: &str = "0.13.0";
const PACKAGES: [&str; 6] =
    ["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev", "libpolly-22-dev", "libzstd-dev"];
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// Compiler and linker of the kernel side.
#[derive(Debug)]
pub(crate) struct KernelSide {
    rustc: PathBuf,
    cargo: PathBuf,
    linker: PathBuf,
    sysroot: PathBuf,
    /// Release, commit hash and date.
    pub(crate) rustc_version: String,
    /// LLVM of rustc.
    pub(crate) llvm_version: String,
    /// bpf-linker and its LLVM library.
    pub(crate) linker_version: String,
}

impl KernelSide {
    /// Finds the toolchain, installing the distribution's where nothing else
    /// is there and the user is root.
    pub(crate) fn find() -> Result<Self> {
        let (rustc, cargo) = match compiler() {
            Some(found) => found,
            None => {
                debian::install("a Rust compiler with its library's source", &PACKAGES)?;
                compiler().context("rustc-web is installed, but /usr/bin/rustc has no library source")?
            }
        };
        let linker = match linker() {
            Some(found) => found,
            None => install_linker(&rustc, &cargo)?,
        };
        let sysroot = sysroot(&rustc)?;
        let said = quiet(Command::new(&rustc).arg("-vV"))?;
        let said = |name: &str| {
            let found = said.lines().find_map(|line| line.strip_prefix(name));
            found.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
        };
        let rustc_version =
            format!("{} ({} {})", said("release:"), said("commit-hash:"), said("commit-date:"));
        let linker_version = linker_version(&linker)?;
        Ok(Self {
            llvm_version: said("LLVM version:"),
            rustc,
            cargo,
            linker,
            sysroot,
            rustc_version,
            linker_version,
        })
    }

    /// Builds the sources in `root` and returns the object as the linker left it.
    pub(crate) fn build(&self, root: &Path, target_dir: &Path) -> Result<PathBuf> {
        let source = root.join("backlog-trace-ebpf");
        // Fetched first, so that the directories to remap exist.
        quiet(self.cargo_in(&source).args(["fetch", "--locked"]))?;
        let flags = self.flags(root)?;
        let mut cargo = self.cargo_in(&source);
        stable_identity::wrap(&mut cargo, root)?;
        loud(
            cargo
                .env("CARGO_ENCODED_RUSTFLAGS", flags)
                .args(["build", "--quiet", "--release", "--locked", "--target", "bpfel-unknown-none"])
                .args(["-Zbuild-std=core", "--bin", "backlog-trace-ebpf", "--target-dir"])
                .arg(target_dir),
        )?;
        Ok(target_dir.join("bpfel-unknown-none/release/backlog-trace-ebpf"))
    }

    /// The flags with the paths of this machine replaced by names, so that the
    /// record is the same wherever the sources are.
    pub(crate) fn flags_for_record() -> String {
        format!("{} {}", CODE_FLAGS.join(" "), remap::RECORDED)
    }

    fn flags(&self, root: &Path) -> Result<OsString> {
        let mut flags: Vec<OsString> = CODE_FLAGS.iter().map(OsString::from).collect();
        let mut linker = OsString::from("-Clinker=");
        linker.push(&self.linker);
        flags.push(linker);
        let mut named = remap::of_cargo(&cargo_home()?);
        // Built from source, so it has no name of its own.
        named.push((self.sysroot.join("lib/rustlib/src/rust"), "/rust".to_owned()));
        named.push(remap::of_checkout(root));
        flags.extend(remap::flags(&named));
        Ok(flags.join(OsStr::new("\u{1f}")))
    }

    /// `cargo` of this toolchain. What rustup, the user or the cargo that runs
    /// us have set would change the flags or pick another compiler.
    fn cargo_in(&self, directory: &Path) -> Command {
        let mut command = clean(&self.cargo);
        command.current_dir(directory).env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        command
    }
}

/// What decides the code. v3: ALU32 and JMP32, which every kernel from 5.1 on
/// takes. Without the last flag bpf-linker turns each small memset into a call
/// of a byte loop.
const CODE_FLAGS: [&str; 4] =
    ["-Ctarget-cpu=v3", "-Cdebuginfo=2", "-Clink-arg=--btf", "-Clink-arg=--disable-expand-memcpy-in-order"];

fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let cargo_sets = text.starts_with("CARGO")
            && text != "CARGO_HOME"
            && !text.starts_with("CARGO_NET")
            && !text.starts_with("CARGO_HTTP")
            && !text.starts_with("CARGO_REGISTR")
            && !text.starts_with("CARGO_SOURCE");
        if cargo_sets
            || text.starts_with("RUSTUP_TOOLCHAIN")
            || text.starts_with("RUSTC")
            || text == "RUSTFLAGS"
        {
            command.env_remove(&name);
        }
    }
    command
}

fn compiler() -> Option<(PathBuf, PathBuf)> {
    if let (Some(rustc), Some(cargo)) = (env::var_os("BPF_RUSTC"), env::var_os("BPF_CARGO")) {
        return Some((rustc.into(), cargo.into()));
    }
    let packaged = (PathBuf::from("/usr/bin/rustc"), PathBuf::from("/usr/bin/cargo"));
    if packaged.1.is_file() && has_library_source(&packaged.0) {
        return Some(packaged);
    }
    let toolchains = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".rustup")))?
        .join("toolchains");
    list(&toolchains)
        .into_iter()
        .map(|toolchain| (toolchain.join("bin/rustc"), toolchain.join("bin/cargo")))
        .find(|(rustc, cargo)| cargo.is_file() && has_library_source(rustc))
}

fn has_library_source(rustc: &Path) -> bool {
    sysroot(rustc).is_ok_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/core").is_dir())
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    Ok(PathBuf::from(quiet(clean(rustc).args(["--print", "sysroot"]))?.trim()))
}

fn linker() -> Option<PathBuf> {
    env::var_os("BPF_LINKER").map(PathBuf::from).or_else(|| on_path("bpf-linker")).or_else(|| {
        let installed = cargo_home().ok()?.join("bin/bpf-linker");
        installed.is_file().then_some(installed)
    })
}

fn install_linker(rustc: &Path, cargo: &Path) -> Result<PathBuf> {
    let line = format!(
        "cargo install bpf-linker --version {LINKER_VERSION} --no-default-features --features llvm-22 --locked"
    );
    let settings = format!("LLVM_SYS_221_PREFIX={LLVM_PREFIX} LIBRARY_PATH={LLVM_PREFIX}/lib");
    if !Path::new(LLVM_PREFIX).join("lib").is_dir() {
        debian::install("LLVM 22, which bpf-linker is built with,", &PACKAGES)?;
    }
    step(&line, || {
        quiet(
            clean(cargo)
                .env("RUSTC", rustc)
                .env("LLVM_SYS_221_PREFIX", LLVM_PREFIX)
                .env("LIBRARY_PATH", format!("{LLVM_PREFIX}/lib"))
                .args(line.split(' ').skip(1)),
        )
    })
    .with_context(|| format!("bpf-linker is missing and could not be installed\n  run: {settings} {line}"))?;
    match linker() {
        Some(linker) => Ok(linker),
        None => bail!("bpf-linker was installed, but is neither on PATH nor in cargo's bin directory"),
    }
}

/// Version and LLVM library: a linker with another LLVM makes other code.
fn linker_version(linker: &Path) -> Result<String> {
    let version = quiet(Command::new(linker).arg("--version"))?.trim().to_owned();
    let libraries = quiet(Command::new("ldd").arg(linker)).unwrap_or_default();
    let llvm = libraries.split_whitespace().find(|word| word.starts_with("libLLVM")).unwrap_or("LLVM inside");
    Ok(format!("{version}, {llvm}"))
}

/// Names, relative to the workspace root, of what the object is made from.
pub(crate) const SOURCES: [&str; 5] = [
    "backlog-trace-ebpf/Cargo.toml",
    "backlog-trace-ebpf/Cargo.lock",
    "backlog-trace-ebpf/src",
    "backlog-trace-common/Cargo.toml",
    "backlog-trace-common/src",
];
