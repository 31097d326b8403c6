//! Where the observation begins: per-CPU distances, and a walk over the
//! listeners of every namespace. The kernel side's `baseline` tells why the
//! order (hooks first, baselines second) makes it exact.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use aya::programs::raw_trace_point::RawTracePoint;
use aya::programs::{Iter, RawTracePointRunOptions, TestRun};
use aya::{Btf, Ebpf};

use super::load::chain;
use crate::failure::{Exit, Failure, Result};

/// Has every online CPU record where its per-CPU memory lies.
///
/// # Errors
/// `KernelUnable` where the kernel refuses the program that does it.
pub(super) fn record_cpu_offsets(ebpf: &mut Ebpf, online: &[u32]) -> Result<()> {
    let program: &mut RawTracePoint = ebpf
        .program_mut("cpu_offset")
        .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no program cpu_offset"))?
        .try_into()
        .map_err(|error| Failure::internal("program cpu_offset", error))?;
    program.load().map_err(|error| refused("the program that finds the per-CPU counters", &error))?;
    for &cpu in online {
        let mut options = RawTracePointRunOptions::new();
        options.cpu = Some(cpu);
        program
            .test_run(options)
            .map_err(|error| refused(&format!("a run on CPU {cpu} of the program that finds the counters"), &error))?;
    }
    Ok(())
}

/// Walks the listeners of each namespace. Namespaces are given by open files.
///
/// # Errors
/// `KernelUnable` where the kernel refuses the iterator.
pub(super) fn walk_listeners(ebpf: &mut Ebpf, btf: &Btf, namespaces: &[OwnedFd]) -> Result<()> {
    let program: &mut Iter = ebpf
        .program_mut("listeners")
        .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no program listeners"))?
        .try_into()
        .map_err(|error| Failure::internal("program listeners", error))?;
    program.load("tcp", btf).map_err(|error| refused("the walk over listeners", &error))?;
    std::thread::scope(|scope| {
        // setns() holds for one thread; this one ends with the walk.
        let walk = scope.spawn(|| namespaces.iter().try_for_each(|namespace| walk(program, namespace)));
        walk.join().unwrap_or_else(|_| Err(Failure::new(Exit::Internal, "the walk over listeners panicked")))
    })
}

fn walk(program: &mut Iter, namespace: &OwnedFd) -> Result<()> {
    // A namespace that died meanwhile has no listeners.
    if rustix::thread::move_into_link_name_space(
        namespace.as_fd(),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .is_err()
    {
        return Ok(());
    }
    let link = program.attach().map_err(|error| refused("the walk over listeners", &error))?;
    let mut file = program
        .take_link(link)
        .map_err(|error| refused("the walk over listeners", &error))?
        .into_file()
        .map_err(|error| Failure::internal("the walk over listeners", error))?;
    let mut nothing = Vec::new();
    file.read_to_end(&mut nothing).map_err(|error| Failure::internal("the walk over listeners", error))?;
    Ok(())
}

fn refused(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::KernelUnable, format!("the kernel refused {what}: {}", chain(error)))
        .advise("run `backlog-trace check` to see what this kernel and this user allow")
}
