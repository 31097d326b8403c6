//! What the values of the kernel side's read-only globals mean. User space
//! looks them up in the running kernel and fills them in before it loads the
//! programs; it refuses to know which global holds what, which is said where
//! the globals are.

/// The value of a global whose fact this kernel does not have: of
/// `OFF_LISTEN_NODE`, for example, on every kernel after 5.10.
pub const ABSENT: u32 = u32::MAX;

/// Where the machine code of a kernel function lies. Compilers put what they
/// take for unlikely into a part of its own (`tcp_v4_rcv.cold`), far from the
/// rest. A length is 0 where that part, or the function, does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[cfg_attr(feature = "user", derive(zerocopy::IntoBytes, zerocopy::Immutable))]
pub struct Extent {
    /// Address of the function.
    pub start: u64,
    /// Its bytes.
    pub length: u64,
    /// Address of its unlikely part.
    pub cold_start: u64,
    /// That part's bytes.
    pub cold_length: u64,
}

impl Extent {
    /// The extent of a function whose place is not known: it holds no address.
    pub const UNKNOWN: Self = Self { start: 0, length: 0, cold_start: 0, cold_length: 0 };

    /// Whether an instruction at this address belongs to the function.
    #[inline(always)]
    pub const fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.start) < self.length
            || address.wrapping_sub(self.cold_start) < self.cold_length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_function_or_in_its_unlikely_part() {
        let extent = Extent { start: 0x400, length: 0x100, cold_start: 0x100, cold_length: 0x40 };
        let inside = [0x400, 0x4ff, 0x100, 0x13f];
        let outside = [0, 0xff, 0x140, 0x3ff, 0x500, u64::MAX];
        assert!(inside.iter().all(|address| extent.contains(*address)));
        assert!(outside.iter().all(|address| !extent.contains(*address)));
        assert!([0, 0x100, 0x400, u64::MAX].iter().all(|address| !Extent::UNKNOWN.contains(*address)));
    }
}
