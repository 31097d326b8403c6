//! Namespaces kept alive by a bind mount, from `/proc/PID/mountinfo`: the ones
//! under /run/netns, those of container engines, and any other, wherever they
//! are mounted. Parsing only.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::process::numbered;

/// Every network namespace mounted in the text: inode number and mount point.
///
/// A line (Documentation/filesystems/proc.rst, 3.5) is
/// `ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [OPTIONAL…] - TYPE SOURCE SUPER-OPTIONS`;
/// the root of a mounted namespace is its magic link's text. Lines of another
/// form are passed over.
pub(super) fn namespaces(mountinfo: &[u8]) -> impl Iterator<Item = (u32, PathBuf)> + '_ {
    mountinfo.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let root = fields.nth(3)?;
        let point = fields.next()?;
        let filesystem = fields.skip_while(|field| *field != b"-").nth(1)?;
        if filesystem != b"nsfs" {
            return None;
        }
        let inode = u32::try_from(numbered(root, "net")?).ok()?;
        Some((inode, PathBuf::from(OsString::from_vec(unescape(point)))))
    })
}

/// Undoes the kernel's escapes of blanks and backslashes: `\040` and the like
/// (`mangle_path()`, fs/seq_file.c).
fn unescape(mut field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    while let Some((first, rest)) = field.split_first() {
        let octal = match rest {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if *first == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        plain.push(octal.unwrap_or(*first));
        field = if octal.is_some() { rest.get(3..).unwrap_or_default() } else { rest };
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(u32, &str)]) {
        let found: Vec<_> = namespaces(text.as_bytes()).collect();
        let expected: Vec<_> = expected.iter().map(|(inode, path)| (*inode, PathBuf::from(path))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_network_namespaces_are_taken() {
        check(
            "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
             319 318 0:4 net:[4026532345] /run/netns/blue rw shared:1 master:2 - nsfs nsfs rw\n\
             320 318 0:4 uts:[4026532346] /run/utsns/blue rw - nsfs nsfs rw\n\
             321 318 0:4 net:[4026532347] /run/docker/netns/a\\040b rw - nsfs nsfs rw\n",
            &[(4_026_532_345, "/run/netns/blue"), (4_026_532_347, "/run/docker/netns/a b")],
        );
    }

    #[test]
    fn a_file_that_only_looks_like_one_is_not_taken() {
        check("319 318 0:4 net:[1] /run/netns/blue rw - tmpfs nsfs rw\n", &[]);
        check("319 318 0:4 net:[99999999999] /run/netns/blue rw - nsfs nsfs rw\n", &[]);
        check("319 318 0:4 net:[1] /run/netns/blue rw\n", &[]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = namespaces(&bytes).count();
        }

        #[test]
        fn an_escaped_path_comes_back(path in proptest::collection::vec(1u8.., 0..40)) {
            let escaped: Vec<u8> = path
                .iter()
                .flat_map(|byte| match byte {
                    b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
                    plain => vec![*plain],
                })
                .collect();
            prop_assert_eq!(unescape(&escaped), path);
        }
    }
}
