//! What was counted for one listener. Its figures are listed once, below: what
//! is a count, what is a histogram of counts, what is the longest of lengths.

use backlog_trace_common::bucket::{DEPTH_BUCKETS, WAIT_BUCKETS};
use serde::{Deserialize, Serialize};

use super::by_name;
use super::counts::Reasons;
use super::unknown::Unknown;

/// Makes the structure, and what is done with every figure of it.
macro_rules! totals {
    (
        counts { $($(#[$of_count:meta])* $count:ident,)* }
        longest { $($(#[$of_longest:meta])* $longest:ident,)* }
        histograms { $($(#[$of_histogram:meta])* $histogram:ident: $buckets:ident,)* }
    ) => {
        /// What was counted for one listener.
        #[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Totals {
            $($(#[$of_count])* pub $count: u64,)*
            $($(#[$of_longest])* pub $longest: u32,)*
            /// The limit of both queues, as last seen.
            pub limit: u32,
            /// Occurrences per reason.
            pub reasons: Reasons,
            $($(#[$of_histogram])* #[serde(with = "by_name::buckets")] pub $histogram: [u64; $buckets],)*
            /// Which of these are not known; what stands there is then not the figure.
            #[serde(skip_serializing_if = "Unknown::is_empty")]
            pub unknown: Unknown,
        }

        impl Totals {
            /// Every count of both, combined; lengths and the limit are the greater
            /// ones, and what is not known of one is not known of both.
            pub fn combine(&mut self, other: &Self, combine: impl Fn(u64, u64) -> u64 + Copy) {
                $(self.$count = combine(self.$count, other.$count);)*
                $(self.$longest = self.$longest.max(other.$longest);)*
                self.limit = self.limit.max(other.limit);
                each(&mut self.reasons.0, &other.reasons.0, combine);
                $(each(&mut self.$histogram, &other.$histogram, combine);)*
                self.unknown = self.unknown.union(other.unknown);
            }

            /// Every count as a number, in the order of the list.
            #[cfg(test)]
            pub(crate) fn every_count(&mut self) -> Vec<&mut u64> {
                let mut all = vec![$(&mut self.$count,)*];
                all.extend(&mut self.reasons.0);
                $(all.extend(&mut self.$histogram);)*
                all
            }
        }
    };
}

totals! {
    counts {
        /// SYNs handled.
        syns,
        /// Handshakes finished.
        established,
        /// Of those, by a cookie.
        established_by_cookie,
        /// Connections handed out by accept().
        accepted,
        /// Additions to `sk_drops` that the verdicts account for.
        sk_drops,
        /// SYNs lost although a cookie was wanted.
        cookies_wanted_lost,
        /// SYNs lost although a cookie was made.
        cookies_made_lost,
    }
    longest {
        /// Longest accept queue seen.
        accept_queue_max,
        /// Longest SYN queue seen.
        syn_queue_max,
    }
    histograms {
        /// Accept queue length when a SYN arrived.
        accept_depth: DEPTH_BUCKETS,
        /// SYN queue length when a SYN arrived.
        syn_depth: DEPTH_BUCKETS,
        /// Accept queue length that accept() found.
        accept_depth_at_accept: DEPTH_BUCKETS,
        /// Time from finished handshake to accept(), in microseconds.
        accept_wait_us: WAIT_BUCKETS,
        /// Accept queue length whenever it was polled: samples, and the only
        /// lengths there are on [`super::Rung::Counters`].
        accept_depth_polled: DEPTH_BUCKETS,
    }
}

impl Totals {
    /// Adds another part of one listener: of another CPU, or by another key.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, u64::saturating_add);
    }
}

fn each(of: &mut [u64], other: &[u64], combine: impl Fn(u64, u64) -> u64) {
    of.iter_mut().zip(other).for_each(|(of, other)| *of = combine(*of, *other));
}
