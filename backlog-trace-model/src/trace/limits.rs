//! How much a recording may hold: each bound is far above what a host has and
//! low enough that a hostile file costs memory and time by its own size.
//!
//! Writers keep to them, readers refuse what does not. This module knows
//! neither files nor events.

use super::format::{Codec, Kind, MAX_PAYLOAD};

/// Keys of one listener: the kernel side knows it by one, or by two where it
/// was met before its cookie was made.
pub const MOST_KEYS: usize = 16;

/// Processes that hold one socket. Of more, the first are written.
pub const MOST_OWNERS: usize = 4096;

/// Bytes of a process name. The kernel keeps 15 (`TASK_COMM_LEN`), each of
/// which is up to three where it is no UTF-8.
pub const MOST_COMM: usize = 128;

/// Bytes of any other name: a cgroup's path has up to 4096 (`PATH_MAX`), three
/// times as many where it is no UTF-8.
pub const MOST_NAME: usize = 16 << 10;

/// Hooks and sources of one session.
pub const MOST_STATES: usize = 64;

/// Listeners that are open at one time. The kernel side's tables have room for
/// fewer.
pub const MOST_LISTENERS: usize = 1 << 20;

/// Listeners that are counted, and that no frame introduces: those whose
/// frames are damaged.
pub const MOST_UNNAMED: usize = 8192;

/// Network namespaces, by inode number: the kernel gives one that is free
/// again to the next namespace.
pub const MOST_NAMESPACES: usize = 16_384;

/// Bytes that are decoded from however few.
const SMALL: u32 = 8 << 10;

/// To how many bytes a payload may decode, of which `stored` are in the file.
///
/// One byte of an LZ4 block stands for at most 255. Counts are mostly zeros and
/// come close to it; names and details never come near 32. What they decode to
/// is kept or printed, so that more is refused: writers store it raw.
pub const fn may_decode_to(kind: Option<Kind>, codec: Codec, stored: u32) -> u32 {
    let most = match kind {
        Some(Kind::Session | Kind::Sources) => 64 << 10,
        Some(Kind::Listener) => 1 << 20,
        Some(Kind::Details | Kind::Snapshot | Kind::End) | None => MAX_PAYLOAD,
    };
    let by_codec = match (codec, kind) {
        (Codec::Raw, _) => stored,
        (Codec::Lz4, Some(Kind::Snapshot)) => stored.saturating_mul(255),
        (Codec::Lz4, _) => {
            let lz4 = stored.saturating_mul(255);
            let believed = stored.saturating_mul(32);
            let believed = if believed > SMALL { believed } else { SMALL };
            if lz4 < believed { lz4 } else { believed }
        }
    };
    if by_codec < most { by_codec } else { most }
}
