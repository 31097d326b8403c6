//! Where things are in this workspace.

use std::path::{Path, PathBuf};

/// The workspace root: the directory above this crate.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// What this tool keeps between runs: kernels, packages, disk images, builds
/// of the kernel side. Removed by `cargo clean` unless the target directory is
/// elsewhere.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// The static binary that `dist` makes.
pub(crate) fn dist_binary() -> PathBuf {
    target().join("dist").join("backlog-trace")
}

/// Where the compiled kernel side and its record are checked in.
pub(crate) fn checked_in_object() -> PathBuf {
    root().join("backlog-trace/src/probe/object/backlog-trace.bpf.o")
}

/// The record of what made the checked-in object.
pub(crate) fn checked_in_record() -> PathBuf {
    root().join("backlog-trace/src/probe/object/TOOLCHAIN")
}
