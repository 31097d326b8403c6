//! The blob: header, sections, and one pass that finds where each type starts.

use std::io;
use std::ops::Range;

use backlog_trace_model::failure::{Exit, Failure};

use super::error::BtfError;
use super::record::{Kind, Record, word};

/// Where the running kernel publishes its BTF.
pub(crate) const PATH: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
/// Bytes of `struct btf_header` as of version 1; later kernels may append to it.
const HEADER: usize = 24;

/// BTF with the index that its lookups need.
#[derive(Debug)]
pub struct Btf {
    data: Vec<u8>,
    types: Range<usize>,
    strings: Range<usize>,
    /// Byte offset of each record within `types`, by type id less one.
    starts: Vec<u32>,
    /// The named structures and unions that are defined, not only declared.
    pub(super) structures: Vec<Named>,
    /// Ids of every enum.
    pub(super) enums: Vec<u32>,
    /// Every function.
    pub(super) functions: Vec<Named>,
    /// Every typedef: tracepoints are found by theirs.
    pub(super) typedefs: Vec<Named>,
}

/// A type that is looked up by name. The name's place is kept beside the id so
/// that a search touches the strings alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub name: u32,
    pub id: u32,
}

impl Btf {
    /// The running kernel's BTF.
    ///
    /// # Errors
    /// `KernelUnable` where the kernel publishes none or one that cannot be
    /// read, `NotPermitted` where this user may not read it.
    pub fn from_sys_fs() -> backlog_trace_model::failure::Result<Self> {
        let data = std::fs::read(PATH).map_err(|error| unreadable(&error))?;
        Ok(Self::parse(data)?)
    }

    /// Checks every record's bounds and notes where it is.
    ///
    /// # Errors
    /// [`BtfError::Damaged`] for anything that is no complete BTF of version 1.
    pub fn parse(data: impl Into<Vec<u8>>) -> Result<Self, BtfError> {
        let data = data.into();
        let (types, strings) = sections(&data)?;
        let mut btf = Self {
            // A record of a kernel is 40 bytes on average.
            starts: Vec::with_capacity(types.len() / 36),
            structures: Vec::new(),
            enums: Vec::new(),
            functions: Vec::new(),
            typedefs: Vec::new(),
            data,
            types,
            strings,
        };
        btf.index()?;
        Ok(btf)
    }

    fn index(&mut self) -> Result<(), BtfError> {
        let types = self.data.get(self.types.clone()).unwrap_or_default();
        let mut at = 0;
        while let Some(rest) = types.get(at..).filter(|rest| !rest.is_empty()) {
            let record = Record::read(rest)?;
            if record.name as usize >= self.strings.len() {
                return Err(BtfError::damaged("a name is outside the string section"));
            }
            let start = u32::try_from(at).map_err(|_| BtfError::damaged("it is larger than 4 GiB"))?;
            self.starts.push(start);
            let id = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
            match record.kind {
                Kind::Struct | Kind::Union if record.name != 0 => {
                    self.structures.push(Named { name: record.name, id });
                }
                Kind::Enum | Kind::Enum64 => self.enums.push(id),
                Kind::Func => self.functions.push(Named { name: record.name, id }),
                Kind::Typedef => self.typedefs.push(Named { name: record.name, id }),
                _ => {}
            }
            at += record.length();
        }
        Ok(())
    }

    /// The bytes that it was read from.
    pub fn blob(&self) -> &[u8] {
        &self.data
    }

    /// The record of a type id; id 0 is void and has none.
    pub(super) fn record(&self, id: u32) -> Result<Record<'_>, BtfError> {
        (id as usize)
            .checked_sub(1)
            .and_then(|at| self.starts.get(at))
            .and_then(|start| self.data.get(self.types.start + *start as usize..self.types.end))
            .ok_or_else(|| BtfError::damaged(format!("there is no type {id}")))
            .and_then(Record::read)
    }

    /// Whether the string at `offset` is `name`.
    pub(super) fn is_named(&self, offset: u32, name: &str) -> bool {
        self.data
            .get(self.strings.start + offset as usize..self.strings.end)
            .and_then(|from| from.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The string at `offset`; what is not UTF-8 in it is replaced.
    pub(super) fn string(&self, offset: u32) -> String {
        let from = self.data.get(self.strings.start + offset as usize..self.strings.end).unwrap_or_default();
        String::from_utf8_lossy(from.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    }

    /// The first type below typedefs, qualifiers and tags: its id (0 for void).
    pub(super) fn unqualified(&self, mut id: u32) -> Result<u32, BtfError> {
        // The kernel refuses longer chains itself (MAX_RESOLVE_DEPTH 32).
        for _ in 0..32 {
            if id == 0 {
                return Ok(0);
            }
            let record = self.record(id)?;
            match record.kind {
                Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                    id = record.size_or_type;
                }
                _ => return Ok(id),
            }
        }
        Err(BtfError::damaged(format!("the qualifiers of type {id} never end")))
    }
}

/// Checks the header and returns where the types and the strings are.
fn sections(data: &[u8]) -> Result<(Range<usize>, Range<usize>), BtfError> {
    let magic = data.first_chunk().copied().map(u16::from_ne_bytes);
    if magic == Some(MAGIC.swap_bytes()) {
        return Err(BtfError::damaged("it is of the other byte order"));
    }
    if magic != Some(MAGIC) {
        return Err(BtfError::damaged("it does not begin with BTF's magic number"));
    }
    if data.get(2) != Some(&VERSION) {
        return Err(BtfError::damaged("its version is not 1"));
    }
    let field = |at| {
        word(data, at).map(|value| value as usize).ok_or_else(|| BtfError::damaged("its header is cut off"))
    };
    let header = field(4)?;
    if header < HEADER {
        return Err(BtfError::damaged("its header is too short"));
    }
    let types = section(data, header, field(8)?, field(12)?)?;
    let strings = section(data, header, field(16)?, field(20)?)?;
    let text = data.get(strings.clone()).unwrap_or_default();
    if text.first() != Some(&0) || text.last() != Some(&0) {
        return Err(BtfError::damaged("its string section is not enclosed in NULs"));
    }
    Ok((types, strings))
}

fn section(data: &[u8], header: usize, offset: usize, length: usize) -> Result<Range<usize>, BtfError> {
    let range = header
        .checked_add(offset)
        .and_then(|start| Some(start..start.checked_add(length)?))
        .filter(|range| range.end <= data.len());
    range.ok_or_else(|| BtfError::damaged("a section reaches beyond its end"))
}

/// What to read where the kernel publishes no BTF.
pub(crate) fn absent() -> Failure {
    let what = format!("this kernel does not publish its types: there is no {PATH}");
    Failure::new(Exit::KernelUnable, what).advise(
        "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every current distribution's is), with sysfs mounted on /sys",
    )
}

fn unreadable(error: &io::Error) -> Failure {
    let what = format!("{PATH} cannot be read: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => absent(),
        io::ErrorKind::PermissionDenied => Failure::new(Exit::NotPermitted, what).advise("run it as root"),
        _ => Failure::new(Exit::KernelUnable, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::btf::builder::Builder;

    #[track_caller]
    fn check_damaged(data: Vec<u8>, because: &str) {
        match Btf::parse(data) {
            Err(BtfError::Damaged(why)) => assert!(why.contains(because), "{why}"),
            other => panic!("expected damage, got {other:?}"),
        }
    }

    fn sound() -> Vec<u8> {
        let mut builder = Builder::new();
        builder.int("int", 4);
        builder.finish()
    }

    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut data = sound();
        data[at..at + bytes.len()].copy_from_slice(bytes);
        data
    }

    #[test]
    fn each_way_in_which_a_header_can_lie_is_named() {
        assert_eq!(Btf::parse(sound()).unwrap().starts.len(), 1);
        check_damaged(Vec::new(), "magic number");
        check_damaged(with(0, &MAGIC.swap_bytes().to_ne_bytes()), "byte order");
        check_damaged(with(0, b"\x7fE"), "magic number");
        check_damaged(with(2, &[2]), "version");
        check_damaged(sound()[..10].to_vec(), "header is cut off");
        check_damaged(with(4, &23u32.to_ne_bytes()), "too short");
        check_damaged(with(8, &u32::MAX.to_ne_bytes()), "beyond its end");
        check_damaged(with(12, &u32::MAX.to_ne_bytes()), "beyond its end");
        check_damaged(with(20, &u32::MAX.to_ne_bytes()), "beyond its end");
        check_damaged(with(12, &15u32.to_ne_bytes()), "cut off");
        check_damaged(with(20, &0u32.to_ne_bytes()), "NULs");
        check_damaged(with(HEADER, &1000u32.to_ne_bytes()), "outside the string section");
        check_damaged(with(HEADER + 4, &(20u32 << 24).to_ne_bytes()), "kind 20");
        check_damaged(with(HEADER + 4, &0u32.to_ne_bytes()), "kind 0");
    }

    #[test]
    fn a_longer_header_of_a_later_kernel_is_skipped() {
        let mut data = sound();
        data[4..8].copy_from_slice(&32u32.to_ne_bytes());
        data.splice(HEADER..HEADER, [0; 8]);
        assert_eq!(Btf::parse(data).unwrap().starts.len(), 1);
    }
}
