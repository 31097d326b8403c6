//! `vm`: boots one kernel of the matrix, runs a command in it or gives a shell.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::guest::{self, Guest, GuestFile, Qemu};
use crate::kernels::{self, Kernel};
use crate::workspace;

/// Boots a kernel under QEMU; runs a command in it, or gives a shell.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Kernel series: 5.10, 6.1, 6.12 or 7.2.
    #[arg(value_parser = kernels::parse)]
    version: &'static Kernel,
    /// Processors of the guest.
    #[arg(long, default_value_t = 2)]
    smp: u32,
    /// Memory of the guest, in MiB.
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// More for the kernel's command line.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    append: String,
    /// A file to put into the guest under the same path, with the libraries it
    /// needs if it is a program; or INSIDE=OUTSIDE.
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<String>,
    /// Seconds after which the guest is stopped.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// The command; its exit status becomes this command's.
    #[arg(last = true)]
    command: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let qemu = Qemu::find()?;
    let kernel = guest::prepare(arguments.version)?;
    let mut files = tool_files();
    for file in &arguments.files {
        files.extend(named_file(file)?);
    }
    let guest = Guest {
        kernel: &kernel,
        processors: arguments.smp,
        memory: arguments.memory,
        append: &arguments.append,
        files: &files,
        command: arguments.command.clone(),
        limit: Duration::from_secs(arguments.timeout),
        counted: false,
        live: true,
    };
    if arguments.command.is_empty() {
        guest::interactive(&qemu, &guest)?;
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = guest::run(&qemu, &guest)?;
    Ok(ExitCode::from(u8::try_from(outcome.status).unwrap_or(u8::MAX)))
}

/// The tool itself, if `dist` has made it.
pub(crate) fn tool_files() -> Vec<GuestFile> {
    let outside = workspace::dist_binary();
    let there = outside.is_file();
    there.then(|| GuestFile { inside: "/bin/backlog-trace".to_owned(), outside }).into_iter().collect()
}

fn named_file(named: &str) -> Result<Vec<GuestFile>> {
    let (inside, outside) = match named.split_once('=') {
        Some((inside, outside)) => (inside.to_owned(), PathBuf::from(outside)),
        None => {
            let path = std::path::absolute(named)?;
            (path.display().to_string(), path)
        }
    };
    let bytes = std::fs::read(&outside).with_context(|| format!("{} cannot be read", outside.display()))?;
    let mut files = vec![GuestFile { inside, outside: outside.clone() }];
    if bytes.starts_with(b"\x7fELF") {
        let libraries = guest::closure(Path::new("/"), &outside)?;
        files.extend(libraries.into_iter().map(|(inside, outside)| GuestFile { inside, outside }));
    }
    Ok(files)
}
