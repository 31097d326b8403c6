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
