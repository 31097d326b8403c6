//! Where a member is: walks nested, anonymous and qualified types by value.

use super::blob::Btf;
use super::error::BtfError;
use super::record::{Kind, Record};

/// Bytes of a pointer. BTF does not say; BPF's own kernels of interest are 64-bit.
const POINTER: u32 = 8;
/// Deepest nesting of anonymous members and of arrays that is followed.
const DEPTH: u32 = 32;
/// Anonymous structures entered in one search: the kernel's largest need some
/// dozens; without a bound, hostile BTF could ask for 65535^32.
const VISITS: u32 = 4096;

/// Where a member is and how large.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Bytes from the start of the outermost structure to the member or, for a
    /// bitfield, to the byte that holds its lowest bit.
    pub offset: u32,
    /// Bytes of the member's type (of the declared type, for a bitfield).
    pub size: u32,
    /// Present for a bitfield.
    pub bits: Option<Bits>,
}

/// A bitfield within the bytes that begin at its field's offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits {
    /// Lowest bit, 0 to 7.
    pub shift: u8,
    /// Number of bits, at least 1. More than `8 - shift` reach into the next byte.
    pub width: u8,
}

/// A member as found on the way.
#[derive(Clone, Copy)]
struct Member {
    /// Bits from the start of the structure that was searched.
    bit: u64,
    /// Bits of a bitfield, 0 for any other member.
    width: u8,
    type_id: u32,
}

impl Btf {
    /// Where `path` (members separated by dots, such as
    /// `icsk_accept_queue.qlen.counter`) is in struct or union `structure`.
    /// Anonymous structs and unions on the way are not written.
    ///
    /// # Errors
    /// [`BtfError::NoStruct`] and [`BtfError::NoMember`] where this kernel has
    /// no such thing; `Ambiguous` where several definitions disagree on it.
    pub fn field(&self, structure: &str, path: &str) -> Result<Field, BtfError> {
        let mut found = None;
        let mut missing = None;
        for named in &self.structures {
            if !self.is_named(named.name, structure) {
                continue;
            }
            match self.field_of(named.id, structure, path) {
                Ok(field) if found.is_none_or(|other| other == field) => found = Some(field),
                Ok(_) => {
                    return Err(BtfError::Ambiguous { structure: structure.into(), path: path.into() });
                }
                // Another definition of the name may be the one that is meant.
                Err(error) if error.is_missing() => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        found.ok_or_else(|| {
            missing.unwrap_or_else(|| BtfError::NoStruct { structure: structure.into(), path: path.into() })
        })
    }

    /// Bytes of struct or union `structure`, trailing padding included.
    ///
    /// # Errors
    /// [`BtfError::NoStruct`]; `Ambiguous` where several definitions disagree.
    pub fn bytes(&self, structure: &str) -> Result<u32, BtfError> {
        let mut found = None;
        for named in self.structures.iter().filter(|named| self.is_named(named.name, structure)) {
            let size = self.record(named.id)?.size_or_type;
            if found.is_some_and(|other| other != size) {
                return Err(BtfError::Ambiguous { structure: structure.into(), path: String::new() });
            }
            found = Some(size);
        }
        found.ok_or_else(|| BtfError::NoStruct { structure: structure.into(), path: String::new() })
    }

    fn field_of(&self, id: u32, structure: &str, path: &str) -> Result<Field, BtfError> {
        let mut at = Member { bit: 0, width: 0, type_id: id };
        for component in path.split('.') {
            let record = self.record_below(at.type_id)?;
            let member = match record {
                Some(record) => self.member(record, component, DEPTH, &mut { VISITS })?,
                None => None,
            };
            let member = member.ok_or_else(|| BtfError::NoMember {
                structure: structure.into(),
                path: path.into(),
                component: component.into(),
            })?;
            at = Member { bit: at.bit + member.bit, ..member };
        }
        self.place(at).map_err(|why| match why {
            Unplaceable::Damaged(error) => error,
            Unplaceable::Because(why) => {
                BtfError::Unusable { structure: structure.into(), path: path.into(), why: why.into() }
            }
        })
    }

    /// The record below qualifiers; `None` for void.
    fn record_below(&self, id: u32) -> Result<Option<Record<'_>>, BtfError> {
        let id = self.unqualified(id)?;
        if id == 0 { Ok(None) } else { self.record(id).map(Some) }
    }

    /// The member `name` of a structure or of its anonymous members.
    fn member(
        &self,
        record: Record<'_>,
        name: &str,
        depth: u32,
        visits: &mut u32,
    ) -> Result<Option<Member>, BtfError> {
        if !matches!(record.kind, Kind::Struct | Kind::Union) {
            return Ok(None);
        }
        if depth == 0 || *visits == 0 {
            return Err(BtfError::damaged("structures are nested without end"));
        }
        *visits -= 1;
        for [member_name, type_id, place] in record.elements::<3>() {
            let (bit, width) =
                if record.flag { (place & 0x00ff_ffff, place.to_be_bytes()[0]) } else { (place, 0) };
            let member = Member { bit: u64::from(bit), width, type_id };
            if member_name != 0 {
                if self.is_named(member_name, name) {
                    return Ok(Some(member));
                }
            } else if let Some(inner) = self.record_below(type_id)?
                && let Some(found) = self.member(inner, name, depth - 1, visits)?
            {
                return Ok(Some(Member { bit: member.bit + found.bit, ..found }));
            }
        }
        Ok(None)
    }

    fn place(&self, member: Member) -> Result<Field, Unplaceable> {
        let mut bit = member.bit;
        let mut width = member.width;
        let size = self.size_of(member.type_id, DEPTH)?;
        if width == 0 {
            // Before kind_flag, the integer type itself said that it is a bitfield.
            if let Some(record) = self.record_below(member.type_id)?
                && record.kind == Kind::Int
                && let Some([encoding]) = record.elements::<1>().next()
            {
                let [_, offset, _, bits] = encoding.to_be_bytes();
                if u64::from(bits) != u64::from(size) * 8 {
                    bit += u64::from(offset);
                    width = bits;
                }
            }
        }
        let shift = (bit % 8) as u8;
        let offset = u32::try_from(bit / 8).map_err(|_| Unplaceable::Because("it is beyond 4 GiB"))?;
        let bits = match (width, shift) {
            (0, 0) => None,
            (0, _) => return Err(Unplaceable::Because("it does not begin at a byte")),
            (width, shift) => Some(Bits { shift, width }),
        };
        Ok(Field { offset, size, bits })
    }

    /// Bytes of a type: 0 for a flexible array.
    fn size_of(&self, id: u32, depth: u32) -> Result<u32, Unplaceable> {
        let record = self.record_below(id)?.ok_or(Unplaceable::Because("it is void"))?;
        match record.kind {
            Kind::Int | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Float => {
                Ok(record.size_or_type)
            }
            Kind::Ptr => Ok(POINTER),
            Kind::Array => {
                let [element, _, count] = record.elements::<3>().next().unwrap_or_default();
                let depth =
                    depth.checked_sub(1).ok_or(Unplaceable::Because("its arrays are nested without end"))?;
                self.size_of(element, depth)?
                    .checked_mul(count)
                    .ok_or(Unplaceable::Because("it is larger than 4 GiB"))
            }
            _ => Err(Unplaceable::Because("its type has no size")),
        }
    }
}

enum Unplaceable {
    Damaged(BtfError),
    Because(&'static str),
}

impl From<BtfError> for Unplaceable {
    fn from(error: BtfError) -> Self {
        Self::Damaged(error)
    }
}
