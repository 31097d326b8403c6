//! The shells for tracepoints: where neither trampolines nor kprobes can be had.
//!
//! Every decision about a handshake is followed at once, on the same CPU and
//! with the bottom half off, by the freeing of the packet that caused it. Where
//! it is freed tells what kind of packet it was; how far this CPU's counters
//! moved is the verdict:
//!
//! - a SYN, whatever became of it: consume_skb() in tcp_rcv_state_process();
//! - a final ACK that is dropped: kfree_skb() in tcp_v4_rcv(), tcp_v6_rcv();
//! - one with a cookie: kfree_skb() in cookie_v4_check(), cookie_v6_check();
//! - an ICMP error: consume_skb() in icmp_rcv(), icmpv6_rcv().
//!
//! So two tracepoints show four hooks: the programs of the SYN hook carry that
//! on ICMP errors, those of the ACK hook that on cookies, where these are not
//! on a better rung.
//!
//! A dropped ACK comes with its listener. A SYN and an ICMP error do not: see
//! [`lookup`] and [`group`].

mod ack;
mod cookie;
mod freed;
mod group;
mod listener;
mod lookup;
pub mod packet;
pub mod queued;
mod request;
mod syn;
mod trial;
pub mod twin;
