//! Scenarios that make each kind of loss and compare with the kernel's own counters.
