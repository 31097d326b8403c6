//! BTF written to hurt: lookups end in an error, soon, and never in a panic.

use proptest::prelude::*;

use super::builder::Builder;
use super::{Btf, BtfError};

/// Asks everything that can be asked, of names that the generators use.
fn ask(btf: &Btf) {
    for path in ["a", "b", "a.b", "a.a.a.a", ""] {
        let _ = btf.field("a", path);
    }
    let _ = btf.enumerator("a");
    let _ = btf.function("a");
    let _ = btf.tracepoint("a");
}

#[track_caller]
fn check_endless(data: Vec<u8>) {
    let error = Btf::parse(data).unwrap().field("a", "b").unwrap_err();
    assert!(matches!(error, BtfError::Damaged(_)), "{error}");
}

#[test]
fn a_structure_inside_itself_ends() {
    let mut builder = Builder::new();
    builder.structure("a", 4, &[("", 1, 0, 0)]);
    check_endless(builder.finish());
}

#[test]
fn a_tree_of_doublings_ends_before_it_is_walked() {
    let mut builder = Builder::new();
    let mut id = builder.structure("", 4, &[]);
    for _ in 0..30 {
        id = builder.structure("", 4, &[("", id, 0, 0), ("", id, 0, 0)]);
    }
    builder.structure("a", 4, &[("", id, 0, 0)]);
    check_endless(builder.finish());
}

#[test]
fn a_typedef_of_itself_ends() {
    let mut builder = Builder::new();
    builder.plain(8, "t", 1);
    builder.structure("a", 4, &[("b", 1, 0, 0)]);
    check_endless(builder.finish());
}

#[test]
fn an_array_of_itself_has_no_size() {
    let mut builder = Builder::new();
    builder.array(1, 2);
    builder.structure("a", 4, &[("b", 1, 0, 0)]);
    let error = Btf::parse(builder.finish()).unwrap().field("a", "b").unwrap_err();
    assert!(matches!(error, BtfError::Unusable { .. }), "{error}");
}

/// Found by [`any_records_are_refused_or_answered`]: its bits do not fit into 32.
#[test]
fn an_integer_of_half_a_gib_is_no_panic() {
    let mut builder = Builder::new();
    let huge = builder.raw("", 1, false, 0, 1 << 29, &[8]);
    builder.structure("a", 4, &[("b", huge, 0, 0)]);
    let field = Btf::parse(builder.finish()).unwrap().field("a", "b").unwrap();
    assert_eq!((field.size, field.bits.map(|bits| bits.width)), (1 << 29, Some(8)));
}

#[test]
fn a_type_that_does_not_exist_is_damage() {
    let mut builder = Builder::new();
    builder.structure("a", 4, &[("b", 4_000_000_000, 0, 0)]);
    check_endless(builder.finish());
}

/// A record whose every part is arbitrary, but whose length is right.
fn record() -> impl Strategy<Value = (u32, bool, Vec<[u32; 3]>, u32)> {
    let id = prop_oneof![3 => 0..12u32, 1 => any::<u32>()];
    let name = prop_oneof![2 => Just(0), 2 => Just(1u32), 1 => Just(3), 1 => any::<u32>()];
    (1..20u32, any::<bool>(), prop::collection::vec((name, id.clone(), any::<u32>()), 0..4), id).prop_map(
        |(kind, flag, body, size)| (kind, flag, body.into_iter().map(<[u32; 3]>::from).collect(), size),
    )
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_answered(data in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(btf) = Btf::parse(data) {
            ask(&btf);
        }
    }

    #[test]
    fn any_records_are_refused_or_answered(records in prop::collection::vec(record(), 1..12), named in any::<u16>()) {
        let mut builder = Builder::new();
        for (at, (kind, flag, elements, size)) in records.into_iter().enumerate() {
            let words: Vec<u32> = elements.concat();
            let (vlen, body) = match kind {
                1 | 14 | 17 => (0, vec![size]),
                3 => (0, vec![size, size, 2]),
                4 | 5 | 15 | 19 => (elements.len(), words),
                6 | 13 => (elements.len(), words[..elements.len() * 2].to_vec()),
                _ => (0, Vec::new()),
            };
            let name = if named >> at & 1 == 1 { "a" } else { "" };
            builder.raw(name, kind, flag, u32::try_from(vlen).unwrap(), size, &body);
        }
        ask(&Btf::parse(builder.finish()).unwrap());
    }

    #[test]
    fn any_cut_or_flip_of_sound_btf_is_refused_or_answered(cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), mask in 1..=255u8) {
        let mut builder = Builder::new();
        let word = builder.int("b", 4);
        let inner = builder.structure("", 8, &[("b", word, 8, 3), ("a", word, 32, 0)]);
        builder.structure("a", 16, &[("", inner, 0, 0), ("a", inner, 64, 0)]);
        builder.enumeration("", true, &[("a", 1)]);
        builder.function("a", 0, &[("b", word)]);
        let data = builder.finish();
        if let Ok(btf) = Btf::parse(&data[..cut.index(data.len())]) {
            ask(&btf);
        }
        let mut flipped = data;
        let at = flip.index(flipped.len());
        flipped[at] ^= mask;
        if let Ok(btf) = Btf::parse(flipped) {
            ask(&btf);
        }
    }
}
