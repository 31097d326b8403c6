//! Writing the `newc` archive that the kernel unpacks as its first root file
//! system (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;

/// An archive in memory. Directories above a file are added with it.
#[derive(Debug, Default)]
pub(crate) struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
    known: BTreeSet<String>,
}

const DIRECTORY: u32 = 0o040_755;
const SYMLINK: u32 = 0o120_777;
const REGULAR: u32 = 0o100_000;

impl Cpio {
    /// Adds a file, unless its path is taken: the first one stays.
    /// `path` has no leading slash.
    pub(crate) fn file(&mut self, path: &str, executable: bool, contents: &[u8]) {
        let mode = REGULAR | if executable { 0o755 } else { 0o644 };
        self.add(path, mode, contents);
    }

    /// Adds a directory and those above it.
    pub(crate) fn directory(&mut self, path: &str) {
        self.add(path, DIRECTORY, &[]);
    }

    /// Adds a symbolic link.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) {
        self.add(path, SYMLINK, target.as_bytes());
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn add(&mut self, path: &str, mode: u32, contents: &[u8]) {
        if path.is_empty() || !self.known.insert(path.to_owned()) {
            return;
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.entry(path, mode, contents);
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) {
        self.entries += 1;
        // A file beyond 4 GiB cannot be written in this format; none of ours
        // comes near, and the kernel would refuse the archive.
        let size = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        let links = if mode == DIRECTORY { 2 } else { 1 };
        // ino, mode, uid, gid, nlink, mtime, filesize, dev ×2, rdev ×2, namesize, check.
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_the_format_says() {
        let mut cpio = Cpio::default();
        cpio.file("a/b", true, b"hello");
        cpio.file("a/b", false, b"second");
        let bytes = cpio.finish();
        let text = String::from_utf8_lossy(&bytes);
        // Header of 110 bytes and "a\0": 112, a multiple of 4.
        assert!(text.starts_with("070701000000010000"), "{text}");
        assert_eq!(&bytes[110..112], b"a\0");
        assert_eq!(&bytes[112..118], b"070701");
        // mode 0100755, size 5, name size 4.
        assert_eq!(&bytes[126..134], b"000081ED");
        assert_eq!(&bytes[166..174], b"00000005");
        assert_eq!(&bytes[206..214], b"00000004");
        assert_eq!(&bytes[222..226], b"a/b\0");
        assert!(!text.contains("second"));
        assert!(text.contains("TRAILER!!!"));
        assert_eq!(bytes.len() % 4, 0);
    }
}
