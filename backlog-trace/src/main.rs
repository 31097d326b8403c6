//! Entry point: everything is in the library, so that tests reach it.

fn main() -> std::process::ExitCode {
    backlog_trace::cli::main()
}
