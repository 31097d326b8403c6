//! What a program can check of how this repository is kept: CONTRIBUTING.md,
//! "Style". It reads the files as they lie and refuses to know their grammar.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Directories that hold nothing of ours.
const SKIPPED: [&str; 4] = [".git", "target", "corpus", "artifacts"];

/// Most lines of a source file that is neither a table nor a test.
const MOST_LINES: usize = 600;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "imp"];

/// What depends on where a package came from or on whose machine it was made.
/// Written in halves, so that this file does not hold them.
const FOREIGN: [(&str, &str); 9] = [
    ("crates", ".io"),
    ("crates", ".rs/"),
    ("pypi", ".org"),
    ("npmjs", ".com"),
    ("/home", "/"),
    ("/root", "/"),
    ("/Users", "/"),
    ("/work", "/"),
    ("/tmp", "/wt"),
];

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap().to_path_buf()
}

/// Every file below the root, as a path from there.
fn files() -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = entry.file_name();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                directories.push(path);
            // In a second work tree of a repository, .git is a file.
            } else if kind.is_file() && name != ".git" {
                found.push(path.strip_prefix(&root).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "{} holds too little: {found:?}", root.display());
    found
}

fn of_kind(extension: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(root().join(path)).unwrap()).into_owned()
}

/// All of what is wrong at once, so that one run is enough to mend it.
#[track_caller]
fn check(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent = |path: &PathBuf| !read(path).starts_with("//! ");
    check(
        &of_kind("rs")
            .iter()
            .filter(|path| silent(path))
            .map(|path| format!("{}: begins without //!", path.display()))
            .collect::<Vec<_>>(),
    );
}

/// Tables and tests grow by rows, which nobody reads from top to bottom.
fn may_be_long(path: &Path) -> bool {
    let test = path.components().any(|part| part == Component::Normal("tests".as_ref()));
    test || path.file_stem().is_some_and(|stem| stem == "table" || stem == "tests")
}

#[test]
fn no_source_file_is_too_long() {
    let mut faults = Vec::new();
    for path in of_kind("rs").iter().filter(|path| !may_be_long(path)) {
        let lines = read(path).lines().count();
        if lines > MOST_LINES {
            faults.push(format!("{}: {lines} lines, more than {MOST_LINES}: split it", path.display()));
        }
    }
    check(&faults);
}

/// The printing macros panic where a stream is full or gone. `cli::output::talk`
/// drops what nobody takes, and results are written by what returns its error.
#[test]
fn no_command_prints_by_a_macro_that_panics() {
    let commands = of_kind("rs").into_iter().filter(|path| path.starts_with("backlog-trace/src/cli"));
    let prints = |path: &PathBuf| ["print!(", "println!("].iter().any(|found| read(path).contains(found));
    check(&commands.filter(prints).map(|path| format!("{}: prints", path.display())).collect::<Vec<_>>());
}

#[test]
fn names_say_what_is_inside() {
    let mut faults = Vec::new();
    for path in of_kind("rs") {
        for part in path.with_extension("").components() {
            let part = part.as_os_str().to_string_lossy();
            if EMPTY_NAMES.contains(&part.as_ref()) {
                faults.push(format!("{}: what is in {part}?", path.display()));
            }
        }
    }
    check(&faults);
}

/// Lock files name the registry: cargo writes them so.
#[test]
fn nothing_names_a_registry_or_somebodys_directory() {
    let mut faults = Vec::new();
    for path in files().iter().filter(|path| path.extension().is_none_or(|found| found != "lock")) {
        let text = read(path);
        for (half, other) in FOREIGN {
            let whole = format!("{half}{other}");
            if text.contains(&whole) {
                faults.push(format!("{}: holds {whole}", path.display()));
            }
        }
    }
    check(&faults);
}

/// The targets of `[text](target)` that are files, without their anchors.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn documents_link_to_files_that_exist() {
    assert_eq!(links("[a](b.md) [c](d.md#e) [f](#g) [h](https://i)"), ["b.md", "d.md"]);
    let mut faults = Vec::new();
    for path in of_kind("md") {
        let directory = root().join(&path).parent().unwrap().to_path_buf();
        for target in links(&read(&path)) {
            if !directory.join(target).exists() {
                faults.push(format!("{}: there is no {target}", path.display()));
            }
        }
    }
    check(&faults);
}
