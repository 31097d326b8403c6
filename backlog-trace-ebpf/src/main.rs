//! The kernel side of backlog-trace: the programs that the kernel runs when it
//! handles a packet of a listener, accepts a connection or opens or closes one.
//!
//! Each step of the handshake has one file under `hooks` with one body, which
//! judges and counts. Thin shells call it: those for trampolines (fentry, fexit)
//! stand beside the body, those for kprobes under `kprobes`, those for
//! tracepoints alone under `tracepoints`.
//!
//! Nothing here decides what is printed. Counts go to per-CPU maps and are
//! exact under any flood. Details go to the ring buffer; one that finds no room
//! there is lost, and counted as missed.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod address;
mod atomic;
mod baseline;
mod context;
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
mod peer;
mod queues;
mod read;
mod row;
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
