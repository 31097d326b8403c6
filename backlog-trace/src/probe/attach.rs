//! Attaching each hook, and saying what became of it.

use aya::programs::{BtfTracePoint, FEntry, FExit, ProgramError};
use aya::{Btf, Ebpf};

use super::hook::{HOOKS, Hook, Kind, Part};
use super::load::chain;
use crate::event::{HookState, Rung};
use crate::failure::{Exit, Failure, Result};

/// Why a program is not attached.
#[derive(Debug)]
enum Refusal {
    /// The kernel has no such function or tracepoint.
    Absent,
    /// The kernel refused it.
    Refused(String),
}

/// Loads and attaches every hook.
///
/// # Errors
/// `KernelUnable` where a hook without which nothing is worth observing
/// cannot be had.
pub(super) fn attach_all(ebpf: &mut Ebpf, btf: &Btf) -> Result<Vec<HookState>> {
    let mut states = Vec::with_capacity(HOOKS.len());
    for hook in HOOKS {
        let state = attach(ebpf, btf, hook);
        if hook.required && state.rung.is_none() {
            let why = state.why.unwrap_or_default();
            return Err(Failure::new(
                Exit::KernelUnable,
                format!("the {} hook ({}) cannot be attached: {why}", hook.name, hook.gives),
            )
            .advise("run `backlog-trace check` to see what this kernel and this user allow"));
        }
        states.push(state);
    }
    Ok(states)
}

fn attach(ebpf: &mut Ebpf, btf: &Btf, hook: &Hook) -> HookState {
    let mut why = Vec::new();
    let mut attached = true;
    for part in hook.parts {
        match attach_part(ebpf, btf, part) {
            Ok(()) => {}
            Err(refusal) if part.optional => log::debug!("{}: {refusal:?}", part.program),
            Err(Refusal::Absent) => {
                attached = false;
                why.push(format!("this kernel has no {}", part.target));
            }
            Err(Refusal::Refused(text)) => {
                attached = false;
                why.push(format!("{}: {text}", part.target));
            }
        }
    }
    HookState {
        hook: hook.name.to_owned(),
        rung: attached.then_some(Rung::Fentry),
        state: if attached { "attached" } else { "missing" }.to_owned(),
        why: (!why.is_empty()).then(|| why.join("; ")),
    }
}

fn attach_part(ebpf: &mut Ebpf, btf: &Btf, part: &Part) -> std::result::Result<(), Refusal> {
    let program = ebpf
        .program_mut(part.program)
        .ok_or_else(|| Refusal::Refused(format!("the kernel side has no program {}", part.program)))?;
    let outcome = match part.kind {
        Kind::Fentry => <&mut FEntry>::try_from(program)
            .and_then(|program| program.load(part.target, btf).and_then(|()| program.attach().map(drop))),
        Kind::Fexit => <&mut FExit>::try_from(program)
            .and_then(|program| program.load(part.target, btf).and_then(|()| program.attach().map(drop))),
        Kind::TpBtf => <&mut BtfTracePoint>::try_from(program)
            .and_then(|program| program.load(part.target, btf).and_then(|()| program.attach().map(drop))),
    };
    outcome.map_err(|error| match error {
        // The target is not among the kernel's types: no such function here.
        ProgramError::Btf(_) => Refusal::Absent,
        other => Refusal::Refused(chain(&other)),
    })
}
