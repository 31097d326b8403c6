//! Whose client it is, whether it got in, and what is kept of that.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn peer(port: u16) -> Peer {
    Peer { address: "10.0.0.7".parse().expect("an address"), port }
}

/// A client's packet at a listener: its number and where it listens.
fn knock((listener, address): (u32, &str), client: u16, time: u64) -> Knock {
    let at = Endpoint::new(5, address.parse().expect("an address"), 8080);
    Knock { listener, at, peer: peer(client), time }
}

const FIRST: (u32, &str) = (1, "10.0.0.1");
const SUCCESSOR: (u32, &str) = (2, "10.0.0.1");
const ELSEWHERE: (u32, &str) = (3, "10.0.0.2");
const ANY: (u32, &str) = (4, "0.0.0.0");
const ANY_OF_BOTH: (u32, &str) = (5, "::");

#[test]
fn a_retry_is_the_same_connection_and_another_port_is_another() {
    let mut connections = Connections::default();
    assert_eq!(connections.lost(&knock(FIRST, 1, 100)), (Encounter::First, None));
    assert_eq!(connections.lost(&knock(FIRST, 1, 200)), (Encounter::Again, None));
    assert_eq!(connections.lost(&knock(FIRST, 2, 200)), (Encounter::First, None));
    assert_eq!(connections.lost(&knock(ELSEWHERE, 1, 200)), (Encounter::First, None));
    let mut other_port = knock(FIRST, 1, 200);
    other_port.at = Endpoint::new(5, "10.0.0.1".parse().expect("an address"), 8081);
    assert_eq!(connections.lost(&other_port), (Encounter::First, None));
    let mut other_netns = knock(FIRST, 1, 200);
    other_netns.at = Endpoint::new(6, "10.0.0.1".parse().expect("an address"), 8080);
    assert_eq!(connections.lost(&other_netns), (Encounter::First, None));
}

/// Each packet of a client is compared with every address of the port where it
/// was refused: those are bounded, and what is forgotten is counted.
#[test]
fn a_client_at_very_many_addresses_of_a_port_is_followed_at_some() {
    let mut connections = Connections::bounded(Bounds { per_client: 3, ..Bounds::default() });
    let at = |listener: u32| format!("10.0.1.{listener}");
    let forgotten: Vec<Option<u32>> = (0..5)
        .map(|listener| connections.lost(&knock((listener, &at(listener)), 1, 100 + u64::from(listener))).1)
        .collect();
    assert_eq!(forgotten, [None, None, None, Some(0), Some(1)]);
    assert_eq!(connections.followed(), 3);
    assert_eq!(connections.established(&knock((1, &at(1)), 1, 200)), None);
    assert!(connections.established(&knock((4, &at(4)), 1, 200)).is_some());
}

#[test]
fn a_client_believes_and_sends_data_once() {
    let mut connections = Connections::default();
    assert_eq!(connections.dropped_in_silence(&knock(FIRST, 1, 0), true), None, "not followed");
    connections.lost(&knock(FIRST, 1, 100));
    let belief = |believes, sent_data| Some((1, Belief { believes, sent_data }));
    assert_eq!(connections.dropped_in_silence(&knock(FIRST, 1, 0), false), belief(true, false));
    assert_eq!(connections.dropped_in_silence(&knock(FIRST, 1, 0), true), belief(false, true));
    assert_eq!(connections.dropped_in_silence(&knock(SUCCESSOR, 1, 0), true), belief(false, false));
    connections.lost(&knock(FIRST, 2, 100));
    assert_eq!(connections.dropped_in_silence(&knock(FIRST, 2, 0), true), belief(true, true));
}

#[test]
fn recovery_is_timed_from_the_first_loss_and_counted_once() {
    let mut connections = Connections::default();
    connections.lost(&knock(FIRST, 1, 100));
    connections.lost(&knock(FIRST, 1, 900));
    assert_eq!(connections.established(&knock(ELSEWHERE, 1, 1000)), None, "another address");
    assert_eq!(connections.established(&knock(FIRST, 2, 1000)), None, "never refused");
    assert_eq!(connections.established(&knock(FIRST, 1, 99)), None, "before the loss");
    let recovered = Recovered { refused_by: 1, took: 1000 };
    assert_eq!(connections.established(&knock(FIRST, 1, 1100)), Some(recovered));
    assert_eq!(connections.established(&knock(FIRST, 1, 1200)), None, "already in");
    assert_eq!(connections.lost(&knock(FIRST, 1, 2000)).0, Encounter::First, "a new use of the port");
}

#[test]
fn who_lets_a_client_in_may_be_another_socket_than_who_refused_it() {
    let mut connections = Connections::default();
    connections.lost(&knock(FIRST, 1, 100));
    // Refused by the successor as well: the client has not begun anew.
    assert_eq!(connections.lost(&knock(SUCCESSOR, 1, 200)).0, Encounter::Again);
    let recovered = Recovered { refused_by: 1, took: 200 };
    assert_eq!(connections.established(&knock(SUCCESSOR, 1, 300)), Some(recovered));
}

/// A client is refused at `by`, which closes or not, and gets in at `at`.
#[track_caller]
fn check_way(by: (u32, &str), closes: bool, at: (u32, &str), is_one: bool) {
    let mut connections = Connections::default();
    let refused = knock(by, 1, 100);
    connections.lost(&refused);
    connections.closed(by.0, refused.at, closes);
    let recovered = connections.established(&knock(at, 1, 300));
    assert_eq!(recovered.is_some(), is_one, "refused at {by:?}, closed: {closes}, in at {at:?}");
}

#[test]
fn two_listeners_on_one_port_at_different_addresses() {
    for closes in [false, true] {
        check_way(FIRST, closes, SUCCESSOR, true);
        check_way(FIRST, closes, ELSEWHERE, false);
        check_way(ANY, closes, ANY_OF_BOTH, true);
        check_way((8, "::ffff:10.0.0.1"), closes, FIRST, true);
    }
    // Beside one at its own address, a listener at any address gets what is for
    // the other addresses. One that has closed may have got this client's.
    check_way(ANY, false, FIRST, false);
    check_way(FIRST, false, ANY, false);
    check_way(ANY, true, FIRST, true);
    check_way(FIRST, true, ANY_OF_BOTH, true);
}

#[test]
fn a_listener_that_listens_again_has_not_closed() {
    let mut connections = Connections::default();
    let refused = knock(ANY, 1, 100);
    connections.lost(&refused);
    connections.closed(ANY.0, refused.at, true);
    connections.closed(ANY.0, refused.at, false);
    assert_eq!(connections.established(&knock(FIRST, 1, 300)), None);
}

#[test]
fn a_port_that_is_used_again_after_the_last_try_is_another_connection() {
    let mut connections = Connections::default();
    connections.lost(&knock(FIRST, 1, 0));
    connections.lost(&knock(FIRST, 1, 120 * SECOND));
    // 130 s after the last try, not the first.
    let recovered = Recovered { refused_by: 1, took: 250 * SECOND };
    assert_eq!(connections.established(&knock(FIRST, 1, 250 * SECOND)), Some(recovered));
    connections.lost(&knock(FIRST, 1, 300 * SECOND));
    assert_eq!(connections.established(&knock(FIRST, 1, 431 * SECOND)), None);
    assert_eq!(connections.followed(), 0);
    connections.lost(&knock(FIRST, 1, 500 * SECOND));
    assert_eq!(connections.lost(&knock(FIRST, 1, 631 * SECOND)).0, Encounter::First);
}

#[test]
fn the_oldest_is_forgotten_at_either_bound() {
    let mut connections = Connections::bounded(Bounds { per_port: 2, overall: 3, ..Bounds::default() });
    let other = |client, time| {
        let mut knock = knock((9, "10.0.0.1"), client, time);
        knock.at = Endpoint::new(5, "10.0.0.1".parse().expect("an address"), 9090);
        knock
    };
    connections.lost(&knock(FIRST, 1, 1));
    connections.lost(&knock(SUCCESSOR, 2, 2));
    assert_eq!(connections.lost(&knock(FIRST, 3, 3)), (Encounter::First, Some(1)), "the port's bound");
    connections.lost(&other(1, 4));
    assert_eq!(connections.lost(&other(2, 5)), (Encounter::First, Some(2)), "the overall bound");
    assert_eq!(connections.established(&knock(FIRST, 1, 9)), None);
    assert_eq!(connections.established(&knock(FIRST, 2, 9)), None);
    let recovered = Recovered { refused_by: 1, took: 6 };
    assert_eq!(connections.established(&knock(FIRST, 3, 9)), Some(recovered));
    assert_eq!(connections.followed(), 2);
}

#[test]
fn one_whose_client_gave_up_makes_room_and_was_followed_to_its_end() {
    let mut connections = Connections::bounded(Bounds { per_port: 1, overall: 9, ..Bounds::default() });
    connections.lost(&knock(FIRST, 1, 0));
    assert_eq!(connections.lost(&knock(FIRST, 2, 131 * SECOND)), (Encounter::First, None));
    assert_eq!(connections.lost(&knock(FIRST, 3, 132 * SECOND)), (Encounter::First, Some(1)));
}

proptest! {
    /// Whatever happens, the bounds hold and the books agree with each other.
    #[test]
    fn bounds_hold(steps in proptest::collection::vec((0u8..3, 0usize..5, 0u16..12, 1u16..3), 0..400)) {
        let mut connections = Connections::bounded(Bounds { per_port: 5, overall: 9, ..Bounds::default() });
        let places = [FIRST, SUCCESSOR, ELSEWHERE, ANY, ANY_OF_BOTH];
        let (mut first, mut gone) = (0usize, 0usize);
        for (time, (what, place, client, port)) in (0u64..).zip(steps) {
            let mut knock = knock(places[place], client, time);
            knock.at = Endpoint::new(5, places[place].1.parse().expect("an address"), port);
            match what {
                0 => {
                    let (encounter, forgotten) = connections.lost(&knock);
                    first += usize::from(encounter == Encounter::First);
                    gone += usize::from(forgotten.is_some());
                }
                1 => gone += usize::from(connections.established(&knock).is_some()),
                _ => connections.closed(knock.listener, knock.at, client % 2 == 0),
            }
            prop_assert_eq!(connections.followed(), first - gone);
            prop_assert!(connections.followed() <= 9);
            prop_assert_eq!(connections.ports.values().map(|f| f.total).sum::<usize>(), first - gone);
            prop_assert_eq!(connections.oldest.len(), connections.ports.len());
            for followed in connections.ports.values() {
                let open: usize = followed.open.values().map(Vec::len).sum();
                let refused: usize = followed.refusers.values().map(|refuser| refuser.open).sum();
                prop_assert_eq!((open, refused), (followed.total, followed.total));
                prop_assert!(open <= 5 && followed.order.len() <= 2 * open + 17);
                prop_assert!(followed.refusers.values().all(|refuser| refuser.open > 0));
            }
        }
    }
}

/// One client stays and thousands come and get in: the order of arrival does
/// not keep a place for each.
#[test]
fn the_order_of_arrival_is_as_long_as_what_is_followed() {
    let mut connections = Connections::default();
    connections.lost(&knock(FIRST, 1, 0));
    for client in 2..5000 {
        connections.lost(&knock(FIRST, client, u64::from(client)));
        assert!(connections.established(&knock(FIRST, client, u64::from(client) + 1)).is_some());
        let longest = connections.ports.values().map(|followed| followed.order.len()).max();
        assert!(longest.is_some_and(|length| length <= 18), "{longest:?} for one");
    }
    // It is still the oldest, and known.
    let recovered = Recovered { refused_by: 1, took: 5000 };
    assert_eq!(connections.established(&knock(FIRST, 1, 5000)), Some(recovered));
    assert!(connections.ports.is_empty() && connections.oldest.is_empty());
}

/// A hundred clients a second that give up, for an hour: what is followed is
/// what came in the last minutes.
#[test]
fn clients_that_have_given_up_are_let_go() {
    let mut connections = Connections::default();
    for tick in 0..360_000u64 {
        let client = u16::try_from(tick % 60_000).unwrap();
        connections.lost(&knock(FIRST, client, tick * SECOND / 100));
    }
    assert!(connections.followed() <= 13_002, "{}", connections.followed());
}
