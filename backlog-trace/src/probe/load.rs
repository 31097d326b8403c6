//! Loading the compiled kernel side: globals, map sizes, nothing attached yet.

use aya::{Ebpf, EbpfLoader};
use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::counts::Counts;

use super::settings::Settings;
use crate::failure::{Exit, Failure, Result};
use crate::kernel::layout::Layout;

/// The kernel side, rebuilt by `cargo xtask build-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("object/backlog-trace.bpf.o");

/// Memory that the counts plane may take in the kernel. Rows are kept per
/// possible CPU, so a host with many CPUs has room for fewer listeners.
const COUNTS_BYTES: usize = 48 << 20;

/// Listeners that have room however many CPUs there are.
const FEWEST_LISTENERS: usize = 256;

/// What the sizes of the maps follow from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Possible CPUs.
    pub(super) cpus: u32,
    /// Listeners open now.
    pub(super) listeners: usize,
    /// Network namespaces that exist now.
    pub(super) namespaces: usize,
}

impl Sizes {
    /// Room for listeners: what the memory allows, and at least twice what is
    /// open now, because rows of closed listeners stay until the end.
    fn listeners(self) -> u32 {
        let row = size_of::<Counts>() * self.cpus as usize;
        let by_memory = (COUNTS_BYTES / row.max(1)).clamp(FEWEST_LISTENERS, 1 << 16);
        u32::try_from(by_memory.max(2 * self.listeners + 64)).unwrap_or(u32::MAX)
    }

    /// Room for baselines: twice the namespaces that exist now, and some.
    fn baselines(self) -> u32 {
        const { assert!(size_of::<Baseline>() < 512) };
        u32::try_from((2 * self.namespaces + 64) * self.cpus as usize).unwrap_or(u32::MAX)
    }
}

/// Creates the maps and prepares the programs.
pub(super) fn load(layout: &Layout, settings: &Settings, sizes: Sizes) -> Result<Ebpf> {
    let ring = settings.ring_bytes;
    let level: u8 = settings.kernel_log as u8;
    let flags = [("CPUS", sizes.cpus), ("RING_WAKE_BYTES", ring / 4)];
    let globals: Vec<(&str, u32)> = layout.globals().chain(flags).collect();
    let mut loader = EbpfLoader::new();
    for (name, value) in &globals {
        loader.override_global(name, value, true);
    }
    loader
        .override_global(aya_log::LEVEL, &level, false)
        .map_max_entries("COUNTS", sizes.listeners())
        .map_max_entries("IDENTITIES", sizes.listeners())
        .map_max_entries("BASELINES", sizes.baselines())
        .map_max_entries("DETAILS", ring);
    loader.load(OBJECT).map_err(|error| {
        Failure::new(Exit::KernelUnable, format!("the kernel side could not be loaded: {}", chain(&error)))
            .advise("run `backlog-trace check` to see what this kernel and this user allow")
    })
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cpus: u32, listeners: usize, room: u32) {
        assert_eq!(Sizes { cpus, listeners, namespaces: 1 }.listeners(), room);
    }

    #[test]
    fn room_for_listeners() {
        let row = size_of::<Counts>();
        check(2, 10, u32::try_from(COUNTS_BYTES / (2 * row)).unwrap());
        check(1024, 10, 256);
        check(1024, 1000, 2064);
        check(1, 10, u32::try_from(COUNTS_BYTES / row).unwrap().min(1 << 16));
    }
}
