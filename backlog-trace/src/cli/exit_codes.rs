//! The exit codes in words: for `--help` and for docs/exit-codes.md.

use backlog_trace_model::failure::Exit;

/// Every code, in order.
pub const CODES: [Exit; 13] = [
    Exit::Success,
    Exit::Internal,
    Exit::Usage,
    Exit::NotPermitted,
    Exit::KernelUnable,
    Exit::OutputFailed,
    Exit::BadInput,
    Exit::NotFound,
    Exit::CommandFailed,
    Exit::SelftestFailed,
    Exit::NoRoom,
    Exit::Reduced,
    Exit::Nothing,
];

/// What a code means.
pub const fn meaning(exit: Exit) -> &'static str {
    match exit {
        Exit::Success => "done; also where whoever read the output closed it",
        Exit::Internal => "something went wrong that no other code describes: please report it",
        Exit::Usage => "the command line is wrong",
        Exit::NotPermitted => "a privilege is missing",
        Exit::KernelUnable => "this kernel cannot do it",
        Exit::OutputFailed => "an output could not be written",
        Exit::BadInput => "an input is no recording, is damaged, or is of a newer version",
        Exit::NotFound => "a port, process or namespace that was named does not exist",
        Exit::CommandFailed => "the command after -- could not be started",
        Exit::SelftestFailed => "selftest: a scenario did not come out as the kernel counted",
        Exit::NoRoom => "a limit (ulimit, cgroup) leaves too little memory, stack, threads or open files",
        Exit::Reduced => {
            "check: hooks or sources missing; live, hist, record: polled; listeners: none can be seen"
        }
        Exit::Nothing => "check: nothing can be observed by eBPF",
    }
}

/// The end of `--help`.
pub fn help() -> String {
    let lines: Vec<String> =
        CODES.iter().map(|exit| format!("  {:>2}  {}", *exit as u8, meaning(*exit))).collect();
    format!("Exit codes:\n{}\n 129, 130, 143  ended by a second SIGHUP, Ctrl-C or SIGTERM", lines.join("\n"))
}

/// The table of docs/exit-codes.md.
pub fn table() -> String {
    let lines: Vec<String> =
        CODES.iter().map(|exit| format!("| {} | {} |", *exit as u8, meaning(*exit))).collect();
    format!("| code | meaning |\n|---|---|\n{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_none_is_given_twice() {
        assert!(CODES.is_sorted_by(|a, b| (*a as u8) < (*b as u8)));
    }
}
