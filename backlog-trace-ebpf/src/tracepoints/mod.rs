//! The shells for tracepoints: for kernels that have neither trampolines nor
//! kprobes.
//!
//! Every decision about a handshake is followed at once, on the same CPU and
//! with the bottom half off, by the freeing of the packet that caused it. In
//! which function the packet is freed tells what kind of packet it was, and how
//! far this CPU's counters moved is the verdict:
//!
//! - a SYN, answered or refused: consume_skb() in tcp_rcv_state_process();
//! - a final ACK that is dropped: kfree_skb() in tcp_v4_rcv(), tcp_v6_rcv();
//! - a final ACK with a cookie that is dropped: kfree_skb() in cookie_v4_check(),
//!   cookie_v6_check();
//! - an ICMP error: consume_skb() in icmp_rcv(), icmpv6_rcv().
//!
//! So the programs on two tracepoints serve four hooks. Those of the SYN hook
//! serve the one on ICMP errors as well, and those of the ACK hook the one on
//! cookies, unless that hook is attached by a better rung.
//!
//! kfree_skb() says which listener dropped an ACK. For a SYN and an ICMP error,
//! consume_skb() does not: the listener is searched for by [`lookup`], and the
//! member of a reuseport group by [`group`].

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
