//! The guest's root file system: busybox, an `/init` that mounts, loads, runs
//! one command and powers off, and whatever files the caller adds.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::cpio::Cpio;
use super::kernel::Prepared;

/// A file to put into the guest.
#[derive(Clone, Debug)]
pub(crate) struct GuestFile {
    /// Absolute path in the guest, or one relative to its root.
    pub(crate) inside: String,
    /// Where it is on this machine.
    pub(crate) outside: PathBuf,
}

/// The script the kernel starts. Standard output of the command goes to the
/// second serial port and nothing else does, but for the line with its status.
const INIT: &str = include_str!("init.sh");

/// Builds the archive. `command` is run by the guest's shell word for word;
/// without one the guest gives an interactive shell.
pub(crate) fn build(
    kernel: &Prepared,
    files: &[GuestFile],
    command: Option<&[String]>,
    token: &str,
) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for (link, target) in
        [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")]
    {
        cpio.symlink(link, target);
    }
    for directory in [
        "dev",
        "proc",
        "sys",
        "tmp",
        "run",
        "root",
        "mnt",
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
        "var/log",
        "var/lib",
        "var/tmp",
        "var/run",
    ] {
        cpio.directory(directory);
    }
    cpio.file("init", true, INIT.as_bytes());
    cpio.file("etc/passwd", false, b"root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n");
    cpio.file("etc/group", false, b"root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n");
    cpio.file("etc/hosts", false, b"127.0.0.1 localhost\n::1 localhost\n");
    cpio.file("usr/bin/busybox", true, &read(&kernel.busybox)?);
    let mut list = String::new();
    for (place, module) in kernel.modules.iter().enumerate() {
        let name = format!("modules/{place:02}.ko");
        cpio.file(&name, false, &read(module)?);
        list = list + "/" + &name + "\n";
    }
    cpio.file("modules/order", false, list.as_bytes());
    cpio.file("modules/token", false, format!("{token}\n").as_bytes());
    if let Some(command) = command {
        cpio.file("command", false, script(command).as_bytes());
    }
    for file in files {
        let bytes = read(&file.outside)?;
        let executable = {
            use std::os::unix::fs::PermissionsExt as _;
            fs::metadata(&file.outside)?.permissions().mode() & 0o111 != 0
        };
        cpio.file(&usr_merged(&file.inside), executable, &bytes);
    }
    Ok(cpio.finish())
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// The guest's /bin, /sbin, /lib and /lib64 are links into /usr, and the
/// kernel unpacks in order; so files are put where the links point.
fn usr_merged(path: &str) -> String {
    let path = path.trim_start_matches('/');
    let top = path.split('/').next().unwrap_or_default();
    if ["bin", "sbin", "lib", "lib64"].contains(&top) { format!("usr/{path}") } else { path.to_owned() }
}

/// The words, each quoted so that the shell changes nothing in it.
fn script(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    quoted.join(" ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_sees_the_words_as_given() {
        let words = ["echo", "a b", "it's", "$HOME", ""].map(str::to_owned);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("script");
        fs::write(&file, script(&words)).unwrap();
        let output = std::process::Command::new("sh").arg(&file).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "a b it's $HOME \n");
    }

    #[test]
    fn merged_paths() {
        for (given, merged) in [
            ("/bin/x", "usr/bin/x"),
            ("lib64/ld.so", "usr/lib64/ld.so"),
            ("/usr/sbin/nginx", "usr/sbin/nginx"),
            ("/etc/x", "etc/x"),
        ] {
            assert_eq!(usr_merged(given), merged);
        }
    }
}
