//! A recording holds addresses of clients: its file is for its owner alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::trace::{Overwrite, create};

#[track_caller]
fn check(path: &Path, overwrite: Overwrite) {
    let file = create(path, overwrite).unwrap();
    let mode = file.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600, "{mode:o}");
}

#[test]
fn a_recording_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    check(&path, Overwrite::Refuse);
    // Whatever the file was that it replaces.
    for before in [0o644, 0o666, 0o000] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(before)).unwrap();
        check(&path, Overwrite::Replace);
    }
}
