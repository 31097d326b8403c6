//! One type record: its header and the length of what follows it.

use super::error::BtfError;

/// `enum { BTF_KIND_… }` of `include/uapi/linux/btf.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
}

const KINDS: [Kind; 19] = [
    Kind::Int,
    Kind::Ptr,
    Kind::Array,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Fwd,
    Kind::Typedef,
    Kind::Volatile,
    Kind::Const,
    Kind::Restrict,
    Kind::Func,
    Kind::FuncProto,
    Kind::Var,
    Kind::Datasec,
    Kind::Float,
    Kind::DeclTag,
    Kind::TypeTag,
    Kind::Enum64,
];

/// Bytes of `struct btf_type`.
pub(super) const HEAD: usize = 12;

/// `struct btf_type` with the bytes of its elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// Offset into the string section; 0 is "no name".
    pub name: u32,
    pub kind: Kind,
    /// `kind_flag`: bitfield sizes in members, signedness in enums.
    pub flag: bool,
    /// `size` or `type`, by kind.
    pub size_or_type: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the start of `bytes`, which end where the types end.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let (Some(name), Some(info), Some(size_or_type)) = (word(bytes, 0), word(bytes, 4), word(bytes, 8))
        else {
            return Err(BtfError::damaged("a type record is cut off"));
        };
        let number = info >> 24 & 0x1f;
        let kind = (number as usize)
            .checked_sub(1)
            .and_then(|at| KINDS.get(at).copied())
            .ok_or_else(|| BtfError::damaged(format!("type kind {number} is unknown")))?;
        let length = body_length(kind, (info & 0xffff) as usize);
        let body = bytes
            .get(HEAD..HEAD + length)
            .ok_or_else(|| BtfError::damaged(format!("a type record of kind {number} is cut off")))?;
        Ok(Self { name, kind, flag: info >> 31 == 1, size_or_type, body })
    }

    /// Bytes of header and body.
    pub(super) fn length(&self) -> usize {
        HEAD + self.body.len()
    }

    /// The elements (members, enumerators, parameters) as arrays of words.
    pub(super) fn elements<const WORDS: usize>(&self) -> impl Iterator<Item = [u32; WORDS]> + use<'a, WORDS> {
        self.body.chunks_exact(WORDS * 4).map(|element| {
            let mut words = [0; WORDS];
            for (slot, bytes) in words.iter_mut().zip(element.as_chunks::<4>().0) {
                *slot = u32::from_ne_bytes(*bytes);
            }
            words
        })
    }
}

/// Bytes between the header and the next record, from `btf.rst` section 2.2.
fn body_length(kind: Kind, vlen: usize) -> usize {
    match kind {
        Kind::Int | Kind::Var | Kind::DeclTag => 4,
        Kind::Array => 12,
        Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => vlen * 12,
        Kind::Enum | Kind::FuncProto => vlen * 8,
        Kind::Ptr
        | Kind::Fwd
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::Float
        | Kind::TypeTag => 0,
    }
}

/// The word at byte `at`. BTF is written in the byte order of its kernel.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().copied().map(u32::from_ne_bytes)
}
