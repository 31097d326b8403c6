//! What a namespace's counters and sockets said at each look, and what follows.

use std::collections::BTreeSet;

use proptest::prelude::*;

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
        if !account.waits() {
            let told = account.sockets().nth(1).unwrap().1.unwrap() - 7;
            assert_eq!(u64::from(told), account.counts().kernel[0], "both of one stretch");
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

#[test]
fn sk_drops_are_told_as_far_as_the_counters_are() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.overflow(0, 10);
    let mut reading = namespace.look();
    // Four more while the sockets are listed, one of them after this one was.
    namespace.overflow(0, 3);
    reading.sockets = namespace.sockets.clone();
    namespace.overflow(0, 1);
    (reading.after, reading.calm) = (namespace.counters, false);
    let given = account.take(&reading, 2, true);
    let given: u64 = flat(&given).iter().map(|(_, _, count)| count).sum();
    let told = |account: &Account| account.sockets().next().unwrap().1.unwrap() - 7;
    assert_eq!((given, told(&account), account.counts().kernel[0]), (10, 10, 10));
    // The others come with the counters that they moved.
    let given = account.take(&namespace.look(), 2, false);
    assert_eq!((flat(&given).len(), told(&account), account.counts().kernel[0]), (1, 14, 14));
}

#[test]
fn what_loses_nothing_is_told_of_at_once() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.drop(0, 2);
    account.take(&namespace.look(), 2, false);
    assert_eq!(account.sockets().next(), Some((0, Some(9))));
}

#[test]
fn a_look_that_waits_is_told_of_when_it_is_settled() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.overflow(0, 3);
    let reading = Reading { calm: false, ..namespace.look() };
    assert!(account.take(&reading, 2, false).is_empty());
    let told = |account: &Account| account.sockets().next().unwrap().1;
    assert_eq!((account.waits(), told(&account), account.counts().kernel[0]), (true, Some(7), 0));
    account.take(&namespace.look(), 2, false);
    assert_eq!((account.waits(), told(&account), account.counts().kernel[0]), (false, Some(10), 3));
}

#[test]
fn what_was_seen_last_of_a_namespace_that_is_gone_is_not_forgotten() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.overflow(0, 3);
    account.take(&Reading { calm: false, ..namespace.look() }, 2, false);
    let given: u64 = flat(&account.end(2)).iter().map(|(_, _, count)| count).sum();
    assert_eq!((given, account.counts().kernel[0], rest(&account)), (3, 3, [0, 0]));
    assert!(account.end(2).is_empty());
}

#[test]
fn losses_while_the_first_look_was_taken_are_somebodys() {
    let mut namespace = Namespace::with(1);
    let mut reading = namespace.look();
    namespace.overflow(0, 5);
    (reading.sockets, reading.after, reading.calm) = (namespace.sockets.clone(), namespace.counters, false);
    let mut account = Account::new(1, &reading);
    namespace.overflow(0, 2);
    let given: u64 = flat(&account.take(&namespace.look(), 2, false)).iter().map(|(_, _, count)| count).sum();
    assert_eq!((given, rest(&account)), (7, [0, 0]));
}

#[test]
fn an_account_is_open_while_its_counters_hold_losses_that_are_not_settled() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    assert!(!account.is_open(&namespace.counters));
    namespace.overflow(0, 1);
    assert!(account.is_open(&namespace.counters));
    account.take(&namespace.look(), 2, false);
    assert!(!account.is_open(&namespace.counters));
}

#[test]
fn an_account_waits_for_calm_as_long_as_its_patience_and_no_longer() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    let begun = namespace.time;
    namespace.overflow(0, 3);
    let mut look_at = |time| {
        let reading = Reading { time, calm: false, ..namespace.look() };
        account.take(&reading, 2, false);
        account.waits()
    };
    assert!(look_at(begun + PATIENCE - 1));
    assert!(!look_at(begun + PATIENCE));
}

/// Losses are counted while the sockets are listed, none before: what a socket
/// has moved by then may be one of them, and is not told before it is settled.
#[test]
fn what_moved_in_a_look_that_is_not_calm_is_not_told_yet() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.drop(0, 3);
    account.take(&Reading { calm: false, ..namespace.look() }, 2, false);
    let told = |account: &Account| account.sockets().next().unwrap().1;
    assert_eq!((account.waits(), told(&account)), (false, Some(7)));
    account.take(&namespace.look(), 2, false);
    assert_eq!(told(&account), Some(10));
}

/// SYNs that were lost beside both full queues.
fn refuse(namespace: &mut Namespace, times: u32) {
    namespace.count(Counter::ListenDrops, u64::from(times));
    namespace.drop(0, times);
}

#[test]
fn each_kind_of_loss_is_given_by_what_is_new_of_it() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    for times in [2, 3] {
        refuse(&mut namespace, times);
        let given = account.take(&namespace.look(), 2, false);
        assert_eq!(flat(&given), [(0, Reason::UnknownDropped, u64::from(times))]);
        assert!(account.take(&namespace.look(), 2, false).is_empty());
    }
    for times in [4, 1] {
        namespace.count(Counter::ReqQFullDrop, u64::from(times));
        refuse(&mut namespace, times);
        let given = account.take(&namespace.look(), 2, false);
        assert_eq!(flat(&given), [(0, Reason::SynQueueFull, u64::from(times))]);
    }
    refuse(&mut namespace, 2);
    namespace.overflow(0, 3);
    namespace.count(Counter::ReqQFullDrop, 1);
    refuse(&mut namespace, 1);
    let mut given = flat(&account.take(&namespace.look(), 2, false));
    given.sort_by_key(|(_, _, count)| *count);
    let [full, dropped, overflow] =
        [Reason::SynQueueFull, Reason::UnknownDropped, Reason::SynAcceptQueueFull];
    assert_eq!(given, [(0, full, 1), (0, dropped, 2), (0, overflow, 3)]);
    assert_eq!(rest(&account), [0, 0]);
}

#[test]
fn cookies_are_given_by_what_is_new_of_them() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    let mut look = |namespace: &mut Namespace| {
        let given = account.take(&namespace.look(), 2, false);
        given.first().map(|(_, given)| (given.reasons[Reason::SynCookieSent], given.cookies_wanted_lost))
    };
    let cookies = |namespace: &mut Namespace, wanted, sent| {
        namespace.count(Counter::ReqQFullDoCookies, wanted);
        namespace.count(Counter::SyncookiesSent, sent);
    };
    for _ in 0..2 {
        cookies(&mut namespace, 5, 5);
        assert_eq!(look(&mut namespace), Some((5, 0)));
    }
    for _ in 0..2 {
        cookies(&mut namespace, 2, 0);
        namespace.overflow(0, 2);
        assert_eq!(look(&mut namespace), Some((0, 2)));
    }
    // One was made for a SYN that was lost after all.
    cookies(&mut namespace, 3, 3);
    refuse(&mut namespace, 1);
    assert_eq!(look(&mut namespace), Some((2, 0)));
    // An overflow without any.
    namespace.overflow(0, 1);
    assert_eq!(look(&mut namespace), Some((0, 0)));
    assert_eq!(look(&mut namespace), None);
    assert_eq!(rest(&account), [0, 0]);
}

/// A listener that opened and closed between the two looks may have answered by
/// cookie too.
#[test]
fn cookies_are_nobodys_where_another_listener_was_there() {
    let mut namespace = Namespace::with(1);
    let mut account = Account::new(1, &namespace.look());
    namespace.sockets.insert(1, Some(0));
    account.take(&namespace.look(), 2, false);
    namespace.sockets.remove(&1);
    namespace.count(Counter::ReqQFullDoCookies, 5);
    namespace.count(Counter::SyncookiesSent, 5);
    assert!(account.take(&namespace.look(), 2, false).is_empty());
}

/// What happens between two looks.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Close(usize),
    Lose(usize, u32),
    /// What moves `sk_drops` and loses nothing.
    Harmless(usize, u32),
    /// `Some`: losses of a listener while the sockets are listed, before and
    /// after it is listed itself.
    Look(Option<(usize, u32, u32)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Open),
        2 => (0..8usize).prop_map(Step::Close),
        5 => (0..8usize, 1..6u32).prop_map(|(at, times)| Step::Lose(at, times)),
        1 => (0..8usize, 1..4u32).prop_map(|(at, times)| Step::Harmless(at, times)),
        4 => Just(Step::Look(None)),
        2 => (0..8usize, 0..4u32, 0..4u32).prop_map(|(at, early, late)| Step::Look(Some((at, early, late)))),
    ]
}

proptest! {
    /// Listeners come and go all the while: nobody is charged with more than
    /// he lost, nothing is made up, and what is kept follows what is open.
    #[test]
    fn churn(steps in prop::collection::vec(step(), 0..120)) {
        let mut namespace = Namespace::with(2);
        let mut account = Account::new(1, &namespace.look());
        let mut truth: BTreeMap<u32, u64> = BTreeMap::new();
        let mut charged: BTreeMap<u32, u64> = BTreeMap::new();
        let mut seen: BTreeSet<u32> = (0..2).collect();
        let mut next = 2;
        let at = |namespace: &Namespace, at: usize| {
            namespace.sockets.keys().nth(at % namespace.sockets.len().max(1)).copied()
        };
        for step in steps.into_iter().chain([Step::Look(None), Step::Look(None)]) {
            match step {
                Step::Open => {
                    namespace.sockets.insert(next, Some(0));
                    next += 1;
                }
                Step::Close(number) => {
                    // One that opens, loses and closes between two looks is seen by
                    // nobody: what it lost may be charged to another (ARCHITECTURE.md).
                    let lost = |id: &u32| truth.contains_key(id);
                    let id = at(&namespace, number).filter(|id| seen.contains(id) || !lost(id));
                    if let Some(id) = id {
                        namespace.sockets.remove(&id);
                    }
                }
                Step::Lose(number, times) => {
                    if let Some(id) = at(&namespace, number) {
                        namespace.overflow(id, times);
                        *truth.entry(id).or_default() += u64::from(times);
                    }
                }
                Step::Harmless(number, times) => {
                    if let Some(id) = at(&namespace, number) {
                        namespace.drop(id, times);
                    }
                }
                Step::Look(meanwhile) => {
                    let mut reading = namespace.look();
                    seen.extend(reading.sockets.keys());
                    if let Some((id, early, late)) =
                        meanwhile.and_then(|(number, early, late)| Some((at(&namespace, number)?, early, late)))
                    {
                        namespace.overflow(id, early);
                        reading.sockets = namespace.sockets.clone();
                        namespace.overflow(id, late);
                        *truth.entry(id).or_default() += u64::from(early + late);
                        (reading.after, reading.calm) = (namespace.counters, early + late == 0);
                    }
                    for (id, given) in account.take(&reading, 2, false) {
                        *charged.entry(id).or_default() +=
                            given.reasons.iter().map(|(_, count)| count).sum::<u64>();
                    }
                    prop_assert!(account.waits() || account.base.sockets.len() <= reading.sockets.len());
                    prop_assert!(account.last.len() <= reading.sockets.len());
                    prop_assert!(account.ahead.len() <= reading.sockets.len());
                    if !account.waits() {
                        prop_assert_eq!(account.counts().kernel[0], of(&reading.before, Counter::ListenOverflows));
                    }
                    // Of the sockets that are told, none has lost less than it is charged with,
                    // and none has moved less than that.
                    for (id, drops) in account.sockets() {
                        let first = if id < 2 { 7 } else { 0 };
                        let moved = u64::from(drops.unwrap().wrapping_sub(first));
                        prop_assert!(charged.get(&id).copied().unwrap_or(0) <= moved, "{id} moved {moved}");
                    }
                }
            }
            for (id, charged) in &charged {
                prop_assert!(*charged <= truth.get(id).copied().unwrap_or(0), "{id} is charged with {charged}");
            }
            let rest = rest(&account);
            prop_assert!(rest[0] >= 0 && rest[1] >= 0, "{rest:?}");
        }
    }
}
