//! Histograms in powers of two: the rule by which the kernel side fills their
//! buckets and user space reads them.
//!
//! Bucket 0 holds 0 and 1, bucket k holds 2^k to 2^(k+1)-1 (bucket 7: queues of
//! 128 to 255); the last bucket holds everything above its start. The buckets
//! do not depend on what is measured, so histograms of two hosts are merged by
//! addition.

/// Buckets of a queue depth: the last one starts at 2^23 connections.
pub const DEPTH_BUCKETS: usize = 24;

/// Buckets of a waiting time in microseconds: the last one starts at 2^31 us, 36 minutes.
pub const WAIT_BUCKETS: usize = 32;

/// Position of the highest set bit of each byte; 0 for 0.
static HIGHEST_BIT: [u8; 256] = highest_bits();

const fn highest_bits() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 2;
    while byte < 256 {
        table[byte] = table[byte >> 1] + 1;
        byte += 1;
    }
    table
}

/// The bucket of `value` in a histogram of `buckets` buckets.
///
/// The highest bit is looked up in a table, because the eBPF instruction set
/// has no count-leading-zeros and a cascade of shifts costs five times as much.
/// An idle queue (0 or 1) costs the first compare and nothing more.
#[inline(always)]
pub fn bucket_of(value: u32, buckets: usize) -> usize {
    if value < 2 {
        return 0;
    }
    let (rest, below) = if value < 1 << 8 {
        (value, 0)
    } else if value < 1 << 16 {
        (value >> 8, 8)
    } else if value < 1 << 24 {
        (value >> 16, 16)
    } else {
        (value >> 24, 24)
    };
    // LLVM knows that `rest` is a byte and would leave out the mask. The
    // verifier of 5.10 does not know it, and needs the mask to see that the
    // index is within the table.
    let byte = core::hint::black_box(rest) & 0xff;
    let bucket = below + HIGHEST_BIT[byte as usize] as usize;
    if bucket < buckets { bucket } else { buckets - 1 }
}

/// First and last value of a bucket, both included.
pub const fn bounds(bucket: usize, buckets: usize) -> (u32, u32) {
    let first = if bucket == 0 { 0 } else { 1u32 << bucket };
    let last = if bucket + 1 >= buckets || bucket >= 31 { u32::MAX } else { (1u32 << (bucket + 1)) - 1 };
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_power_of_two_starts_a_bucket_and_its_predecessor_ends_one() {
        for exponent in 1..32 {
            let start = 1u32 << exponent;
            assert_eq!(bucket_of(start, WAIT_BUCKETS), exponent);
            assert_eq!(bucket_of(start - 1, WAIT_BUCKETS), exponent - 1);
        }
        assert_eq!(bucket_of(0, WAIT_BUCKETS), 0);
        assert_eq!(bucket_of(u32::MAX, WAIT_BUCKETS), 31);
    }

    #[test]
    fn a_value_lies_within_the_bounds_of_its_bucket() {
        for value in (0..1 << 20).step_by(37).chain([u32::MAX, 1 << 23, 1 << 24]) {
            let bucket = bucket_of(value, DEPTH_BUCKETS);
            let (first, last) = bounds(bucket, DEPTH_BUCKETS);
            assert!(first <= value && value <= last, "{value} in {first}..={last}");
        }
    }

    #[test]
    fn buckets_leave_no_gap() {
        for bucket in 1..DEPTH_BUCKETS {
            assert_eq!(bounds(bucket - 1, DEPTH_BUCKETS).1 + 1, bounds(bucket, DEPTH_BUCKETS).0);
        }
    }
}
