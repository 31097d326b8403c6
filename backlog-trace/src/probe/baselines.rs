//! Where the observation begins: per-CPU distances, and a walk over the
//! listeners of every namespace. The kernel side's `baseline` tells why the
//! order (hooks first, baselines second) makes it exact.

use std::io::Read;

use aya::programs::raw_trace_point::RawTracePoint;
use aya::programs::{Iter, ProgramError, RawTracePointRunOptions, TestRun};
use aya::{Btf, Ebpf};
use backlog_trace_common::identity::Identity;
use backlog_trace_model::failure::{Exit, Failure, Result};
use zerocopy::FromBytes;

use super::refusal;
use crate::kernel::possible_cpus::CpuList;
use crate::kernel::preflight::Facts;
use crate::listener::{Namespace, Pool};
use crate::resource_limits;

/// What the programs are called in messages.
const START: &str = "the program that starts the observation";
const OFFSETS: &str = "the program that finds the per-CPU counters";
const WALK: &str = "the walk over listeners";

/// Has every online CPU record where its per-CPU memory lies.
///
/// # Errors
/// `KernelUnable` where the kernel refuses the program that does it.
pub(super) fn record_cpu_offsets(ebpf: &mut Ebpf, online: &CpuList, facts: &Facts) -> Result<()> {
    let program: &mut RawTracePoint = ebpf
        .program_mut("cpu_offset")
        .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no program cpu_offset"))?
        .try_into()
        .map_err(|error| Failure::internal("program cpu_offset", error))?;
    program.load().map_err(|error| refused(OFFSETS, &error, facts))?;
    for cpu in online.iter() {
        let mut options = RawTracePointRunOptions::new();
        options.cpu = Some(cpu);
        program
            .test_run(options)
            .map_err(|error| refused(&format!("a run of {OFFSETS} on CPU {cpu}"), &error, facts))?;
    }
    Ok(())
}

/// Makes the baselines of these slots active on every CPU.
///
/// Each run is an interrupt of the CPU that it is for, which is what keeps it
/// apart from a packet half-way through there; a run for the CPU that asks
/// would be none, so another CPU asks for it where there is one.
///
/// # Errors
/// `KernelUnable` where the kernel refuses the program that does it.
pub(super) fn activate(ebpf: &mut Ebpf, online: &CpuList, slots: &[u32], facts: &Facts) -> Result<()> {
    let program: &mut RawTracePoint = ebpf
        .program_mut("activate")
        .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side has no program activate"))?
        .try_into()
        .map_err(|error| Failure::internal("program activate", error))?;
    program.load().map_err(|error| refused(START, &error, facts))?;
    let program = &*program;
    std::thread::scope(|scope| {
        let runs = std::thread::Builder::new().spawn_scoped(scope, || {
            for cpu in online.iter() {
                if let Some(other) = online.iter().find(|other| *other != cpu) {
                    run_on(other);
                }
                for &slot in slots {
                    let mut options = RawTracePointRunOptions::new();
                    options.cpu = Some(cpu);
                    options.args[0] = u64::from(slot);
                    program
                        .test_run(options)
                        .map_err(|error| refused(&format!("a run of {START} on CPU {cpu}"), &error, facts))?;
                }
            }
            Ok(())
        });
        let runs =
            runs.map_err(|error| resource_limits::not_made("the thread that begins to judge", &error))?;
        runs.join().unwrap_or_else(|_| Err(Failure::new(Exit::Internal, "starting the observation panicked")))
    })
}

/// Moves this thread. A CPU set may forbid it: then the thread stays where it
/// is, and the run for its own CPU is no interrupt.
fn run_on(cpu: u32) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu as usize);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        log::debug!("cannot run on CPU {cpu}: {error}");
    }
}

/// Walks the listeners of each namespace.
///
/// # Errors
/// `KernelUnable` where the kernel refuses the iterator.
pub(super) fn walk_listeners(ebpf: &mut Ebpf, btf: &Btf, namespaces: &Pool, facts: &Facts) -> Result<()> {
    walk("listeners", ebpf, btf, namespaces, facts)
}

/// Walks the listeners of each namespace with a program that looks each one up as
/// packets do, and counts those that it does not find: see `search.rs`.
///
/// # Errors
/// As [`walk_listeners`].
pub(super) fn walk_found(ebpf: &mut Ebpf, btf: &Btf, namespaces: &Pool, facts: &Facts) -> Result<()> {
    walk("listeners_found", ebpf, btf, namespaces, facts)
}

/// Walks the accept queues of each namespace, and notes which listener each
/// connection in them belongs to: accept() seen by kprobes does not say it.
///
/// # Errors
/// As [`walk_listeners`].
pub(super) fn walk_accept_queues(ebpf: &mut Ebpf, btf: &Btf, namespaces: &Pool, facts: &Facts) -> Result<()> {
    walk("accept_queues", ebpf, btf, namespaces, facts)
}

fn walk(name: &str, ebpf: &mut Ebpf, btf: &Btf, namespaces: &Pool, facts: &Facts) -> Result<()> {
    let program = load_walk(name, ebpf, btf, facts)?;
    for namespace in namespaces.iter() {
        let link = program.attach().map_err(|error| refused(WALK, &error, facts))?;
        let link = program.take_link(link).map_err(|error| refused(WALK, &error, facts))?;
        // The iterator walks the namespace of the thread that opens it
        // (bpf_iter_init_seq_net(), fs/proc/proc_net.c, 5.10 to 7.2).
        let walked = namespace.run(|| {
            let mut file = link.into_file().map_err(std::io::Error::other)?;
            file.read_to_end(&mut Vec::new())
        });
        if let Err(error) = walked {
            log::warn!("listeners of network namespace {} were not walked: {error}", namespace.inode());
        }
    }
    Ok(())
}

/// How each listener of a namespace stands now, where the walk is loaded: what
/// serves where the kernel does not list sockets otherwise. It goes through the
/// whole table of connections.
///
/// # Errors
/// The kernel refuses it, or the namespace could not be entered.
pub(super) fn list(ebpf: &mut Ebpf, namespace: &Namespace) -> std::io::Result<Vec<Identity>> {
    let program: &mut Iter = ebpf
        .program_mut("listeners")
        .ok_or(std::io::ErrorKind::NotFound)?
        .try_into()
        .map_err(std::io::Error::other)?;
    let link = program.attach().map_err(std::io::Error::other)?;
    let link = program.take_link(link).map_err(std::io::Error::other)?;
    let mut written = Vec::new();
    namespace.run(|| link.into_file().map_err(std::io::Error::other)?.read_to_end(&mut written))?;
    let records = written.chunks_exact(size_of::<Identity>());
    Ok(records.filter_map(|record| Identity::read_from_bytes(record).ok()).collect())
}

/// Whether the kernel takes the iterator: attached, and taken back at once.
///
/// # Errors
/// As [`walk_listeners`].
pub(super) fn try_walk(ebpf: &mut Ebpf, btf: &Btf, facts: &Facts) -> Result<()> {
    let program = load_walk("listeners", ebpf, btf, facts)?;
    let link = program.attach().map_err(|error| refused(WALK, &error, facts))?;
    program.detach(link).map_err(|error| refused(WALK, &error, facts))
}

fn load_walk<'a>(name: &str, ebpf: &'a mut Ebpf, btf: &Btf, facts: &Facts) -> Result<&'a mut Iter> {
    let program: &mut Iter = ebpf
        .program_mut(name)
        .ok_or_else(|| Failure::new(Exit::Internal, format!("the kernel side has no program {name}")))?
        .try_into()
        .map_err(|error| Failure::internal(format!("program {name}"), error))?;
    match program.load("tcp", btf) {
        Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(program),
        Err(error) => Err(refused(WALK, &error, facts)),
    }
}

fn refused(what: &str, error: &ProgramError, facts: &Facts) -> Failure {
    refusal::program_failure(what, error, facts)
}
