//! How the namespaces of the book are set up: their sysctls, of which somaxconn
//! stands with each listener as well. They are read again every ten seconds, and
//! where a listener has come or changed.

use std::collections::BTreeSet;

use backlog_trace_model::event::NamespaceSysctls;

use super::Book;

impl Book {
    /// Looks at sysctls again where that is due.
    pub(super) fn look_at_limits(&mut self, changed: &mut BTreeSet<u32>) {
        let stirred = std::mem::take(&mut self.stirred);
        for namespace in self.pool.iter_mut() {
            let netns = namespace.inode();
            if namespace.reread(stirred.contains(&netns)) {
                let now = namespace.somaxconn();
                let open = self.rows.open_in(netns).into_iter();
                changed.extend(open.filter(|id| self.rows.set_somaxconn(*id, now)));
            }
        }
    }

    /// The sysctls of each namespace in which they are others than the last time
    /// that somebody asked; `all` of them where a reader may have missed some.
    pub(crate) fn sysctls(&mut self, all: bool) -> Vec<NamespaceSysctls> {
        self.told.retain(|netns, _| self.pool.get(*netns).is_some());
        let mut news = Vec::new();
        for namespace in self.pool.iter() {
            let (netns, values) = (namespace.inode(), namespace.sysctls());
            let told = self.told.insert(netns, values).unwrap_or_default();
            if all || told != values {
                news.push(NamespaceSysctls { netns, values });
            }
        }
        news
    }
}
