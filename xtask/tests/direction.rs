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

/// A crate of user space and its rooms.
struct House {
    /// Its folder, which is its name too.
    name: &'static str,
    /// Crates of this workspace that it uses.
    uses: &'static [&'static str],
    /// Which room of it may use which other: a room stands below those that it uses.
    rooms: &'static [(&'static str, &'static [&'static str])],
}

/// The tables of ARCHITECTURE.md.
const HOUSES: [House; 2] = [
    House {
        name: "backlog-trace-model",
        uses: &["backlog-trace-common"],
        rooms: &[
            ("escape", &[]),
            ("quantity", &[]),
            ("failure", &["escape"]),
            ("check", &[]),
            ("listener", &["escape"]),
            ("event", &["check", "listener"]),
            ("trace", &["event", "failure", "listener"]),
            ("tally", &["event", "failure", "listener"]),
            ("findings", &["event", "listener", "quantity", "tally"]),
            ("output", &["event", "failure", "findings", "tally"]),
            ("view", &["check", "escape", "event", "findings", "listener", "output", "quantity", "tally"]),
            ("export", &["check", "escape", "event", "findings", "listener", "output", "tally", "view"]),
        ],
    },
    House {
        name: "backlog-trace",
        uses: &["backlog-trace-common", "backlog-trace-model", "backlog-trace-selftest"],
        rooms: &[
            ("step", &[]),
            ("recording_file", &[]),
            ("resource_limits", &[]),
            ("out_of_memory", &["resource_limits"]),
            ("listener", &["resource_limits", "step"]),
            ("kernel", &["resource_limits"]),
            ("confine", &["resource_limits"]),
            ("source", &["confine", "listener", "resource_limits"]),
            ("polled", &["kernel", "listener", "source", "step"]),
            ("probe", &["kernel", "listener", "resource_limits", "source", "step"]),
            (
                "cli",
                &[
                    "confine",
                    "listener",
                    "polled",
                    "probe",
                    "recording_file",
                    "resource_limits",
                    "source",
                    "step",
                ],
            ),
        ],
    },
];

/// A crate that knows the others by what they print alone.
const STRANGER: &str = "backlog-trace-selftest";

/// What a pure crate must not depend on, by the beginning of its name: all that
/// reaches for a kernel, a clock of its own or a command line.
const OF_THE_HOST: [&str; 8] =
    ["aya", "clap", "env_logger", "landlock", "libc", "netlink", "rustix", "tokio"];

/// The room of a module path.
fn room(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

/// What of a crate's table does not hold in its sources.
fn faults(house: &House) -> Vec<String> {
    let modules = modules(&root().join(house.name).join("src"));
    let mut faults = Vec::new();
    for (place, (room, may)) in house.rooms.iter().enumerate() {
        for used in *may {
            let below = house.rooms[..place].iter().any(|(other, _)| other == used);
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
        let Some((_, may)) = house.rooms.iter().find(|(room, _)| *room == own) else {
            faults.push(format!("{}: {name} is in no room of the table", house.name));
            continue;
        };
        for path in text.split("crate::").skip(1) {
            let used: String =
                path.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            let is_room = house.rooms.iter().any(|(room, _)| *room == used);
            if used != own && is_room && !may.contains(&used.as_str()) {
                faults.push(format!("{}: {name} uses {used}", house.name));
            }
        }
    }
    faults.dedup();
    faults
}

#[test]
fn a_room_uses_only_those_below_it() {
    let faults: Vec<String> = HOUSES.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The names in a section of a crate's Cargo.toml.
fn dependencies(house: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(house).join("Cargo.toml")).unwrap();
    let (_, rest) = text.split_once("\n[dependencies]\n").unwrap();
    let section = rest.split("\n[").next().unwrap_or_default();
    let name = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned();
    section.lines().map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_crate_uses_what_the_table_says_and_a_pure_one_nothing_of_the_host() {
    for house in &HOUSES {
        let names = dependencies(house.name);
        let ours: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| name.starts_with("backlog-trace")).collect();
        assert_eq!(ours, house.uses, "{}", house.name);
    }
    let ours = dependencies(STRANGER).into_iter().filter(|name| name.starts_with("backlog-trace"));
    assert_eq!(ours.count(), 0, "{STRANGER} knows the tool by its JSON");
    let pure = dependencies("backlog-trace-model");
    let of_the_host: Vec<&String> =
        pure.iter().filter(|name| OF_THE_HOST.iter().any(|begin| name.starts_with(begin))).collect();
    assert!(pure.len() > 5 && of_the_host.is_empty(), "{of_the_host:?}");
}

const BEGIN: &str = "<!-- rooms -->\n";
const END: &str = "<!-- end of rooms -->\n";

/// `UPDATE=1 cargo test -p xtask --test direction` writes the tables anew.
#[test]
fn the_document_shows_the_tables() {
    let quoted = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let mut tables = String::new();
    for house in &HOUSES {
        let uses = quoted(house.uses);
        writeln!(tables, "| room of `{}` (uses {uses}) | uses |\n|---|---|", house.name).unwrap();
        for (room, may) in house.rooms {
            writeln!(tables, "| `{room}` | {} |", quoted(may)).unwrap();
        }
        tables.push('\n');
    }
    let path = root().join("ARCHITECTURE.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let renewed = format!("{before}{BEGIN}{tables}{END}{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &renewed).unwrap();
    }
    assert!(renewed == fs::read_to_string(&path).unwrap(), "ARCHITECTURE.md lacks:\n{tables}");
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
