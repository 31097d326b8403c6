//! What the kernel counted while a scenario was played.

use crate::counters::Counters;

/// What the kernel counted while a scenario was played, read before the tool
/// was stopped and after: the tool's last look lies between the two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) networks: Vec<NetworkMovement>,
    pub(crate) listeners: Vec<DropsMovement>,
}

/// How far one namespace's counters moved.
#[derive(Clone, Debug)]
pub(crate) struct NetworkMovement {
    pub(crate) netns: u32,
    pub(crate) low: Counters,
    pub(crate) high: Counters,
    /// It came while the tool watched.
    pub(crate) late: bool,
}

/// Namespaces that had one inode number after another, as one: the tool's
/// balance goes by that number.
pub(crate) fn by_number(networks: impl IntoIterator<Item = NetworkMovement>) -> Vec<NetworkMovement> {
    let mut all: Vec<NetworkMovement> = Vec::new();
    for network in networks {
        match all.iter_mut().find(|earlier| earlier.netns == network.netns) {
            Some(earlier) => {
                earlier.low.add_all(&network.low);
                earlier.high.add_all(&network.high);
                earlier.late |= network.late;
            }
            None => all.push(network),
        }
    }
    all
}

/// How far one listener's `sk_drops` moved.
#[derive(Clone, Debug)]
pub(crate) struct DropsMovement {
    pub(crate) inode: u64,
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// More may have been counted than could be read: it closed while packets
    /// came, or it is an MPTCP socket.
    pub(crate) more: bool,
    /// It ended listening while the tool watched, if only for a while.
    pub(crate) closed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_one_movement() {
        let network = |netns, low, high| NetworkMovement {
            netns,
            low: [("ListenDrops", low)].into_iter().collect(),
            high: [("ListenDrops", high)].into_iter().collect(),
            late: high == 4,
        };
        let all = by_number([network(7, 0, 5), network(8, 1, 1), network(7, 3, 4)]);
        assert_eq!((all[0].late, all[1].late), (true, false));
        let drops =
            |at: usize| (all[at].netns, all[at].low.get("ListenDrops"), all[at].high.get("ListenDrops"));
        assert_eq!((all.len(), drops(0), drops(1)), (2, (7, 3, 9), (8, 1, 1)));
    }
}
