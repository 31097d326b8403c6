//! The tracepoint rung finds out for itself which listener a packet was for, in
//! the kernel's own table. That it can is not taken on trust: it is tried out on
//! every listener that is open.

use aya::maps::{Array, MapData};
use aya::{Btf, Ebpf};
use backlog_trace_common::progress::NOT_FOUND;
use backlog_trace_model::check::{Hook, Tried};
use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::{Exit, Failure, Result};

use super::baselines;
use crate::kernel::preflight::Facts;
use crate::listener::Pool;

/// Searches every listener, where a hook depends on it.
///
/// # Errors
/// `KernelUnable` where one is not found: this kernel's table is another one
/// than those that were looked at.
pub(super) fn check(
    ebpf: &mut Ebpf,
    btf: &Btf,
    namespaces: &Pool,
    facts: &Facts,
    hooks: &[Tried],
) -> Result<()> {
    if !hooks.iter().any(searches) {
        return Ok(());
    }
    baselines::walk_found(ebpf, btf, namespaces, facts)?;
    let unfound = ebpf
        .map("PROGRESS")
        .and_then(|map| Array::<&MapData, u32>::try_from(map).ok()?.get(&NOT_FOUND, 0).ok())
        .ok_or_else(|| Failure::new(Exit::Internal, "the kernel side does not say what it found"))?;
    if unfound == 0 {
        return Ok(());
    }
    let what = format!(
        "{unfound} of the open listeners are not where attaching by tracepoints looks for them: this kernel arranges its table of listeners in another way"
    );
    Err(Failure::new(Exit::KernelUnable, what)
        .advise("please report this together with the output of `uname -a`"))
}

/// Whether its programs have to find out which listener a packet is for.
fn searches(tried: &Tried) -> bool {
    tried.rung() == Some(Rung::Tracepoint) && tried.hook == Hook::Syn
}
