//! Adding up and auditing what was observed.
