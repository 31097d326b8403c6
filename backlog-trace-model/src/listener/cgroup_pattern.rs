//! `--cgroup`: paths, units and globs, matched against the cgroup of a
//! listener. What lies below a match matches too.

use glob::{MatchOptions, Pattern};

/// A `*` is part of one name; names that begin with a dot are names.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CgroupPattern {
    text: String,
    pattern: Pattern,
}

impl CgroupPattern {
    /// `/system.slice` is a path from the root; `nginx.service` and
    /// `system.slice/nginx.service` may stand anywhere in one.
    ///
    /// # Errors
    /// What is wrong with a glob, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim_end_matches('/');
        let anchored = if text.starts_with('/') { trimmed.to_owned() } else { format!("/**/{trimmed}") };
        let pattern = Pattern::new(&anchored)
            .map_err(|error| format!("'{text}' is no pattern of a cgroup: {}", error.msg))?;
        Ok(Self { text: text.to_owned(), pattern })
    }

    /// Whether a cgroup, or one above it, is meant.
    pub fn matches(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.filter_map(|end| path.get(..end)).any(|above| self.pattern.matches_with(above, OPTIONS))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(CgroupPattern::parse(pattern).unwrap().matches(path), expected, "{pattern} {path}");
    }

    #[test]
    fn paths_units_and_globs() {
        let nginx = "/system.slice/nginx.service";
        for (pattern, expected) in [
            ("/", true),
            ("/system.slice", true),
            ("/system.slice/", true),
            ("/system.slice/nginx.service", true),
            ("system.slice/nginx.service", true),
            ("nginx.service", true),
            ("nginx.service/", true),
            ("nginx.*", true),
            ("*", true),
            ("/*/nginx.service", true),
            ("/nginx.service", false),
            ("/system.slice/nginx", false),
            ("nginx", false),
            ("system.slice/*/nginx.service", false),
            ("nope", false),
        ] {
            check(pattern, nginx, expected);
        }
        let pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-pod1.slice/cri-containerd-abc.scope";
        check("/kubepods*", pod, true);
        check("kubepods-pod1*", pod, true);
        check("cri-containerd-abc.scope", pod, true);
        check("/kubepods.slice/*.scope", pod, false);
        check("/kubepods.slice/**/*.scope", pod, true);
        check("/", "/", true);
        check("nginx.service", "/", false);
    }

    #[test]
    fn a_pattern_that_is_none() {
        let said = CgroupPattern::parse("a[").unwrap_err();
        assert!(said.starts_with("'a[' is no pattern of a cgroup: "), "{said}");
    }
}
