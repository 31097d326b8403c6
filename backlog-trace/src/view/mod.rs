//! Printing: text and JSON. Views know no kernel.
