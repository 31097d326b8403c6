//! Hooks, maps and the session that owns them.
