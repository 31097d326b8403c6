//! The book: which socket is which listener, who owns it and what limits it.

mod entry;

pub use entry::{Listener, Owner};
