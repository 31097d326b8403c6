//! The kernel side of backlog-trace: one file per step of the handshake under
//! `hooks`, one body per step, thin shells per rung: those for trampolines and
//! tracepoints beside the body, those for kprobes under `kprobes`.
//!
//! Nothing here decides what is printed. Counts go to per-CPU maps and are
//! exact under any flood; details go to the ring buffer and may be missed,
//! which is counted.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod atomic;
mod baseline;
mod counts;
mod cpu_offset;
mod details;
mod globals;
mod hooks;
mod identity;
mod key;
mod kprobes;
mod lost_lately;
mod maps;
mod mib;
mod namespace;
mod read;
mod scratch;
mod tracepoints;
mod uapi;
mod walk;

/// GPL-compatible, as bpf_probe_read_kernel() and the tracing program types ask for.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
