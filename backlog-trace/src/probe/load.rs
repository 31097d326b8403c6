//! Loading the compiled kernel side: globals, map sizes, nothing attached yet.

use aya::{Ebpf, EbpfLoader};
use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::counts::Counts;
use backlog_trace_common::limits::MAX_CPUS;
use backlog_trace_model::failure::{Exit, Failure, Result};
use zerocopy::IntoBytes as _;

use super::extents::Extents;
use super::refusal;
use super::settings::Settings;
use crate::kernel::btf::Btf;
use crate::kernel::layout::Layout;
use crate::kernel::possible_cpus::CpuList;
use crate::kernel::preflight::Facts;
use crate::listener::Book;

/// The kernel side, rebuilt by `cargo xtask build-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("object/backlog-trace.bpf.o");

/// Memory that the rows of the counts plane may take in the kernel, for each
/// of its two maps. Rows are kept per possible CPU, so a host with many CPUs
/// has room for fewer listeners.
const ROWS_BYTES: usize = 24 << 20;

/// Rows that there are however many CPUs there are.
const FEWEST_ROWS: usize = 128;

/// Rows beyond which a larger array gains nothing.
const MOST_ROWS: usize = 4096;

/// Memory that the baselines of namespaces may take in the kernel. They are
/// kept per possible CPU. Those of namespaces that are gone are given back
/// within seconds, and a host can start hundreds of containers in that time.
const BASELINES_BYTES: usize = 8 << 20;

/// Namespaces beyond which each look at their counters would take too long.
const MOST_NAMESPACES: usize = 4096;

/// What the sizes of the maps follow from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Possible CPUs.
    pub(super) cpus: u32,
    /// CPUs that the tables have room for: fewer listeners where there are more.
    pub(super) sized_for: u32,
    /// Listeners open now.
    pub(super) listeners: usize,
    /// Network namespaces that exist now.
    pub(super) namespaces: usize,
}

impl Sizes {
    /// Those of this machine, where `listeners` are open.
    ///
    /// # Errors
    /// Where the list of CPUs cannot be read or is too long.
    pub(super) fn now(book: &Book, listeners: usize, as_cpus: Option<u32>) -> Result<Self> {
        let cpus = CpuList::possible()?.highest() + 1;
        if cpus > MAX_CPUS {
            let what =
                format!("this machine may have {cpus} CPUs, and this build counts on {MAX_CPUS} at most");
            return Err(Failure::new(Exit::KernelUnable, what)
                .advise("build it with a larger MAX_CPUS in backlog-trace-common/src/limits.rs"));
        }
        let sized_for = as_cpus.unwrap_or(cpus).max(cpus);
        Ok(Self { cpus, sized_for, listeners, namespaces: book.namespaces().iter().count() })
    }

    /// Rows by low bits of the key: a power of two.
    pub(super) fn rows(self) -> u32 {
        let row = size_of::<Counts>() * self.sized_for as usize;
        let room = (ROWS_BYTES / row.max(1)).clamp(FEWEST_ROWS, MOST_ROWS);
        // The largest power of two that is not above it.
        1 << room.ilog2()
    }

    /// Rows for listeners whose place is taken: what the memory allows, and
    /// at least twice what is open now. Rows of closed listeners are given back.
    fn spilled(self) -> u32 {
        let row = size_of::<Counts>() * self.sized_for as usize;
        let room = (ROWS_BYTES / row.max(1)).clamp(FEWEST_ROWS, MOST_ROWS);
        entries(room.max(2 * self.listeners))
    }

    /// Room for connections that wait in accept queues. An LRU map sets up to
    /// 128 free entries aside for each CPU (LOCAL_FREE_TARGET, 5.10).
    fn queued(self) -> u32 {
        8192 + 256 * self.cpus
    }

    /// Listeners that have room.
    pub(super) fn identities(self) -> u32 {
        self.rows() + self.spilled()
    }

    /// Room for namespaces: what the memory allows, and at least twice what
    /// exists now and some.
    pub(super) fn netns_room(self) -> u32 {
        let baseline = size_of::<Baseline>() * self.sized_for as usize;
        let room = (BASELINES_BYTES / baseline.max(1)).min(MOST_NAMESPACES);
        entries(room.max(2 * self.namespaces + 64))
    }
}

fn entries(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The kernel's types as aya wants them, from the bytes that were read already:
/// the kernel gives 5 MB of them in pieces of 4 KiB.
///
/// # Errors
/// `KernelUnable` where aya cannot read them.
pub(super) fn types_for_aya(types: &Btf) -> Result<aya::Btf> {
    aya::Btf::parse(types.blob(), aya::Endianness::default())
        .map_err(|error| Failure::new(Exit::KernelUnable, format!("the kernel's types: {error}")))
}

/// Creates the maps and prepares the programs.
///
/// # Errors
/// `KernelUnable` with the kernel's reason for taking no maps.
pub(super) fn load(
    layout: &Layout,
    extents: &Extents,
    settings: &Settings,
    sizes: Sizes,
    facts: &Facts,
) -> Result<Ebpf> {
    let ring = settings.ring_bytes;
    let level: u8 = settings.kernel_log as u8;
    let flags = [
        ("CPUS", sizes.cpus),
        ("ARM64", u32::from(cfg!(target_arch = "aarch64"))),
        ("CAUSES", u32::from(settings.causes)),
        ("NETNS_ROOM", sizes.netns_room()),
        ("ROW_MASK", sizes.rows() - 1),
    ];
    let globals: Vec<(&str, u32)> = layout.globals().chain(flags).collect();
    let extents = extents.globals();
    let mut loader = EbpfLoader::new();
    for (name, value) in &extents {
        loader.override_global(name, value.as_bytes(), true);
    }
    for (name, value) in &globals {
        loader.override_global(name, value, true);
    }
    loader
        .override_global(aya_log::LEVEL, &level, false)
        .map_max_entries("COUNTS", sizes.rows())
        .map_max_entries("SPILLED", sizes.spilled())
        .map_max_entries("IDENTITIES", sizes.identities())
        .map_max_entries("QUEUED", sizes.queued())
        .map_max_entries("NETNS_SLOTS", sizes.netns_room())
        .map_max_entries("SLOT_OWNERS", sizes.netns_room())
        .map_max_entries("FREE_SLOTS", sizes.netns_room())
        .map_max_entries("BASELINES", sizes.netns_room().saturating_mul(sizes.cpus))
        .map_max_entries("DETAILS", ring);
    loader.load(OBJECT).map_err(|error| refusal::failure("eBPF maps", &error, facts))
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
    fn check(cpus: u32, listeners: usize, rows: u32, spilled: u32) {
        let sizes = Sizes { cpus, sized_for: cpus, listeners, namespaces: 1 };
        assert_eq!((sizes.rows(), sizes.spilled()), (rows, spilled));
    }

    #[test]
    fn room_for_listeners() {
        check(2, 10, 4096, 4096);
        check(1024, 10, 128, 128);
        check(1024, 1000, 128, 2000);
        check(2, 10_000, 4096, 20_000);
    }

    #[test]
    fn room_for_namespaces() {
        for (cpus, namespaces, room) in [(2, 1, 4096), (64, 1, 297), (1024, 1, 66), (1024, 40, 144)] {
            let sizes = Sizes { cpus, sized_for: cpus, listeners: 0, namespaces };
            assert_eq!(sizes.netns_room(), room, "{cpus} CPUs, {namespaces} namespaces");
        }
    }

    #[test]
    fn rows_stay_within_their_memory() {
        for cpus in 1..=128 {
            let sizes = Sizes { cpus, sized_for: cpus, listeners: 0, namespaces: 0 };
            let bytes = sizes.rows() as usize * size_of::<Counts>() * cpus as usize;
            assert!(bytes <= ROWS_BYTES && sizes.rows().is_power_of_two(), "{cpus} CPUs: {bytes}");
        }
    }
}
