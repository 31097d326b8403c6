//! The steps of a start, in the one order in which they work. An observation goes
//! through them and keeps what they make; `check` goes through them and takes
//! everything back. A step is a method of what the step before it gives, so that
//! another order does not compile. It refuses to judge a failure: it ends an
//! observation, and is a finding of `check`.

use aya::Ebpf;
use backlog_trace_model::check::{Hook, Tried};
use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::Result;

use super::attach::{self, Kernel};
use super::load::{self, Sizes};
use super::settings::Settings;
use super::{baselines, search};
use crate::kernel::possible_cpus::CpuList;
use crate::listener::{Book, Pool};

/// Maps and programs are made, and nothing is attached.
pub(super) struct Loaded {
    ebpf: Ebpf,
    sizes: Sizes,
}

/// It is recorded where each CPU has its memory, and so the kernel's counters: a
/// hook that ran before would read none.
pub(super) struct Counting {
    loaded: Loaded,
    online: CpuList,
}

/// Every hook is attached as well as it can be. Listeners that open from now on are
/// met by the listen hook.
pub(super) struct Attached {
    pub(super) ebpf: Ebpf,
    pub(super) sizes: Sizes,
    pub(super) online: CpuList,
    /// What became of each hook.
    pub(super) hooks: Vec<Tried>,
}

/// Listeners that were open before can be met.
pub(super) struct Walked(Attached);

impl Loaded {
    /// The first step: maps for the `listeners` that are open.
    ///
    /// # Errors
    /// The list of CPUs cannot be read, or the kernel refuses maps.
    pub(super) fn load(
        kernel: &Kernel<'_>,
        settings: &Settings,
        book: &Book,
        listeners: usize,
    ) -> Result<Self> {
        let sizes = Sizes::now(book, listeners, settings.as_cpus)?;
        let ebpf = load::load(kernel.layout, &kernel.extents, settings, sizes, kernel.facts)?;
        Ok(Self { ebpf, sizes })
    }

    /// # Errors
    /// The kernel refuses the program that records it, or one CPU does not run it.
    pub(super) fn find_counters(mut self, kernel: &Kernel<'_>) -> Result<Counting> {
        let online = CpuList::online()?;
        baselines::record_cpu_offsets(&mut self.ebpf, &online, kernel.facts)?;
        Ok(Counting { loaded: self, online })
    }
}

impl Counting {
    /// Attaches every hook on the first of `rungs` that holds; those that wait for a
    /// request only with `causes`.
    pub(super) fn attach(self, kernel: &Kernel<'_>, rungs: &[Rung], causes: bool) -> Attached {
        let Self { loaded: Loaded { mut ebpf, sizes }, online } = self;
        let hooks = attach::attach_all(&mut ebpf, kernel, rungs, causes);
        Attached { ebpf, sizes, online, hooks }
    }
}

impl Attached {
    /// Whether this hook stands on this rung.
    pub(super) fn has(&self, hook: Hook, rung: Rung) -> bool {
        self.hooks.iter().any(|tried| tried.hook == hook && tried.rung() == Some(rung))
    }

    /// Meets every listener that is open in these namespaces, and what waits in its
    /// accept queue where accept() could not name the listener otherwise.
    ///
    /// # Errors
    /// The kernel refuses the iterator.
    pub(super) fn walk(mut self, kernel: &Kernel<'_>, namespaces: &Pool) -> Result<Walked> {
        baselines::walk_listeners(&mut self.ebpf, &kernel.btf, namespaces, kernel.facts)?;
        if self.has(Hook::Accept, Rung::Kprobe) {
            baselines::walk_accept_queues(&mut self.ebpf, &kernel.btf, namespaces, kernel.facts)?;
        }
        Ok(Walked(self))
    }

    /// Whether the kernel would let them be met: nobody is.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub(super) fn try_walk(mut self, kernel: &Kernel<'_>) -> Result<Walked> {
        baselines::try_walk(&mut self.ebpf, &kernel.btf, kernel.facts)?;
        Ok(Walked(self))
    }
}

impl Walked {
    /// The last step that both take: each listener is where packets look for it.
    ///
    /// # Errors
    /// One is not: this kernel keeps its listeners otherwise.
    pub(super) fn search(self, kernel: &Kernel<'_>, namespaces: &Pool) -> Result<Attached> {
        let Self(mut attached) = self;
        search::check(&mut attached.ebpf, &kernel.btf, namespaces, kernel.facts, &attached.hooks)?;
        Ok(attached)
    }
}
