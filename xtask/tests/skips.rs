//! A test that could not run must say so (`skipped()`): libtest counts one that
//! merely returns as passed. It reads the sources as text and refuses to know
//! their grammar: a test is what stands between `#[test]` and the brace that is
//! indented as its `fn`.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// What a test asks where it may lack something: who asks says what comes of it.
const QUESTIONS: [&str; 3] = ["is_root()", "may_be_nobody(", "fence_of_this_kernel()"];

/// Each test of a source: its name, and its lines with their numbers.
fn tests(source: &str) -> Vec<(&str, Vec<(usize, &str)>)> {
    let mut found = Vec::new();
    let mut lines = source.lines().enumerate().map(|(number, line)| (number + 1, line));
    while let Some((_, line)) = lines.next() {
        if !["#[test]", "#[tokio::test"].iter().any(|marks| line.trim_start().starts_with(marks)) {
            continue;
        }
        let Some((_, head)) = lines.by_ref().find(|(_, line)| line.contains("fn ")) else { break };
        let indent = &head[..head.len() - head.trim_start().len()];
        let end = format!("{indent}}}");
        let body = lines.by_ref().take_while(|(_, line)| *line != end).collect();
        let name = head.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
        found.push((name.unwrap_or_default(), body));
    }
    found
}

/// What of a test ends it, or leaves a part of it out, without a word.
fn silent(source: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, body) in tests(source) {
        let says = body.iter().any(|(_, line)| line.contains("skipped("));
        let mut before = "";
        for (number, line) in &body {
            let code = line.split("//").next().unwrap_or_default();
            // A test that is another test's child process asks the environment whether it is.
            let returns = code.contains("return;") || code.contains("{ return }");
            if returns && !code.contains("env::var_os") && !before.contains("skipped(") {
                faults.push(format!("{number}: {name} returns and does not say why"));
            }
            if !says && QUESTIONS.iter().any(|question| code.contains(question)) {
                faults.push(format!("{number}: {name} does not say what is left out otherwise"));
            }
            before = line;
        }
    }
    faults
}

#[test]
fn what_says_nothing_is_found() {
    let test = |body: &str| format!("    #[test]\n    fn one() {{\n{body}\n    }}\n");
    for (body, faults) in [
        ("        if !ready {\n            return;\n        }", 1),
        ("        let Some(it) = it else { return };", 1),
        ("        if is_root() {\n            check();\n        }", 1),
        ("        if !is_root() {\n            return;\n        }", 2),
        ("        if !is_root() {\n            return skipped(NEEDS_ROOT);\n        }", 0),
        ("        if !ready {\n            skipped(\"why\");\n            return;\n        }", 0),
        ("        let Some(it) = env::var_os(\"IT\") else { return };", 0),
        ("        // If not, it would return;", 0),
    ] {
        assert_eq!(silent(&test(body)).len(), faults, "{body}");
    }
    assert!(silent("fn no_test() {\n    return;\n}\n").is_empty());
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_test_passes_in_silence_where_it_could_not_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    sources(root, &mut found);
    let mut faults = Vec::new();
    // This file shows what must not be.
    for path in found.iter().filter(|path| !path.ends_with("xtask/tests/skips.rs")) {
        let place = path.strip_prefix(root).unwrap().display();
        let source = fs::read_to_string(path).unwrap();
        faults.extend(silent(&source).iter().map(|fault| format!("{place}:{fault}")));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
