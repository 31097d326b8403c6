//! The calling thread's capabilities. It refuses to add any: it can only be
//! fewer each time, and what was kept may be taken up again.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// Has no other effect than these from now on; the others can be taken up again.
pub(super) fn wear(worn: CapabilitySet) -> io::Result<()> {
    let now = capabilities(None)?;
    set(CapabilitySets { effective: now.permitted & worn, ..now })
}

/// Gives up all but these for good.
pub(super) fn keep(kept: CapabilitySet) -> io::Result<()> {
    let permitted = capabilities(None)?.permitted & kept;
    set(CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() })
}

fn set(sets: CapabilitySets) -> io::Result<()> {
    set_capabilities(None, sets).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own, since there is no way back.
    #[test]
    fn what_is_not_kept_is_gone_and_what_is_not_worn_can_be_put_on() {
        std::thread::spawn(|| {
            let before = capabilities(None).unwrap();
            wear(CapabilitySet::SYS_PTRACE).unwrap();
            let worn = capabilities(None).unwrap();
            assert_eq!(worn.effective, before.permitted & CapabilitySet::SYS_PTRACE);
            assert_eq!(worn.permitted, before.permitted);
            keep(CapabilitySet::SYS_PTRACE | CapabilitySet::KILL).unwrap();
            let kept = capabilities(None).unwrap();
            let expected = before.permitted & (CapabilitySet::SYS_PTRACE | CapabilitySet::KILL);
            assert_eq!((kept.permitted, kept.effective), (expected, expected));
            assert_eq!(kept.inheritable, CapabilitySet::empty());
            keep(CapabilitySet::empty()).unwrap();
            keep(CapabilitySet::all()).unwrap();
            assert_eq!(capabilities(None).unwrap().permitted, CapabilitySet::empty());
        })
        .join()
        .unwrap();
    }
}
