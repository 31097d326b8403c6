//! The cargo that runs us, for the user-space side.

use std::process::Command;

use crate::workspace;

/// `cargo` in the workspace root, with the toolchain that runs this tool.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    command
}
