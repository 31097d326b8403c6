//! Which way the arrows between files and rooms point: what uses what. It
//! reads `use` lines and paths as text and refuses to know more of the grammar.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What uses what, by name.
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every source file below a folder: its module path (`hooks::syn`) and its text
/// without comments.
fn modules(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(folder).unwrap().with_extension("");
                let name = inside.to_str().unwrap().replace('/', "::");
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.insert(name.trim_end_matches("::mod").to_owned(), code.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    found
}

/// The paths that a `use` of this text names, each whole: `{}` taken apart.
fn paths(text: &str) -> Vec<String> {
    let Some((before, group)) = text.split_once('{') else { return vec![text.trim().to_owned()] };
    let inside = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
    let mut depth = 0_usize;
    let mut items = vec![String::new()];
    for letter in inside.chars() {
        match letter {
            ',' if depth == 0 => items.push(String::new()),
            _ => {
                depth = match letter {
                    '{' => depth + 1,
                    '}' => depth.saturating_sub(1),
                    _ => depth,
                };
                items.last_mut().unwrap().push(letter);
            }
        }
    }
    let before = before.trim();
    items
        .iter()
        .filter(|item| !item.trim().is_empty())
        .flat_map(|item| paths(&format!("{before}{}", item.trim())))
        .collect()
}

/// What the files of a crate use of one another, by its `use` lines.
fn arrows(modules: &BTreeMap<String, String>) -> Arrows {
    let mut arrows = Arrows::new();
    for (name, text) in modules {
        let used = text
            .split("\nuse ")
            .skip(1)
            .filter_map(|rest| rest.split_once(';'))
            .flat_map(|(path, _)| paths(path));
        let parent = name.rsplit_once("::").map_or("", |(parent, _)| parent);
        let own = arrows.entry(name.clone()).or_default();
        for path in used {
            let whole = if let Some(rest) = path.strip_prefix("crate::") {
                rest.to_owned()
            } else if let Some(rest) = path.strip_prefix("super::") {
                format!("{parent}::{rest}").trim_start_matches("::").to_owned()
            } else {
                continue;
            };
            let whole = whole.trim_end_matches("::self");
            // The longest beginning that is a file: what follows is inside it.
            let mut place = whole;
            while !modules.contains_key(place) {
                let Some((shorter, _)) = place.rsplit_once("::") else { break };
                place = shorter;
            }
            if modules.contains_key(place) && place != name {
                own.insert(place.to_owned());
            }
        }
    }
    arrows
}

/// The first circle that is found: each uses the next, and the last the first.
fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    fn from(at: &str, arrows: &Arrows, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(begin) = way.iter().position(|name| name == at) {
            way.drain(..begin);
            return true;
        }
        if !done.insert(at.to_owned()) {
            return false;
        }
        way.push(at.to_owned());
        for next in arrows.get(at).into_iter().flatten() {
            if from(next, arrows, way, done) {
                return true;
            }
        }
        way.pop();
        false
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|start| {
        let mut way = Vec::new();
        from(start, arrows, &mut way, &mut done).then_some(way)
    })
}

/// Which room of `backlog-trace/src` may use which: the table of ARCHITECTURE.md.
/// A room stands below those that it uses; `cli` joins them all.
const ROOMS: &[(&str, &[&str])] = &[
    ("escape", &[]),
    ("failure", &["escape"]),
    ("step", &[]),
    ("resource_limits", &["failure"]),
    ("out_of_memory", &["failure", "resource_limits"]),
    ("check", &[]),
    ("listener", &["check", "failure", "resource_limits", "step"]),
    ("event", &["check", "listener"]),
    ("kernel", &["check", "failure", "resource_limits"]),
    ("confine", &["check", "failure", "resource_limits"]),
    ("trace", &["event", "failure", "listener"]),
    ("tally", &["event", "failure", "listener"]),
    ("view", &["check", "escape", "event", "listener", "tally"]),
    ("source", &["confine", "event", "failure", "listener", "resource_limits"]),
    ("polled", &["check", "event", "failure", "kernel", "listener", "source", "step"]),
    ("probe", &["check", "event", "failure", "kernel", "listener", "resource_limits", "source", "step"]),
    ("selftest", &["escape", "failure", "kernel", "resource_limits"]),
    (
        "cli",
        &[
            "check",
            "confine",
            "escape",
            "event",
            "failure",
            "listener",
            "polled",
            "probe",
            "resource_limits",
            "selftest",
            "source",
            "step",
            "tally",
            "trace",
            "view",
        ],
    ),
];

/// The room of a module path.
fn room(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

#[test]
fn a_room_uses_only_those_below_it() {
    let modules = modules(&root().join("backlog-trace/src"));
    let mut faults = Vec::new();
    for (place, (room, may)) in ROOMS.iter().enumerate() {
        for used in *may {
            let below = ROOMS[..place].iter().any(|(other, _)| other == used);
            if !below {
                faults.push(format!("the table lets {room} use {used}, which does not stand before it"));
            }
        }
    }
    for (name, text) in &modules {
        // Tests beside the code may look further.
        let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let (own, is_test) = (room(name), name.ends_with("tests") || name.contains("::tests::"));
        if is_test || matches!(own, "lib" | "main") {
            continue;
        }
        let Some((_, may)) = ROOMS.iter().find(|(room, _)| *room == own) else {
            faults.push(format!("{name} is in no room of the table"));
            continue;
        };
        for path in text.split("crate::").skip(1) {
            let used: String =
                path.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            if used != own && ROOMS.iter().any(|(room, _)| *room == used) && !may.contains(&used.as_str()) {
                faults.push(format!("{name} uses {used}"));
            }
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const BEGIN: &str = "<!-- rooms -->\n";
const END: &str = "<!-- end of rooms -->\n";

/// `UPDATE=1 cargo test -p xtask --test direction` writes the table anew.
#[test]
fn the_document_shows_the_table() {
    let mut table = "| room | uses |\n|---|---|\n".to_owned();
    for (room, may) in ROOMS {
        let names: Vec<String> = may.iter().map(|name| format!("`{name}`")).collect();
        let uses = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        writeln!(table, "| `{room}` | {uses} |").unwrap();
    }
    let path = root().join("ARCHITECTURE.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let renewed = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "ARCHITECTURE.md lacks:\n{table}");
}

#[test]
fn files_of_the_kernel_side_form_no_circle() {
    let arrows = arrows(&modules(&root().join("backlog-trace-ebpf/src")));
    assert!(arrows["hooks::syn"].contains("counts") && arrows["counts"].contains("maps"), "{arrows:?}");
    let found = circle(&arrows);
    assert!(found.is_none(), "each uses the next, and the last the first: {}", found.unwrap().join(" -> "));
}

#[test]
fn a_circle_is_found() {
    let text = |text: &str| text.to_owned();
    let modules = BTreeMap::from([
        (text("a"), text("\nuse crate::b::c::Thing;\n")),
        (text("b::c"), text("\nuse super::d;\nuse std::fs;\n")),
        (text("b::d"), text("\nuse crate::{e, a::{self, Other}};\n")),
        (text("e"), text("")),
    ]);
    let arrows = arrows(&modules);
    assert_eq!(arrows["b::d"], BTreeSet::from([text("a"), text("e")]));
    assert_eq!(circle(&arrows).unwrap(), ["a", "b::c", "b::d"]);
    let mut straight = arrows.clone();
    straight.insert(text("b::d"), BTreeSet::from([text("e")]));
    assert_eq!(circle(&straight), None);
}
