//! What is said of each answer of the kernel.

use super::*;
use crate::kernel::release::Release;
use crate::probe::needs::Needs;

fn root() -> Facts {
    Facts {
        release: Release::parse("6.1.0").unwrap(),
        capabilities: CapabilitySet::all(),
        user_namespace: false,
        btf: true,
        lockdown: Lockdown::Off,
        unprivileged_bpf: None,
    }
}

const FUNCTION: Part = Part {
    program: "ack",
    kind: Kind::Fexit,
    target: "tcp_check_req",
    optional: false,
    needs: Needs::NOTHING,
};
const TRACEPOINT: Part = Part {
    program: "synack",
    kind: Kind::TpBtf,
    target: "tcp_retransmit_synack",
    optional: false,
    needs: Needs::NOTHING,
};

const PROBED: Part = Part {
    program: "syn_v4_in",
    kind: Kind::Kprobe,
    target: "tcp_v4_conn_request",
    optional: false,
    needs: Needs::NOTHING,
};

#[track_caller]
fn check(explained: &Explained, outcome: Outcome, words: &[&str]) {
    assert_eq!(explained.outcome, outcome, "{explained:?}");
    for word in words {
        assert!(explained.why.contains(word), "{word}: {explained:?}");
    }
    assert_eq!(explained.advice.is_none(), outcome == Outcome::Absent, "{explained:?}");
}

fn errno(errno: Errno) -> Answer {
    Answer::Errno(errno, String::new())
}

#[test]
fn what_leaves_no_room_or_forbids_the_call_is_named_with_what_to_do() {
    for (answer, word, advice) in [
        (errno(Errno::MFILE), "(ulimit -n)", "ulimit -Hn"),
        (errno(Errno::NOMEM), "no memory", "memory.max"),
        (errno(Errno::NOSYS), "bpf()", "seccomp"),
        (Answer::Probing(Errno::NOSYS), "perf_event_open()", "seccomp"),
    ] {
        for explained in [of_part(&PROBED, &answer, &root()), of_preparation("eBPF maps", &answer, &root())] {
            check(&explained, Outcome::Refused, &[word]);
            let advised = explained.advice.unwrap();
            assert!(advised.contains(advice) && !advised.contains("report"), "{advised}");
        }
    }
    assert_eq!(failed("eBPF maps", &errno(Errno::MFILE), &root()).exit, Exit::NoRoom);
    assert_eq!(failed("eBPF maps", &errno(Errno::NOSYS), &root()).exit, Exit::KernelUnable);
}

#[test]
fn what_the_kernel_lacks_is_absent() {
    for answer in [Answer::NoTarget, errno(Errno::NOENT)] {
        check(&of_part(&FUNCTION, &answer, &root()), Outcome::Absent, &["no function tcp_check_req"]);
        let explained = of_part(&TRACEPOINT, &answer, &root());
        check(&explained, Outcome::Absent, &["no tracepoint tcp_retransmit_synack"]);
    }
}

#[test]
fn eperm_is_read_by_who_asks() {
    let refused = |facts: Facts| of_part(&FUNCTION, &errno(Errno::PERM), &facts);
    check(&refused(root()), Outcome::Refused, &["fentry trampolines (EPERM)", "hardened kernel"]);
    let without = Facts { capabilities: CapabilitySet::empty(), ..root() };
    check(&refused(without), Outcome::Refused, &["CAP_BPF", "CAP_PERFMON"]);
    let locked = Facts { lockdown: Lockdown::Confidentiality, ..root() };
    check(&refused(locked), Outcome::Refused, &["locked down"]);
    let explained = of_preparation("maps", &errno(Errno::PERM), &root());
    check(&explained, Outcome::Refused, &["maps (EPERM)"]);
    assert!(explained.advice.is_some_and(|advice| advice.contains("seccomp")));
}

#[test]
fn the_verifier_has_the_last_word_before_its_statistics() {
    let log = "0: (79) r6 = *(u64 *)(r1 +0)\nfunc 'tcp_check_req' doesn't have 9-th argument\nverification time 60 usec\nstack depth 0\nprocessed 1 insns (limit 1000000)\n\n";
    for number in [Errno::ACCESS, Errno::PERM, Errno::INVAL] {
        let answer = Answer::Errno(number, log.to_owned());
        let words = ["tcp_check_req: the verifier rejects", "doesn't have 9-th argument ("];
        check(&of_part(&FUNCTION, &answer, &root()), Outcome::Refused, &words);
    }
    // The second form is that of 7.2.
    for statistics in ["processed 0 insns\n", "insns processed 21\n"] {
        let statistics = Answer::Errno(Errno::PERM, statistics.to_owned());
        let explained = of_part(&FUNCTION, &statistics, &root());
        check(&explained, Outcome::Refused, &["fentry trampolines (EPERM)"]);
    }
}

#[test]
fn why_a_function_is_not_probed() {
    let on = |answer: &Answer, facts: &Facts| of_part(&PROBED, answer, facts);
    let probing = |errno| on(&Answer::Probing(errno), &root());
    check(&on(&Answer::NoKprobes, &root()), Outcome::Refused, &["built without kprobes"]);
    check(&probing(Errno::NOENT), Outcome::Absent, &["no function tcp_v4_conn_request"]);
    let both = CapabilitySet::BPF | CapabilitySet::PERFMON;
    let split = Facts { capabilities: both, ..root() };
    let explained = on(&Answer::Probing(Errno::ACCESS), &split);
    check(&explained, Outcome::Refused, &["kprobes", "without CAP_SYS_ADMIN"]);
    check(&probing(Errno::INVAL), Outcome::Absent, &["no probe on function tcp_v4_conn_request"]);
    check(&probing(Errno::ADDRNOTAVAIL), Outcome::Absent, &["more than one function"]);
    check(&probing(Errno::PERM), Outcome::Refused, &["kprobes (EPERM)", "hardened kernel"]);
    check(&probing(Errno::BUSY), Outcome::Refused, &["tcp_v4_conn_request"]);
    let without = Facts { capabilities: CapabilitySet::empty(), ..root() };
    check(&on(&Answer::Probing(Errno::ACCESS), &without), Outcome::Refused, &["CAP_PERFMON"]);
    let locked = Facts { lockdown: Lockdown::Confidentiality, ..root() };
    check(&on(&Answer::Probing(Errno::PERM), &locked), Outcome::Refused, &["locked down"]);
}

#[test]
fn what_a_program_needs_and_does_not_find() {
    let on = |lack| of_part(&TRACEPOINT, &Answer::Lacking(lack), &root());
    let saying = "where a packet is freed";
    check(&on(Lack::Argument(saying)), Outcome::Absent, &["tcp_retransmit_synack", "does not say where"]);
    check(&on(Lack::Place("tcp_v4_rcv")), Outcome::Refused, &["/proc/kallsyms", "tcp_v4_rcv"]);
    check(&on(Lack::Fact("OFF_DEV_NET")), Outcome::Refused, &["no OFF_DEV_NET"]);
}

#[test]
fn a_helper_that_lockdown_takes_away() {
    for log in [
        "0: (85) call bpf_probe_read#4\nunknown func bpf_probe_read#4\nprocessed 1 insns",
        "program of this type cannot use helper bpf_probe_read#4\n",
    ] {
        let answer = Answer::Errno(Errno::INVAL, log.to_owned());
        let locked = Facts { lockdown: Lockdown::Confidentiality, ..root() };
        check(&of_preparation("it", &answer, &locked), Outcome::Refused, &["locked down"]);
        check(&of_part(&FUNCTION, &answer, &locked), Outcome::Refused, &["locked down"]);
        // Otherwise it is what it says.
        check(&of_preparation("it", &answer, &root()), Outcome::Refused, &["bpf_probe_read"]);
    }
}

#[test]
fn the_other_answers() {
    let unsupported = errno(Errno::from_raw_os_error(524));
    check(&of_part(&FUNCTION, &unsupported, &root()), Outcome::Refused, &["built without fentry"]);
    check(&of_part(&TRACEPOINT, &errno(Errno::OPNOTSUPP), &root()), Outcome::Refused, &["tracepoints"]);
    check(&of_part(&FUNCTION, &errno(Errno::BUSY), &root()), Outcome::Refused, &["tcp_check_req"]);
    check(&of_part(&FUNCTION, &Answer::Other("odd".to_owned()), &root()), Outcome::Refused, &["odd"]);
    check(&of_preparation("maps", &errno(Errno::NOMEM), &root()), Outcome::Refused, &["memory for maps"]);
}

#[test]
fn an_errno_is_found_among_the_causes() {
    let error = aya::maps::MapError::CreateError {
        name: "COUNTS".to_owned(),
        io_error: io::Error::from_raw_os_error(Errno::NOMEM.raw_os_error()),
    };
    let error = aya::EbpfError::MapError(error);
    assert_eq!(Answer::of(&error, String::new()), errno(Errno::NOMEM));
    assert_eq!(
        Answer::of(&aya::EbpfError::NoBTF, String::new()),
        Answer::Other("no BTF parsed for object".to_owned())
    );
}
