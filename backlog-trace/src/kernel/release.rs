//! The running kernel's release, for people and for refusing kernels that are
//! too old. What a kernel can do is never concluded from it.

use std::fmt;

use backlog_trace_model::failure::{Exit, Failure, Result};

const PATH: &str = "/proc/sys/kernel/osrelease";

/// A release such as `6.1.0-50-cloud-amd64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Release {
    text: String,
    major: u32,
    minor: u32,
}

impl Release {
    /// The running kernel's (what `uname -r` prints).
    ///
    /// # Errors
    /// `KernelUnable` where /proc is not mounted, `Internal` where what it says is no release.
    pub(crate) fn running() -> Result<Self> {
        let text = std::fs::read_to_string(PATH).map_err(|error| {
            let what = format!("the kernel's release cannot be read from {PATH}: {error}");
            Failure::new(Exit::KernelUnable, what).advise("mount proc on /proc")
        })?;
        Self::parse(text.trim_end()).ok_or_else(|| Failure::internal("this is no kernel release", text))
    }

    /// Reads the two leading numbers; whatever follows them is kept as text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, rest) = text.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let minor = rest.get(..digits)?;
        Some(Self { text: text.to_owned(), major: number(major)?, minor: number(minor)? })
    }

    /// Whether it is this version or a newer one.
    pub(crate) fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `str::parse` would take a sign.
fn number(digits: &str) -> Option<u32> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(u32, u32)>) {
        assert_eq!(Release::parse(text).map(|release| (release.major, release.minor)), expected, "{text}");
    }

    #[test]
    fn releases_of_distributions_begin_with_two_numbers() {
        check("5.10.0-32-cloud-amd64", Some((5, 10)));
        check("6.12.107+deb13-cloud-amd64", Some((6, 12)));
        check("7.2", Some((7, 2)));
        check("6.18-rc1", Some((6, 18)));
        check("5.4.17-2136.el8uek.x86_64", Some((5, 4)));
        for text in ["", "6", "6.", ".1", "+6.1", "-6.1", "6.+1", "six.one", "99999999999.1"] {
            check(text, None);
        }
    }

    #[test]
    fn versions_are_numbers_not_text() {
        let release = |text| Release::parse(text).unwrap();
        assert!(release("5.10.0").at_least(5, 10));
        assert!(release("6.1.0").at_least(5, 10));
        assert!(!release("5.9.16").at_least(5, 10));
        assert!(!release("4.19.0").at_least(5, 10));
        assert!(release("10.0.0").at_least(5, 10));
    }
}
