//! What this kernel is: BTF, layout, privileges, sysctls.
