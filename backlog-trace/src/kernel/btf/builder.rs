//! Writes BTF for tests, so that expectations come from how it was written.

#![expect(clippy::cast_possible_truncation, reason = "what a test writes is small")]

use std::collections::HashMap;

/// BTF under construction: each method adds one type and returns its id.
#[derive(Default)]
pub(crate) struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
    known: HashMap<String, u32>,
    count: u32,
}

/// A member: name (empty for anonymous), type, bit offset, bits (0 if no bitfield).
pub(crate) type Member<'a> = (&'a str, u32, u32, u32);

impl Builder {
    pub(crate) fn new() -> Self {
        Self { strings: vec![0], ..Self::default() }
    }

    /// The place of a string; each is written once, as the kernel's are.
    pub(crate) fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(at) = self.known.get(text) {
            return *at;
        }
        let at = self.strings.len() as u32;
        self.known.insert(text.to_owned(), at);
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Any record: kind number, kind_flag, number of elements, and the words after the header.
    pub(crate) fn raw(
        &mut self,
        name: &str,
        kind: u32,
        flag: bool,
        vlen: u32,
        size: u32,
        body: &[u32],
    ) -> u32 {
        let name = self.string(name);
        let head = [name, u32::from(flag) << 31 | kind << 24 | vlen, size];
        self.types.extend(head.iter().chain(body).flat_map(|word| word.to_ne_bytes()));
        self.count += 1;
        self.count
    }

    pub(crate) fn int(&mut self, name: &str, bytes: u32) -> u32 {
        self.raw(name, 1, false, 0, bytes, &[bytes * 8])
    }

    /// An integer that is a bitfield by itself, as before kind_flag.
    pub(crate) fn old_bitfield(&mut self, bytes: u32, offset: u32, bits: u32) -> u32 {
        self.raw("", 1, false, 0, bytes, &[offset << 16 | bits])
    }

    pub(crate) fn pointer(&mut self, to: u32) -> u32 {
        self.raw("", 2, false, 0, to, &[])
    }

    pub(crate) fn array(&mut self, of: u32, count: u32) -> u32 {
        self.raw("", 3, false, 0, 0, &[of, of, count])
    }

    /// Kinds 7 to 12, 16 and 18: a header only.
    pub(crate) fn plain(&mut self, kind: u32, name: &str, size_or_type: u32) -> u32 {
        self.raw(name, kind, false, 0, size_or_type, &[])
    }

    pub(crate) fn structure(&mut self, name: &str, bytes: u32, members: &[Member<'_>]) -> u32 {
        self.members(4, name, bytes, members)
    }

    pub(crate) fn union(&mut self, name: &str, bytes: u32, members: &[Member<'_>]) -> u32 {
        self.members(5, name, bytes, members)
    }

    fn members(&mut self, kind: u32, name: &str, bytes: u32, members: &[Member<'_>]) -> u32 {
        let flag = members.iter().any(|(.., bits)| *bits != 0);
        let mut body = Vec::new();
        for (member, type_id, bit, bits) in members {
            body.extend([self.string(member), *type_id, bits << 24 | bit]);
        }
        self.raw(name, kind, flag, members.len() as u32, bytes, &body)
    }

    pub(crate) fn enumeration(&mut self, name: &str, signed: bool, values: &[(&str, u32)]) -> u32 {
        let body: Vec<u32> = values.iter().flat_map(|(text, value)| [self.string(text), *value]).collect();
        self.raw(name, 6, signed, values.len() as u32, 4, &body)
    }

    pub(crate) fn enumeration64(&mut self, values: &[(&str, u64)]) -> u32 {
        let mut body = Vec::new();
        for (text, value) in values {
            body.extend([self.string(text), *value as u32, (value >> 32) as u32]);
        }
        self.raw("", 19, false, values.len() as u32, 8, &body)
    }

    pub(crate) fn function(&mut self, name: &str, returns: u32, params: &[(&str, u32)]) -> u32 {
        let body: Vec<u32> = params.iter().flat_map(|(text, id)| [self.string(text), *id]).collect();
        let prototype = self.raw("", 13, false, params.len() as u32, returns, &body);
        self.raw(name, 12, false, 1, prototype, &[])
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let header = [24, 0, self.types.len() as u32, self.types.len() as u32, self.strings.len() as u32];
        let mut data = 0xeb9f_u16.to_ne_bytes().to_vec();
        data.extend([1, 0]);
        data.extend(header.iter().flat_map(|word| word.to_ne_bytes()));
        data.extend(self.types);
        data.extend(self.strings);
        data
    }
}
