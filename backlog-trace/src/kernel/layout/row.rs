//! One row of the table: which global takes which fact.

use crate::kernel::btf::{Bits, Btf, BtfError, Field};

/// What is asked of BTF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// Byte offset of a member whose size must be one of `sizes`.
    Offset {
        /// Struct that the path begins in.
        structure: &'static str,
        /// Members separated by dots.
        path: &'static str,
        /// Sizes in bytes that the kernel side can read.
        sizes: &'static [u32],
    },
    /// Bytes of the same: for members whose size differs between kernels.
    Size {
        /// Struct that the path begins in.
        structure: &'static str,
        /// Members separated by dots.
        path: &'static str,
        /// Sizes in bytes that the kernel side can read.
        sizes: &'static [u32],
    },
    /// Offset of the one byte that holds a bitfield.
    BitByte {
        /// Struct that the path begins in.
        structure: &'static str,
        /// Members separated by dots.
        path: &'static str,
    },
    /// Its lowest bit in that byte, 0 to 7.
    BitShift {
        /// Struct that the path begins in.
        structure: &'static str,
        /// Members separated by dots.
        path: &'static str,
    },
    /// Value of an enumerator.
    Enumerator(&'static str),
    /// Number of parameters of a function.
    Params(&'static str),
    /// The same of a function that returns something; absent where it does not.
    ParamsOfReturning(&'static str),
    /// Bytes of a whole struct.
    Bytes(&'static str),
}

/// Whether the kernel side can do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// It cannot: nothing is attached.
    Required,
    /// It can: the global is set to [`ABSENT`](backlog_trace_common::globals::ABSENT).
    Optional,
}

/// A global of the kernel side, a `u32`, and the fact that it is set to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Name of the global in the eBPF object.
    pub global: &'static str,
    /// What it holds.
    pub fact: Fact,
    /// Whether it must exist.
    pub need: Need,
}

impl Row {
    /// The same, but its absence is no failure.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.need = Need::Optional;
        self
    }

    pub(super) fn resolve(&self, btf: &Btf) -> Result<u32, BtfError> {
        match self.fact {
            Fact::Offset { structure, path, sizes } => {
                plain(btf, structure, path, sizes).map(|field| field.offset)
            }
            Fact::Size { structure, path, sizes } => {
                plain(btf, structure, path, sizes).map(|field| field.size)
            }
            Fact::BitByte { structure, path } => bits(btf, structure, path).map(|(offset, _)| offset),
            Fact::BitShift { structure, path } => {
                bits(btf, structure, path).map(|(_, bits)| u32::from(bits.shift))
            }
            Fact::Enumerator(name) => {
                let value = btf.enumerator(name).and_then(|value| u32::try_from(value).ok());
                value.ok_or_else(|| BtfError::NoEnumerator { name: name.into() })
            }
            Fact::Params(name) => params(btf, name, false),
            Fact::ParamsOfReturning(name) => params(btf, name, true),
            Fact::Bytes(structure) => btf.bytes(structure),
        }
    }
}

fn params(btf: &Btf, name: &str, returning: bool) -> Result<u32, BtfError> {
    let function = btf.function(name).filter(|function| !(returning && function.returns_void));
    let function = function.ok_or_else(|| BtfError::NoFunction { name: name.into() })?;
    // A record holds 16 bits of element count.
    Ok(u32::try_from(function.params.len()).unwrap_or(u32::MAX))
}

fn plain(btf: &Btf, structure: &str, path: &str, sizes: &[u32]) -> Result<Field, BtfError> {
    let field = btf.field(structure, path)?;
    let why = if field.bits.is_some() {
        "it is a bitfield".to_owned()
    } else if !sizes.contains(&field.size) {
        format!("it has {} bytes, expected {sizes:?}", field.size)
    } else {
        return Ok(field);
    };
    Err(BtfError::Unusable { structure: structure.into(), path: path.into(), why })
}

/// A member that is no bitfield but one byte of its own is the same to read.
fn bits(btf: &Btf, structure: &str, path: &str) -> Result<(u32, Bits), BtfError> {
    let field = btf.field(structure, path)?;
    match field.bits {
        Some(bits) if u16::from(bits.shift) + u16::from(bits.width) <= 8 => Ok((field.offset, bits)),
        None if field.size == 1 => Ok((field.offset, Bits { shift: 0, width: 8 })),
        _ => Err(BtfError::Unusable {
            structure: structure.into(),
            path: path.into(),
            why: "it does not fit into one byte".into(),
        }),
    }
}
