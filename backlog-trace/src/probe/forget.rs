//! Gives the room of closed listeners back in the kernel's maps.

use aya::Ebpf;
use aya::programs::raw_trace_point::RawTracePoint;
use aya::programs::{RawTracePointRunOptions, TestRun};
use backlog_trace_common::limits::FORGOTTEN_AT_ONCE;
use backlog_trace_model::failure::{Exit, Failure, Result};

use super::maps::Maps;
use super::refusal;
use crate::kernel::possible_cpus::CpuList;
use crate::kernel::preflight::Facts;

/// What the program is called in messages.
const FORGET: &str = "the program that gives the room of closed listeners back";

/// Loads the program.
///
/// # Errors
/// `KernelUnable` where the kernel refuses it.
pub(super) fn load(ebpf: &mut Ebpf, facts: &Facts) -> Result<()> {
    let program: &mut RawTracePoint = ebpf
        .program_mut("forget")
        .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no program forget"))?
        .try_into()
        .map_err(|error| Failure::internal("program forget", error))?;
    program.load().map_err(|error| refusal::program_failure(FORGET, &error, facts))
}

/// Gives back what these keys have.
///
/// # Errors
/// The kernel refuses to run the program, or to take something out of a map.
pub(super) fn keys(ebpf: &Ebpf, maps: &mut Maps, keys: &[u64]) -> Result<()> {
    for keys in keys.chunks(FORGOTTEN_AT_ONCE as usize) {
        maps.name_forgotten(keys)?;
        run(ebpf, keys.len())?;
        for key in keys {
            maps.remove(*key)?;
        }
    }
    Ok(())
}

/// Runs it on every CPU that is online: one that went offline has rows of
/// keys that are never used again, which are in nobody's way there.
pub(super) fn run(ebpf: &Ebpf, count: usize) -> Result<()> {
    let program: &RawTracePoint = ebpf
        .program("forget")
        .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no program forget"))?
        .try_into()
        .map_err(|error| Failure::internal("program forget", error))?;
    for cpu in CpuList::online()?.iter() {
        let mut options = RawTracePointRunOptions::new();
        options.cpu = Some(cpu);
        options.args[0] = count as u64;
        program.test_run(options).map_err(|error| Failure::internal(FORGET, error))?;
    }
    Ok(())
}
