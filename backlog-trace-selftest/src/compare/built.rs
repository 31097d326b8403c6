//! The kernel's counters against how the scenario was built.

use crate::counters::AUDITED;
use crate::expectation::Expectation;
use crate::movement::Kernel;

/// Counters of every namespace.
pub(super) fn counters(expected: &Expectation, kernel: &Kernel, why: &mut Vec<String>) {
    for network in &kernel.networks {
        let must = expected.counters(network.netns);
        let named = must.moved().map(|(name, _)| name).filter(|name| !AUDITED.contains(name));
        for name in AUDITED.into_iter().chain(named) {
            let (must, is) = (must.get(name), network.high.get(name));
            if expected.at_least {
                if is < must {
                    why.push(format!("the kernel's {name} moved by {is}, not by {must} at least"));
                }
            } else if is != must {
                why.push(format!(
                    "the kernel's {name} moved by {is}, not by {must} as the scenario was built"
                ));
            }
        }
    }
}

/// `sk_drops` of every listener that says something of them.
pub(super) fn drops(expected: &Expectation, kernel: &Kernel, why: &mut Vec<String>) {
    for listener in &expected.listeners {
        let Some(must) = listener.sk_drops else { continue };
        let is = kernel.listeners.iter().find(|row| row.inode == listener.inode).map_or(0, |row| row.high);
        if is != must {
            let address = listener.address;
            why.push(format!("the kernel's sk_drops of {address} moved by {is}, not by {must} as built"));
        }
    }
}
