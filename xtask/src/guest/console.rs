//! What a guest's console and its output channel say about its end.

/// Signs that the kernel itself is in trouble, and what they mean.
const TROUBLE: [(&str, &str); 6] = [
    ("Kernel panic - not syncing", "the guest's kernel panicked"),
    ("detected stalls on CPUs", "a CPU of the guest stalled (RCU)"),
    ("self-detected stall on CPU", "a CPU of the guest stalled (RCU)"),
    ("watchdog: BUG: soft lockup", "a CPU of the guest locked up"),
    ("BUG: unable to handle", "the guest's kernel followed a bad pointer"),
    ("BUG: kernel NULL pointer", "the guest's kernel followed a null pointer"),
];

/// What went wrong in the guest's kernel, if anything did.
pub(super) fn trouble(console: &str) -> Option<&'static str> {
    TROUBLE.iter().find(|(sign, _)| console.contains(sign)).map(|&(_, meaning)| meaning)
}

/// Splits the output channel into the command's own output and its status.
/// The line that holds the status starts with a token of this run, so no
/// output can be mistaken for it.
pub(super) fn split(channel: &[u8], token: &str) -> Option<(Vec<u8>, i32)> {
    let mark = format!("\n{token} ").into_bytes();
    let start = channel.windows(mark.len()).rposition(|window| window == mark)?;
    let rest = channel.get(start + mark.len()..)?;
    let line = rest.split(|&byte| byte == b'\n').next()?;
    let status = std::str::from_utf8(line).ok()?.trim().parse().ok()?;
    Some((channel.get(..start)?.to_vec(), status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_come_apart() {
        for (channel, expected) in [
            (&b"a\n\nT1 0\n"[..], Some((&b"a\n"[..], 0))),
            (b"\nT1 9\n", Some((b"", 9))),
            (b"no newline\nT1 139\n", Some((b"no newline", 139))),
            (b"\nT2 0\n", None),
            (b"cut\nT1 ", None),
            (b"", None),
        ] {
            let got = split(channel, "T1");
            assert_eq!(got.as_ref().map(|(out, status)| (out.as_slice(), *status)), expected);
        }
    }

    #[test]
    fn trouble_is_told_from_talk() {
        assert!(trouble("[1.0] Kernel panic - not syncing: x").is_some());
        assert!(trouble("rcu: INFO: rcu_preempt self-detected stall on CPU").is_some());
        assert!(trouble("[1.0] tun: Universal TUN/TAP device driver, 1.6").is_none());
    }
}
