//! Layout of a recording: version, file header, frame header, limits.
//!
//! A recording is one [`FileHeader`] and then frames, each a [`FrameHeader`]
//! and its payload. All integers are little-endian on every host. This module
//! does no I/O and knows no payload.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use serde::{Serialize, Serializer};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Details are stored as the kernel side wrote them, and it is built for
/// little-endian machines only (`bpfel`). A port to a big-endian host has to
/// swap them in `payload`, not here.
const _: () = assert!(cfg!(target_endian = "little"), "recordings hold little-endian records");

/// First bytes of every recording. The byte above 0x7f, the line ends and the
/// 0x1a show a transfer that changed line ends or stripped a bit.
pub const FILE_MAGIC: [u8; 8] = [0x89, b'B', b'L', b'T', b'R', b'\r', b'\n', 0x1a];

/// First bytes of every frame; the last byte is the major version, so that a
/// frame is never read by the rules of another one.
pub const FRAME_MAGIC: [u8; 4] = [0xf7, b'b', b't', 1];

/// Major and minor version of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// Changes when an old reader would misread: it must refuse.
    pub major: u16,
    /// Changes when something is added that an old reader can skip.
    pub minor: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// In JSON as in text.
impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The version this tool writes; it reads every minor of the same major.
///
/// # Changelog
/// - **1.0**: the first one. Before it was released, what was recorded before a
///   change of it is not read.
///
/// # What changes which number
/// - Minor: a new frame kind, a new codec, a new field of a JSON payload that
///   readers may do without (`#[serde(default)]`), a new reason or counter, a new
///   field at the end of a detail's record, more buckets of a histogram.
/// - Major: anything else, such as the layout of a header, a number or a name
///   that gets another meaning. The last byte of [`FRAME_MAGIC`] changes with it.
pub const VERSION: Version = Version { major: 1, minor: 0 };

const _: () = assert!(FRAME_MAGIC[3] as u16 == VERSION.major);

/// Most bytes of a payload, stored or decoded. Checked before anything is
/// allocated. A full batch of details takes 256 KiB.
pub const MAX_PAYLOAD: u32 = 16 << 20;

/// The number of a recording, in the header of the file and of each frame:
/// drawn when it is begun, so that frames of two recordings are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordingId(pub u64);

impl RecordingId {
    /// A new one. It guards against accidents: that nobody can guess it is not needed.
    pub fn draw() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

/// First 32 bytes of a recording.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FileHeader {
    /// [`FILE_MAGIC`].
    pub magic: [u8; 8],
    /// [`Version::major`].
    pub major: U16,
    /// [`Version::minor`].
    pub minor: U16,
    /// None is defined yet: written as 0, ignored when read.
    pub flags: U32,
    /// [`RecordingId`].
    pub recording: U64,
    /// Written as 0, ignored when read.
    pub reserved: [u8; 4],
    /// CRC-32 (IEEE) of the bytes before it.
    pub crc: U32,
}

const _: () = assert!(size_of::<FileHeader>() == FILE_HEADER);

/// Size of a [`FileHeader`].
pub const FILE_HEADER: usize = 32;

/// What the first bytes of a file are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// A whole header.
    Whole(Version, RecordingId),
    /// It starts like a recording, and its header is damaged.
    Damaged,
    /// It does not start like a recording.
    Foreign,
}

impl FileHeader {
    /// The header of a recording in `version`.
    pub fn new(version: Version, recording: RecordingId) -> Self {
        let mut header = Self {
            magic: FILE_MAGIC,
            major: U16::new(version.major),
            minor: U16::new(version.minor),
            flags: U32::ZERO,
            recording: U64::new(recording.0),
            reserved: [0; 4],
            crc: U32::ZERO,
        };
        header.crc = U32::new(checksum_but_last(header.as_bytes()));
        header
    }

    /// Judges the header.
    pub fn opening(&self) -> Opening {
        if self.crc.get() == checksum_but_last(self.as_bytes()) && self.magic == FILE_MAGIC {
            let version = Version { major: self.major.get(), minor: self.minor.get() };
            Opening::Whole(version, RecordingId(self.recording.get()))
        } else if self.magic == FILE_MAGIC {
            Opening::Damaged
        } else {
            Opening::Foreign
        }
    }
}

/// What a frame holds. Numbers are part of the format: add, never renumber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// JSON: who observes what; first, and written twice so that one flipped
    /// bit does not make the rest uninterpretable.
    Session = 1,
    /// JSON: a listener, new or changed.
    Listener = 2,
    /// JSON: the counts plane at one instant, or a part of it.
    Snapshot = 3,
    /// Array of 64-byte details.
    Details = 4,
    /// JSON: how much was written. Nothing follows.
    End = 5,
    /// JSON: what became of each source of figures, where that changed.
    Sources = 6,
}

impl Kind {
    /// The kind of a number found in a frame.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Session),
            2 => Some(Self::Listener),
            3 => Some(Self::Snapshot),
            4 => Some(Self::Details),
            5 => Some(Self::End),
            6 => Some(Self::Sources),
            _ => None,
        }
    }
}

/// How a payload is stored. Numbers are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Raw = 0,
    /// One LZ4 block without a size in front.
    Lz4 = 1,
}

impl Codec {
    /// The codec of a number found in a frame.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Lz4),
            _ => None,
        }
    }
}

/// First 40 bytes of a frame.
///
/// The header has a checksum of its own: only then can a reader trust the
/// length of a frame whose payload is damaged, skip exactly that frame, say
/// what kind it was, and be done in time linear in the size of the file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FrameHeader {
    /// [`FRAME_MAGIC`].
    pub magic: [u8; 4],
    /// A [`Kind`], or one of a newer minor version.
    pub kind: u8,
    /// A [`Codec`], or one of a newer minor version.
    pub codec: u8,
    /// Written as 0, ignored when read.
    pub reserved: [u8; 2],
    /// [`RecordingId`].
    pub recording: U64,
    /// Number of the frame in the recording, from 0: a gap tells how many
    /// frames are lost, a step back that bytes were duplicated.
    pub sequence: U64,
    /// Bytes of the stored payload, at most [`MAX_PAYLOAD`].
    pub length: U32,
    /// Bytes of the payload once decoded: see [`may_decode_to`](super::limits::may_decode_to).
    pub decoded: U32,
    /// CRC-32 (IEEE) of the stored payload.
    pub payload_crc: U32,
    /// CRC-32 (IEEE) of the bytes before it, hence of `payload_crc` too.
    pub header_crc: U32,
}

const _: () = assert!(size_of::<FrameHeader>() == FRAME_HEADER);

/// Size of a [`FrameHeader`].
pub const FRAME_HEADER: usize = 40;

impl FrameHeader {
    /// The same with its own checksum.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.header_crc = U32::new(checksum_but_last(self.as_bytes()));
        self
    }

    /// The header at the start of `bytes`, if there is a whole and sound one
    /// whose lengths are within bounds.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, _) = Self::read_from_prefix(bytes).ok()?;
        let sound = header.magic == FRAME_MAGIC
            && header.header_crc.get() == checksum_but_last(header.as_bytes())
            && header.length.get() <= MAX_PAYLOAD
            && header.decoded.get() <= MAX_PAYLOAD;
        sound.then_some(header)
    }
}

/// CRC-32 of all but the last four bytes, where headers keep it.
fn checksum_but_last(header: &[u8]) -> u32 {
    header.split_last_chunk::<4>().map_or(0, |(covered, _)| crc32fast::hash(covered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_header_is_these_bytes() {
        let bytes = FileHeader::new(Version { major: 0x0102, minor: 0x0304 }, RecordingId(0x0506));
        assert_eq!(
            &bytes.as_bytes()[..20],
            b"\x89BLTR\r\n\x1a\x02\x01\x04\x03\0\0\0\0\x06\x05\0\0",
            "little-endian on every host"
        );
    }

    #[test]
    fn any_flipped_bit_of_the_file_header_shows() {
        let whole = FileHeader::new(VERSION, RecordingId(7));
        assert_eq!(whole.opening(), Opening::Whole(VERSION, RecordingId(7)));
        for at in 0..FILE_HEADER * 8 {
            let mut bytes = <[u8; FILE_HEADER]>::try_from(whole.as_bytes()).unwrap();
            bytes[at / 8] ^= 1 << (at % 8);
            let expected = if at / 8 < 8 { Opening::Foreign } else { Opening::Damaged };
            assert_eq!(FileHeader::read_from_bytes(&bytes).unwrap().opening(), expected);
        }
    }

    #[track_caller]
    fn check_frame(change: impl Fn(&mut FrameHeader), sound: bool) {
        let mut header = FrameHeader {
            magic: FRAME_MAGIC,
            kind: 4,
            codec: 0,
            reserved: [0; 2],
            recording: U64::new(9),
            sequence: U64::new(7),
            length: U32::new(64),
            decoded: U32::new(64),
            payload_crc: U32::ZERO,
            header_crc: U32::ZERO,
        };
        change(&mut header);
        assert_eq!(FrameHeader::parse(header.sealed().as_bytes()).is_some(), sound);
    }

    #[test]
    fn lengths_are_bounded_even_under_a_correct_checksum() {
        check_frame(|_| (), true);
        check_frame(|h| h.kind = 200, true);
        check_frame(|h| h.length = U32::new(MAX_PAYLOAD), true);
        check_frame(|h| h.length = U32::new(MAX_PAYLOAD + 1), false);
        check_frame(|h| h.decoded = U32::new(MAX_PAYLOAD + 1), false);
        check_frame(|h| h.length = U32::MAX_VALUE, false);
        check_frame(|h| h.magic[3] = 2, false);
    }

    #[test]
    fn numbers_come_back() {
        for number in 0..=u8::MAX {
            assert!(Kind::from_number(number).is_none_or(|kind| kind as u8 == number));
            assert!(Codec::from_number(number).is_none_or(|codec| codec as u8 == number));
        }
    }
}
