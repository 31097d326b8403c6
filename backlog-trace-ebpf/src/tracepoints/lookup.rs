//! From a packet's addresses to the listener that it was for, in the kernel's
//! own table of listeners (`inet_hashinfo.lhash2`) and by the kernel's own
//! order of preference: `__inet_lookup_listener()` and
//! `inet6_lookup_listener()`, 5.10 to 7.2.
//!
//! The kernel's table is read anew for each packet, so nothing here can be out of
//! date. The search refuses to know redirection by TPROXY or by sk_lookup
//! programs, which leave the packet's addresses as they are.

use backlog_trace_common::globals::ABSENT;

use crate::context;
use crate::globals::{
    BYTES_BUCKET, OFF_BUCKET_HEAD, OFF_HASHINFO_LHASH2, OFF_HASHINFO_LHASH2_MASK, OFF_LISTEN_NODE,
    OFF_NET_HASH_MIX, OFF_NET_HASHINFO, OFF_SK_REUSEPORT_CB, OFF_SKC_BOUND_DEV, OFF_SKC_FAMILY,
    OFF_SKC_INCOMING_CPU, OFF_SKC_IPV6ONLY, OFF_SKC_NET, OFF_SKC_NULLS_NODE, OFF_SKC_NUM, OFF_SKC_RCV_SADDR,
    OFF_SKC_STATE, OFF_SKC_V6_RCV_SADDR, SHIFT_SKC_IPV6ONLY,
};
use crate::maps::SEGMENT;
use crate::read::{Memory, Probed, Ptr};
use crate::scratch::Segment;
use crate::uapi::{INET6, LISTEN};

/// Longest chain that is followed. The table has a place for every 2 MiB of memory,
/// so chains are short; of a reuseport group only the first member is met.
const LONGEST: u32 = 32;

/// Searches for the listener that the segment in entry `at` of [`SEGMENT`] was for,
/// and sets its `listener` and `group`.
///
/// A global function with plain numbers for arguments: the verifier looks at such
/// a function once, and not again at each call.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn look_up(at: u32) -> i32 {
    let Some(segment) = SEGMENT.get_ptr_mut(at) else { return 0 };
    // SAFETY: this CPU's live map value.
    let (net, port) = unsafe {
        (*segment).listener = 0;
        (*segment).group = 0;
        (*segment).score = 0;
        ((*segment).net as Ptr, (*segment).local_port)
    };
    let mix: u32 = Probed::load(net, OFF_NET_HASH_MIX.load());
    let table: u64 = Probed::load(net, OFF_NET_HASHINFO.load());
    let buckets: u64 = Probed::load(table as Ptr, OFF_HASHINFO_LHASH2.load());
    let mask: u32 = Probed::load(table as Ptr, OFF_HASHINFO_LHASH2_MASK.load());
    if buckets == 0 {
        return 0;
    }
    let bucket = |hash: u32| buckets + u64::from((hash ^ port) & mask) * u64::from(BYTES_BUCKET.load());
    // SAFETY: this CPU's live map value.
    unsafe {
        chain(bucket(hash(segment, mix)), segment, false);
        if (*segment).listener == 0 {
            chain(bucket(hash_word(0, mix)), segment, true);
        }
    }
    0
}

/// Looks for a better match than the one that was found so far, in one chain of the
/// table.
///
/// # Safety
/// `segment` must be a live map value.
#[inline(always)]
unsafe fn chain(bucket: u64, segment: *mut Segment, wildcard: bool) {
    let cpu = context::cpu();
    let node_at =
        if OFF_LISTEN_NODE.load() == ABSENT { OFF_SKC_NULLS_NODE.load() } else { OFF_LISTEN_NODE.load() };
    let mut node: u64 = Probed::load(bucket as Ptr, OFF_BUCKET_HEAD.load());
    let mut steps = 0u32;
    while steps < LONGEST {
        // The end of a chain is NULL up to 5.10, an odd number after it.
        if node == 0 || node & 1 == 1 {
            break;
        }
        let sk = (node - u64::from(node_at)) as Ptr;
        // SAFETY: the caller's promise.
        unsafe {
            let score = score(sk, segment, wildcard, cpu);
            if score > (*segment).score {
                let group: u64 = Probed::load(sk, OFF_SK_REUSEPORT_CB.load());
                (*segment).score = score;
                (*segment).listener = sk as u64;
                (*segment).group = group;
                // inet_lhash2_lookup(): a group is asked at once, and its word is final.
                if group != 0 {
                    break;
                }
            }
        }
        node = Probed::load(node as Ptr, 0);
        steps += 1;
    }
}

/// How well a socket matches, as compute_score() has it for both families; 0 where
/// it does not match.
///
/// Differences are collected and asked about once, at the end: each branch in
/// here would double what the verifier goes through at each step of a chain.
///
/// # Safety
/// `segment` must be a live map value.
#[inline(always)]
unsafe fn score(sk: Ptr, segment: *mut Segment, wildcard: bool, cpu: u32) -> u64 {
    // SAFETY: the caller's promise.
    let to = unsafe { &*segment };
    let port = u32::from(Probed::load::<u16>(sk, OFF_SKC_NUM.load())) ^ to.local_port;
    let net = Probed::load::<u64>(sk, OFF_SKC_NET.load()) ^ to.net;
    let state = Probed::load::<u8>(sk, OFF_SKC_STATE.load()) ^ LISTEN;
    let mut differs = u64::from(port) | net | u64::from(state);
    let family = Probed::load::<u16>(sk, OFF_SKC_FAMILY.load()) ^ INET6;
    let mut score = 1;
    if to.ipv6 == 1 {
        let address: [u32; 4] = Probed::load(sk, OFF_SKC_V6_RCV_SADDR.load());
        let expected = if wildcard { [0; 4] } else { to.local };
        differs |= u64::from(family) | difference(&address, &expected);
    } else {
        // An IPv4 packet reaches an IPv6 socket that has not IPV6_V6ONLY set.
        let only = Probed::load::<u8>(sk, OFF_SKC_IPV6ONLY.load()) >> SHIFT_SKC_IPV6ONLY.load() & 1;
        let address: u32 = Probed::load(sk, OFF_SKC_RCV_SADDR.load());
        let expected = if wildcard { 0 } else { to.local[0] };
        differs |= u64::from(address ^ expected) | u64::from(only & one_if_zero(family.into()) as u8);
        score += 1 - one_if_zero(family.into());
    }
    let device: u32 = Probed::load(sk, OFF_SKC_BOUND_DEV.load());
    let unbound = one_if_zero(device);
    differs |= u64::from((device ^ to.device) * (1 - unbound));
    score += 1 - unbound;
    score += one_if_zero(Probed::load::<u32>(sk, OFF_SKC_INCOMING_CPU.load()) ^ cpu);
    if differs == 0 { u64::from(score) } else { 0 }
}

/// 1 for 0, 0 for any other value, without a branch.
#[inline(always)]
fn one_if_zero(value: u32) -> u32 {
    let value = u64::from(core::hint::black_box(value));
    (value.wrapping_sub(1) >> 63) as u32
}

/// 0 where both addresses are the same, without a branch.
#[inline(always)]
fn difference(a: &[u32; 4], b: &[u32; 4]) -> u64 {
    u64::from((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]))
}

/// ipv4_portaddr_hash() and ipv6_portaddr_hash() without the port.
///
/// # Safety
/// `segment` must be a live map value.
#[inline(always)]
unsafe fn hash(segment: *mut Segment, mix: u32) -> u32 {
    // SAFETY: the caller's promise.
    let to = unsafe { &*segment };
    let [a, b, c, d] = to.local;
    if to.ipv6 == 1 { hash_words(a, b, c, d, mix) } else { hash_word(a, mix) }
}

/// `JHASH_INITVAL`.
const JHASH: u32 = 0xdead_beef;

/// jhash_1word()
#[inline(always)]
fn hash_word(word: u32, seed: u32) -> u32 {
    let start = seed.wrapping_add(JHASH).wrapping_add(1 << 2);
    last(start.wrapping_add(word), start, start)
}

/// jhash2() of four words.
#[inline(always)]
fn hash_words(first: u32, second: u32, third: u32, fourth: u32, seed: u32) -> u32 {
    let start = seed.wrapping_add(JHASH).wrapping_add(4 << 2);
    let (mut a, mut b, mut c) =
        (start.wrapping_add(first), start.wrapping_add(second), start.wrapping_add(third));
    // __jhash_mix()
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    last(a.wrapping_add(fourth), b, c)
}

/// __jhash_final()
#[inline(always)]
fn last(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}
