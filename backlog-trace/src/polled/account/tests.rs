//! What a namespace's counters and sockets said at each look, and what follows.

use super::*;

const MS: u64 = 1_000_000;

/// A namespace as the kernel keeps it; looks are taken of it.
#[derive(Default)]
struct Namespace {
    time: u64,
    counters: Counters,
    sockets: BTreeMap<u32, Option<u32>>,
}

impl Namespace {
    fn with(listeners: u32) -> Self {
        Self { sockets: (0..listeners).map(|id| (id, Some(7))).collect(), ..Self::default() }
    }

    fn count(&mut self, counter: Counter, by: u64) {
        self.counters.audited[counter.index()] += by;
    }

    fn drop(&mut self, listener: u32, by: u32) {
        let drops = self.sockets.get_mut(&listener).unwrap();
        *drops = drops.map(|drops| drops.wrapping_add(by));
    }

    /// SYNs refused by a full accept queue.
    fn overflow(&mut self, listener: u32, times: u32) {
        self.count(Counter::ListenOverflows, u64::from(times));
        self.count(Counter::ListenDrops, u64::from(times));
        self.drop(listener, times);
    }

    fn look(&mut self) -> Reading {
        self.time += 100 * MS;
        Reading {
            time: self.time,
            before: self.counters,
            after: self.counters,
            calm: true,
            sockets: self.sockets.clone(),
        }
    }
}

fn flat(given: &[(u32, Given)]) -> Vec<(u32, Reason, u64)> {
    given
        .iter()
        .flat_map(|(id, given)| given.reasons.iter().map(|(reason, count)| (*id, reason, count)))
        .collect()
}

/// The rest of ListenOverflows and ListenDrops.
fn rest(account: &Account) -> [i64; 2] {
    let counts = account.counts();
    [Counter::ListenOverflows, Counter::ListenDrops].map(|counter| counts.unaccounted(counter))
}

#[test]
fn a_loss_is_given_once() {
    let mut namespace = Namespace::with(2);
    let mut account = Account::new(1, &namespace.look());
    assert!(account.take(&namespace.look(), 2, false).is_empty());
    namespace.overflow(1, 4);
    let given = account.take(&namespace.look(), 2, false);
    assert_eq!(flat(&given), [(1, Reason::SynAcceptQueueFull, 4)]);
    assert!(account.take(&namespace.look(), 2, true).is_empty());
    assert_eq!((account.counts().kernel[1], rest(&account)), (4, [0, 0]));
}

#[test]
fn what_lost_nothing_before_does_not_blur_what_is_lost_now() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    // Duplicate SYNs that were answered.
    namespace.drop(0, 9);
    account.take(&namespace.look(), 2, false);
    account.take(&namespace.look(), 2, false);
    namespace.overflow(0, 3);
    let given = account.take(&namespace.look(), 2, false);
    assert_eq!(flat(&given), [(0, Reason::SynAcceptQueueFull, 3)]);
    // In the same stretch they cannot be told from final ACKs.
    namespace.drop(0, 2);
    namespace.overflow(0, 3);
    let given = account.take(&namespace.look(), 2, false);
    let both = [(0, Reason::SynAcceptQueueFull, 1), (0, Reason::UnknownAcceptQueueFull, 2)];
    assert_eq!((flat(&given), rest(&account)), (both.to_vec(), [0, 0]));
}

#[test]
fn cookies_that_came_back_may_be_what_overflowed() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.overflow(0, 3);
    namespace.counters.cookies_returned += 2;
    let given = account.take(&namespace.look(), 2, false);
    let both = [(0, Reason::SynAcceptQueueFull, 1), (0, Reason::UnknownAcceptQueueFull, 2)];
    assert_eq!(flat(&given), both);
    namespace.overflow(0, 3);
    namespace.counters.fastopen_failed += 3;
    let given = account.take(&namespace.look(), 2, false);
    assert_eq!(flat(&given), [(0, Reason::UnknownAcceptQueueFull, 3)]);
}

#[test]
fn a_listener_that_closed_may_have_lost_everything() {
    let mut namespace = Namespace::with(2);
    let mut account = Account::new(1, &namespace.look());
    namespace.overflow(1, 4);
    namespace.sockets.remove(&0);
    assert!(account.take(&namespace.look(), 2, false).is_empty());
    assert_eq!(rest(&account), [4, 4]);
    // What is lost after that is known again.
    namespace.overflow(1, 2);
    let given = account.take(&namespace.look(), 2, false);
    assert_eq!((flat(&given), rest(&account)), (vec![(1, Reason::SynAcceptQueueFull, 2)], [4, 4]));
    // One that closes while nothing is lost changes nothing, nor does one that opens.
    namespace.sockets.insert(2, Some(0));
    account.take(&namespace.look(), 2, false);
    namespace.sockets.remove(&2);
    account.take(&namespace.look(), 2, false);
    namespace.sockets.insert(3, Some(0));
    namespace.overflow(3, 1);
    let given = account.take(&namespace.look(), 2, false);
    assert_eq!(flat(&given), [(3, Reason::SynAcceptQueueFull, 1)]);
}

#[test]
fn a_kernel_that_tells_no_drops_leaves_everything_open() {
    let mut namespace = Namespace::with(1);
    namespace.sockets.insert(0, None);
    let mut account = Account::new(1, &namespace.look());
    namespace.count(Counter::ListenDrops, 2);
    assert!(account.take(&namespace.look(), 2, false).is_empty());
    assert_eq!(rest(&account), [0, 2]);
}

#[test]
fn cookies_belong_to_a_listener_that_is_alone() {
    for (listeners, sent, unaccounted) in [(1, 5, 0), (2, 0, 7)] {
        let mut namespace = Namespace::with(listeners);
        let mut account = Account::new(1, &namespace.look());
        account.take(&namespace.look(), 2, false);
        // Five answered, two wanted one and found the accept queue full.
        namespace.count(Counter::ReqQFullDoCookies, 7);
        namespace.count(Counter::SyncookiesSent, 5);
        namespace.overflow(0, 2);
        let given = account.take(&namespace.look(), 2, false);
        assert_eq!(given[0].1.reasons[Reason::SynCookieSent], sent);
        assert_eq!(account.counts().unaccounted(Counter::ReqQFullDoCookies), unaccounted);
        assert_eq!(rest(&account), [0, 0]);
    }
}

/// Losses go on all the time: each look finds some that its sockets hold and
/// its counters do not.
#[test]
fn a_flood_is_given_to_the_only_one_that_moves() {
    let mut namespace = Namespace::with(2);
    let mut account = Account::new(1, &namespace.look());
    let mut sums = [0, 0];
    for round in 0..40 {
        namespace.overflow(1, 5000);
        let mut reading = namespace.look();
        namespace.overflow(1, 40);
        reading.sockets = namespace.sockets.clone();
        namespace.overflow(1, 3);
        reading.after = namespace.counters;
        reading.calm = false;
        for (id, given) in account.take(&reading, 2, round == 39) {
            assert_eq!(id, 1);
            sums[0] += given.reasons[Reason::SynAcceptQueueFull];
            sums[1] += given.reasons[Reason::UnknownAcceptQueueFull];
        }
    }
    assert_eq!((account.counts().kernel[0], rest(&account)), (40 * 5043 - 43, [0, 0]));
    assert_eq!(sums[0] + sums[1], 40 * 5043 - 43);
    // At most what was under way at each of the five settlements is not named.
    assert!(sums[1] <= 5 * (2 * 43 + 43 + 2), "{sums:?}");
    // When it is over the account is exact.
    let given = account.take(&namespace.look(), 2, false);
    let last: u64 = flat(&given).iter().map(|(_, _, count)| count).sum();
    assert_eq!((last, rest(&account)), (43, [0, 0]));
}

#[test]
fn an_account_waits_for_calm_and_forgets_nobody_meanwhile() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    let mut uncalm = |namespace: &mut Namespace| {
        let reading = Reading { calm: false, ..namespace.look() };
        account.take(&reading, 2, false)
    };
    namespace.overflow(0, 2);
    assert!(uncalm(&mut namespace).is_empty());
    // One that opens and closes before the account is settled.
    namespace.sockets.insert(1, Some(1));
    namespace.overflow(0, 2);
    assert!(uncalm(&mut namespace).is_empty());
    namespace.sockets.remove(&1);
    assert!(uncalm(&mut namespace).is_empty());
    assert!(uncalm(&mut namespace).is_empty());
    assert_eq!(account.counts().kernel[0], 0, "not settled");
    assert!(account.take(&namespace.look(), 2, false).is_empty());
    assert_eq!(rest(&account), [4, 4]);
}

#[test]
fn counters_that_somebody_else_moves_tell_nothing() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.count(Counter::ListenOverflows, 5);
    namespace.count(Counter::ListenDrops, 2);
    namespace.drop(0, 2);
    let given = account.take(&namespace.look(), 2, false);
    assert_eq!((flat(&given), rest(&account)), (vec![(0, Reason::UnknownDropped, 2)], [5, 0]));
}
