//! `build-ebpf`: rebuilds the kernel side that is checked in, or proves that
//! the checked-in object is what the sources give.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::kernel_side::{KernelSide, SOURCES};
use crate::objcopy::Objcopy;
use crate::record::Record;
use crate::step::step;
use crate::{digest, object_facts, workspace};

/// Rebuilds the compiled kernel side from its sources.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Change nothing: compare what the sources give with what is checked in.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let scratch = workspace::target().join("ebpf");
    if arguments.check {
        // From nothing, so that no earlier build can stand in for the sources.
        fs::create_dir_all(&scratch)?;
        let fresh = tempfile::tempdir_in(&scratch)?;
        let (rebuilt, record) = build(fresh.path())?;
        check(&rebuilt, &record)?;
    } else {
        let (rebuilt, record) = build(&scratch)?;
        let object = workspace::checked_in_object();
        if let Some(directory) = object.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&object, &rebuilt)?;
        fs::write(workspace::checked_in_record(), record.to_string())?;
        println!("{}: {} bytes, sha256 {}", object.display(), rebuilt.len(), record.object);
    }
    Ok(ExitCode::SUCCESS)
}

fn build(scratch: &Path) -> Result<(Vec<u8>, Record)> {
    let toolchain = KernelSide::find()?;
    let objcopy = Objcopy::find(toolchain.llvm_version.split('.').next().unwrap_or_default())?;
    let root = workspace::root();
    let sources = digest::of_tree(&root, &SOURCES)?;
    let linked = step("build the kernel side", || toolchain.build(&root, scratch))?;
    let stripped = scratch.join("backlog-trace.bpf.o");
    objcopy.strip_unread(&linked, &stripped)?;
    let object = fs::read(&stripped).with_context(|| format!("{} cannot be read", stripped.display()))?;
    let record = Record {
        flags: KernelSide::flags_for_record(),
        rustc: toolchain.rustc_version,
        llvm: toolchain.llvm_version,
        linker: toolchain.linker_version,
        objcopy: objcopy.version,
        sources,
        object: digest::of_bytes(&object),
    };
    Ok((object, record))
}

fn check(rebuilt: &[u8], here: &Record) -> Result<()> {
    let object = workspace::checked_in_object();
    let checked_in = fs::read(&object).with_context(|| {
        format!("{} cannot be read\n  run `cargo xtask build-ebpf` and check its result in", object.display())
    })?;
    let record = fs::read_to_string(workspace::checked_in_record())
        .context("the record of the object cannot be read")?;
    let record = Record::parse(&record);
    let sentence = compare(&checked_in, &record, rebuilt, here)?;
    println!("{sentence}");
    Ok(())
}

/// The verdict, as a sentence that says what was compared.
fn compare(checked_in: &[u8], record: &Record, rebuilt: &[u8], here: &Record) -> Result<String> {
    let advice = "run `cargo xtask build-ebpf` and check its result in";
    if record.object != digest::of_bytes(checked_in) {
        bail!("the checked-in object is not the one its record describes\n  {advice}");
    }
    if record.sources != here.sources {
        bail!(
            "the sources of the kernel side have changed since the checked-in object was built\n  {advice}"
        );
    }
    if record.same_toolchain(here) {
        if checked_in != rebuilt {
            bail!(
                "the recorded toolchain makes another object from these sources: {} instead of {}\n  {advice}",
                here.object,
                record.object
            );
        }
        return Ok(format!(
            "the checked-in object is byte for byte what the sources give: sha256 {}",
            here.object
        ));
    }
    let facts = object_facts::of_object(checked_in)?;
    let differences = object_facts::differences(&facts, &object_facts::of_object(rebuilt)?);
    if !differences.is_empty() {
        bail!(
            "another toolchain gives another object from these sources:\n  {}\n  {advice}",
            differences.join("\n  ")
        );
    }
    Ok(format!(
        "this is not the recorded toolchain, so bytes were not compared:\n  {}\n\
         the same {} programs, maps, globals and marks are in both objects",
        record.toolchain_differences(here).join("\n  "),
        facts.len()
    ))
}
