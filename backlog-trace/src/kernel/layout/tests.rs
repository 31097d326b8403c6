//! The resolver on small written BTF.

use super::*;
use crate::kernel::btf::builder::Builder;

#[test]
fn all_missing_required_facts_are_named_at_once_and_optional_ones_are_absent() {
    let mut builder = Builder::new();
    let word = builder.int("unsigned int", 4);
    builder.structure("sock", 8, &[("sk_ack_backlog", word, 32, 0)]);
    let btf = Btf::parse(builder.finish()).unwrap();
    let failure = Layout::resolve(&btf).unwrap_err();
    assert_eq!(failure.exit, Exit::KernelUnable);
    for named in ["sock.sk_max_ack_backlog", "net.mib.net_statistics", "LINUX_MIB_LISTENDROPS"] {
        assert!(failure.what.contains(named), "{named} in {}", failure.what);
    }
    for unnamed in ["sk_ino", "tcp_check_req", "sk_ack_backlog:"] {
        assert!(!failure.what.contains(unnamed), "{unnamed} in {}", failure.what);
    }
}

fn sample() -> Btf {
    let mut builder = Builder::new();
    let byte = builder.int("unsigned char", 1);
    let word = builder.int("unsigned int", 4);
    let members = [("four", word, 0, 0), ("flag", byte, 37, 3), ("wide", word, 45, 9), ("own", byte, 56, 0)];
    builder.structure("s", 8, &members);
    builder.enumeration("", true, &[("TWO", 2), ("MINUS", u32::MAX)]);
    builder.function("f", 0, &[("a", word), ("b", word)]);
    Btf::parse(builder.finish()).unwrap()
}

/// A value, a word of the failure, or nothing for a fact that is merely missing.
#[track_caller]
fn check(fact: Fact, expected: std::result::Result<u32, &str>) {
    let row = Row { global: "G", fact, need: Need::Optional };
    match (Layout::resolve_rows(&sample(), &[row]), expected) {
        (Ok(layout), Ok(value)) => {
            assert_eq!(layout.globals().collect::<Vec<_>>(), [("G", value)]);
            assert_eq!(layout.get("G"), Some(value).filter(|value| *value != ABSENT));
            assert_eq!(layout.get("H"), None);
        }
        (Err(failure), Err(why)) => assert!(failure.what.contains(why), "{failure}"),
        (got, expected) => panic!("{got:?} instead of {expected:?}"),
    }
}

#[test]
fn each_kind_of_fact_is_resolved_or_refused() {
    let structure = "s";
    let offset = |path, sizes| Fact::Offset { structure, path, sizes };
    check(offset("four", &[4]), Ok(0));
    check(offset("own", &[1, 4]), Ok(7));
    check(offset("four", &[8]), Err("it has 4 bytes, expected [8]"));
    check(offset("flag", &[1]), Err("it is a bitfield"));
    check(offset("absent", &[1]), Ok(ABSENT));
    check(Fact::Size { structure, path: "four", sizes: &[1, 4] }, Ok(4));
    check(Fact::Size { structure, path: "four", sizes: &[1, 2] }, Err("it has 4 bytes"));
    check(Fact::BitByte { structure, path: "flag" }, Ok(4));
    check(Fact::BitShift { structure, path: "flag" }, Ok(5));
    check(Fact::BitByte { structure, path: "own" }, Ok(7));
    check(Fact::BitByte { structure, path: "wide" }, Err("does not fit into one byte"));
    check(Fact::BitByte { structure, path: "four" }, Err("does not fit into one byte"));
    check(Fact::Enumerator("TWO"), Ok(2));
    check(Fact::Enumerator("MINUS"), Ok(ABSENT));
    check(Fact::Params("f"), Ok(2));
    check(Fact::Params("g"), Ok(ABSENT));
}

#[test]
fn no_global_is_set_twice() {
    let mut names: Vec<_> = table::TABLE.iter().map(|row| row.global).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}
