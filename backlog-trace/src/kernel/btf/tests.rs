//! Lookups in BTF that the tests write: every way in which C can place a member.

use super::builder::Builder;
use super::*;

fn at(offset: u32, size: u32) -> Field {
    Field { offset, size, bits: None }
}

fn bits(offset: u32, size: u32, shift: u8, width: u8) -> Field {
    Field { offset, size, bits: Some(Bits { shift, width }) }
}

#[track_caller]
fn check(btf: &Btf, structure: &str, path: &str, expected: Field) {
    assert_eq!(btf.field(structure, path), Ok(expected), "{structure}.{path}");
}

/// The shape of the kernel's request_sock, sock and queue, in small.
fn sample() -> Btf {
    let mut b = Builder::new();
    let byte = b.int("unsigned char", 1);
    let word = b.int("unsigned int", 4);
    let long = b.int("long long", 8);
    let pointer = b.pointer(0);
    let counter = b.structure("", 4, &[("counter", word, 0, 0)]);
    let atomic = b.plain(8, "atomic_t", counter);
    let volatile = b.plain(9, "", atomic);
    let constant = b.plain(10, "", volatile);
    let tagged = b.plain(18, "rcu", constant);
    let pair = b.structure("", 8, &[("daddr", word, 0, 0), ("saddr", word, 32, 0)]);
    let either = b.union("", 8, &[("both", long, 0, 0), ("", pair, 0, 0)]);
    let half = b.int("u16", 2);
    b.structure(
        "outer",
        64,
        &[
            ("", either, 0, 0),
            ("qlen", tagged, 64, 0),
            ("place", pair, 128, 0),
            ("to", pointer, 192, 0),
            ("state", byte, 256, 0),
        ],
    );
    let words = b.array(word, 3);
    let grid = b.array(words, 2);
    let flexible = b.array(long, 0);
    b.structure("arrays", 32, &[("grid", grid, 0, 0), ("tail", flexible, 192, 0)]);
    // request_sock.num_timeout is bit 1177, 7 wide, in a byte.
    let inner =
        b.structure("", 4, &[("syncookie", byte, 8, 1), ("num_timeout", byte, 9, 7), ("plain", half, 16, 0)]);
    b.structure("flags", 160, &[("", inner, 1168, 0), ("acked", half, 1236, 1), ("wide", word, 1245, 9)]);
    let old = b.old_bitfield(2, 4, 3);
    b.structure("old", 4, &[("three", old, 8, 0)]);
    b.plain(7, "declared_only", 0);
    b.structure("twin", 8, &[("same", word, 32, 0), ("moved", word, 0, 0)]);
    b.structure("twin", 8, &[("same", word, 32, 0), ("moved", byte, 8, 0), ("own", byte, 0, 0)]);
    b.structure("odd", 8, &[("unaligned", word, 3, 0), ("nothing", 0, 32, 0)]);
    b.enumeration("", false, &[("FIRST", 0), ("BIG", u32::MAX), ("CLASH", 1)]);
    b.enumeration("signed", true, &[("MINUS", u32::MAX), ("CLASH", 2)]);
    b.enumeration64(&[("HUGE", 1 << 40), ("MINUS64", u64::MAX), ("FIRST", 0)]);
    b.function("tcp_check_req", pointer, &[("sk", pointer), ("skb", pointer), ("fastopen", byte)]);
    b.function("nothing_in_or_out", 0, &[]);
    b.function("printf_like", word, &[("format", pointer), ("", 0)]);
    b.function("overloaded", 0, &[("a", word)]);
    b.function("overloaded", 0, &[("a", word), ("b", word)]);
    let prototype = b.raw("", 13, false, 3, 0, &[0, 0, 0, pointer, 0, pointer]);
    let probe = b.pointer(prototype);
    b.plain(8, "btf_trace_tcp_retransmit_synack", probe);
    b.plain(8, "btf_trace_no_probe", word);
    Btf::parse(b.finish()).unwrap()
}

#[test]
fn members_are_found_wherever_c_lets_them_be() {
    let btf = sample();
    check(&btf, "outer", "both", at(0, 8));
    check(&btf, "outer", "daddr", at(0, 4));
    check(&btf, "outer", "saddr", at(4, 4));
    check(&btf, "outer", "qlen", at(8, 4));
    check(&btf, "outer", "qlen.counter", at(8, 4));
    check(&btf, "outer", "place", at(16, 8));
    check(&btf, "outer", "place.saddr", at(20, 4));
    check(&btf, "outer", "to", at(24, 8));
    check(&btf, "outer", "state", at(32, 1));
    check(&btf, "arrays", "grid", at(0, 24));
    check(&btf, "arrays", "tail", at(24, 0));
}

#[test]
fn bitfields_are_given_by_byte_shift_and_width() {
    let btf = sample();
    check(&btf, "flags", "num_timeout", bits(147, 1, 1, 7));
    check(&btf, "flags", "syncookie", bits(147, 1, 0, 1));
    check(&btf, "flags", "plain", at(148, 2));
    check(&btf, "flags", "acked", bits(154, 2, 4, 1));
    check(&btf, "flags", "wide", bits(155, 4, 5, 9));
    check(&btf, "old", "three", bits(1, 2, 4, 3));
}

#[track_caller]
fn check_error(structure: &str, path: &str, missing: bool, sentence: &str) {
    let error = sample().field(structure, path).unwrap_err();
    assert_eq!((error.is_missing(), error.to_string().as_str()), (missing, sentence));
}

#[test]
fn what_is_not_there_is_named() {
    check_error("sock", "a.b", true, "the BTF has no struct sock (looked for sock.a.b)");
    check_error(
        "declared_only",
        "a",
        true,
        "the BTF has no struct declared_only (looked for declared_only.a)",
    );
    check_error("outer", "place.x", true, "the BTF has no outer.place.x: no member 'x'");
    check_error("outer", "qle", true, "the BTF has no outer.qle: no member 'qle'");
    check_error("outer", "", true, "the BTF has no outer.: no member ''");
    check_error("outer", "to.inside", true, "the BTF has no outer.to.inside: no member 'inside'");
    check_error("odd", "nothing.x", true, "the BTF has no odd.nothing.x: no member 'x'");
    check_error("odd", "nothing", false, "odd.nothing cannot be used: it is void");
    check_error("odd", "unaligned", false, "odd.unaligned cannot be used: it does not begin at a byte");
}

#[test]
fn definitions_of_one_name_may_differ_only_where_nobody_asks() {
    let btf = sample();
    check(&btf, "twin", "same", at(4, 4));
    check(&btf, "twin", "own", at(0, 1));
    check_error(
        "twin",
        "moved",
        false,
        "the BTF has several definitions of struct twin that disagree on twin.moved",
    );
}

#[test]
fn enumerators_are_found_in_any_enum_and_keep_their_sign() {
    let btf = sample();
    for (name, expected) in [
        ("FIRST", Some(0)),
        ("BIG", Some(i64::from(u32::MAX))),
        ("MINUS", Some(-1)),
        ("HUGE", Some(1 << 40)),
        ("MINUS64", Some(-1)),
        ("CLASH", None),
        ("FIRS", None),
        ("", None),
    ] {
        assert_eq!(btf.enumerator(name), expected, "{name}");
    }
}

#[test]
fn functions_tell_their_parameters() {
    let btf = sample();
    let names = |name: &str| {
        btf.function(name).map(|f| (f.params.into_iter().map(|p| p.name).collect::<Vec<_>>(), f.returns_void))
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names("tcp_check_req"), Some((owned(&["sk", "skb", "fastopen"]), false)));
    assert_eq!(names("nothing_in_or_out"), Some((Vec::new(), true)));
    assert_eq!(names("printf_like"), Some((owned(&["format", ""]), false)));
    assert_eq!(names("overloaded"), None);
    assert_eq!(names("tcp_check"), None);
}

#[test]
fn a_tracepoint_tells_what_a_program_is_given() {
    let btf = sample();
    let count = |name: &str| btf.tracepoint(name).map(|probe| probe.params.len());
    assert_eq!(count("tcp_retransmit_synack"), Some(2));
    assert_eq!(count("no_probe"), None);
    assert_eq!(count("tcp_retransmit"), None);
}

#[test]
fn a_structure_may_have_more_members_than_a_byte_counts() {
    let mut b = Builder::new();
    let word = b.int("unsigned int", 4);
    let names: Vec<_> = (0..300).map(|number| format!("m{number}")).collect();
    let members: Vec<_> =
        names.iter().zip(0..).map(|(name, number)| (name.as_str(), word, number * 32, 0)).collect();
    b.structure("large", 1200, &members);
    let btf = Btf::parse(b.finish()).unwrap();
    check(&btf, "large", "m299", at(1196, 4));
}
