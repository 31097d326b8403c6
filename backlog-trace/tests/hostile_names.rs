//! Names that others have chosen, in every place where the program says one:
//! whatever they hold, nothing that steers a terminal leaves it, on standard
//! output or standard error, as text or as JSON. A line end in a name begins
//! no line of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
#[path = "../../backlog-trace-model/tests/scene/mod.rs"]
mod scene;
#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use backlog_trace::recording_file::{self, Overwrite};
use backlog_trace_model::check::sources::SOURCES;
use backlog_trace_model::event::{Event, Rung, SourceState};
use backlog_trace_model::listener::{Listener, Owner};
use tool::skipped::{NEEDS_ROOT, is_root, skipped};
use tool::{Circumstances, tool};

/// A window's title, blinking text, a line of its own, text turned around, a
/// C1 escape, DEL, a byte that is no UTF-8.
const NAME: &[u8] = b"a\x1b]0;t\x07\x1b[5mb\nforged\xe2\x80\xaec\xc2\x9b5md\x7f\xff";

/// The part that is text.
const TEXT: &str = "a\u{1b}]0;t\u{7}\u{1b}[5mb\nforged\u{202e}c\u{9b}5md\u{7f}";

/// What the palettes of the program and of clap emit, and [`NAME`] does not hold.
const COLOURS: [&str; 10] = ["0", "1", "2", "4", "31", "32", "33", "34", "35", "36"];

/// Where the name has to be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    /// Escaped, somewhere in what is printed.
    Somewhere,
    /// It need not be: what is printed may do without.
    Perhaps,
}

fn name() -> OsString {
    OsString::from_vec(NAME.to_vec())
}

/// The program with colours, which would otherwise be taken out of a pipe
/// together with what names bring along.
fn coloured<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = tool(&[]);
    command.args(arguments).env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

#[track_caller]
fn check(mut command: Command, said: Said) {
    let output = command.output().unwrap();
    let shown = format!("{:?}", command.get_args().collect::<Vec<_>>());
    let mut escaped = false;
    for (bytes, stream) in [(output.stdout, "stdout"), (output.stderr, "stderr")] {
        let text = String::from_utf8(bytes);
        assert!(text.is_ok(), "{shown}: {stream}: {text:?}");
        let text = text.unwrap();
        let plain = without_colours(&text);
        let steering = plain.chars().find(|character| steers(*character));
        assert_eq!(steering, None, "{shown}: {stream}: {plain:?}");
        let forged = plain.lines().find(|line| line.trim_start().starts_with("forged"));
        assert_eq!(forged, None, "{shown}: {stream}: {plain:?}");
        escaped |= plain.contains("\\u{1b}") || plain.contains("\\u001b");
        if said == Said::Somewhere && stream == "stderr" {
            assert!(escaped, "{shown} does not say the name: {plain}");
        }
    }
}

fn without_colours(text: &str) -> String {
    COLOURS.iter().fold(text.to_owned(), |text, colour| text.replace(&format!("\u{1b}[{colour}m"), ""))
}

/// Control characters but the line's end, and Unicode's bidirectional controls (UAX 9).
fn steers(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Arguments, each with the name in its place for `@`.
fn with_name(arguments: &[&str]) -> Vec<OsString> {
    let put = |argument: &&str| {
        let parts: Vec<&[u8]> = argument.as_bytes().split(|byte| *byte == b'@').collect();
        OsString::from_vec(parts.join(NAME))
    };
    arguments.iter().map(put).collect()
}

#[test]
fn arguments_that_are_refused() {
    for arguments in [
        &["--@"][..],
        &["@"],
        &["hist", "--port", "@"],
        &["hist", "--address", "@"],
        &["hist", "--pid", "@"],
        &["hist", "--duration", "@"],
        &["hist", "--interval=@"],
        &["hist", "--format", "@"],
        &["hist", "--rung", "@"],
        &["hist", "--kernel-log", "@"],
        &["hist", "--cgroup", "[@"],
        &["hist", "--reason", "@"],
        &["hist", "--netns", "@"],
        &["hist", "--netns", "/proc/self/@"],
        &["listeners", "--reason", "@"],
        &["selftest", "@"],
        &["selftest", "--play", "@"],
        &["selftest", "--with", "@"],
        &["selftest", "--seed", "@"],
        &["hist", "@"],
    ] {
        // As text, which is repeated, and with a byte that is no UTF-8.
        let text = arguments.iter().map(|argument| argument.replace('@', TEXT));
        check(coloured(text), Said::Somewhere);
        check(coloured(with_name(arguments)), Said::Perhaps);
    }
}

/// Its own name is the caller's choice, and stands in the usage.
#[test]
fn a_program_of_another_name() {
    for arguments in [&["hist", "--nope"][..], &["--help"], &["hist", "--help"]] {
        let mut command = coloured(arguments);
        command.arg0(name());
        check(command, Said::Perhaps);
    }
}

#[test]
fn files_and_commands_that_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(name());
    let script = directory.path().join("script").join(name());
    fs::create_dir(script.parent().unwrap()).unwrap();
    fs::write(&file, "no recording").unwrap();
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let absent = directory.path().join("no").join(name());
    let folder = directory.path().join("folder").join(name());
    fs::create_dir_all(&folder).unwrap();
    let brief = ["hist", "--rung", "counters", "--duration", "100ms"];
    let args = |first: &[&str], last: &Path| -> Vec<OsString> {
        first.iter().map(OsString::from).chain([last.as_os_str().to_owned()]).collect()
    };
    for arguments in [
        args(&["report"], &file),
        args(&["report"], &absent),
        args(&["report", "--format", "json"], &folder),
        args(&["record", "-o"], &absent),
        args(&["record", "-o"], &file),
        args(&["record", "-o"], &folder),
        args(&["record", "--overwrite", "-o"], &folder),
        args(&["hist", "--"], &file),
        args(&["hist", "--"], &absent),
        args(&[&brief[..], &["--"]].concat(), &script),
        args(&[&brief[..], &["--ready-file"]].concat(), &absent),
        args(&["hist", "--netns"], &PathBuf::from(OsStr::from_bytes(b"/proc/self/\x1b[5m"))),
    ] {
        check(coloured(&arguments), Said::Somewhere);
    }
    let fresh = directory.path().join("fresh").join(name());
    fs::create_dir(fresh.parent().unwrap()).unwrap();
    check(
        coloured(args(&["record", "--rung", "counters", "--duration", "100ms", "-o"], &fresh)),
        Said::Perhaps,
    );
    let bare: Vec<OsString> = ["hist", "--"].into_iter().map(OsString::from).chain([name()]).collect();
    check(coloured(bare), Said::Somewhere);
}

#[test]
fn environment() {
    let directory = tempfile::tempdir().unwrap();
    let recording = directory.path().join("one.trace");
    record(&recording, &scene::overload());
    // A zone of that name, as Mars would publish it.
    let zone: &[u8] = b"Mars\x1b[5m/\xe2\x80\xaeOlympus\x07";
    let file = directory.path().join("zones").join(OsStr::from_bytes(zone));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, utc_file()).unwrap();
    for (variable, value) in [
        ("TZ", NAME),
        ("TZ", zone),
        ("BACKLOG_TRACE_LOG", NAME),
        ("BACKLOG_TRACE_LOG", b"a=b=\x1b[5m"),
        ("SUDO_UID", NAME),
        ("COLUMNS", NAME),
    ] {
        for format in [&["report"][..], &["report", "--events"]] {
            let mut command = coloured(format);
            command.arg(&recording).env("TZDIR", directory.path().join("zones"));
            check_environment(command, variable, value);
        }
        check_environment(coloured(["hist", "--rung", "counters", "--duration", "1ms"]), variable, value);
    }
}

#[track_caller]
fn check_environment(mut command: Command, variable: &str, value: &[u8]) {
    command.env(variable, OsStr::from_bytes(value));
    check(command, Said::Perhaps);
}

/// The smallest file of a time zone (RFC 8536): version 1, no transition, UTC.
fn utc_file() -> Vec<u8> {
    let mut file = b"TZif\0".to_vec();
    file.extend([0; 15]);
    let counts: [u32; 6] = [0, 0, 0, 0, 1, 4];
    file.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    file.extend([0; 6]);
    file.extend(b"UTC\0");
    file
}

fn record(path: &Path, events: &[Event]) {
    let mut writer = recording_file::begin(path, Overwrite::Refuse).unwrap();
    events.iter().for_each(|event| writer.write(event).unwrap());
    writer.finish().unwrap();
}

/// An observation of which every text is hostile.
fn hostile_observation(polled: bool) -> Vec<Event> {
    let text = || TEXT.to_owned();
    let owners = vec![Owner::new(9, text()), Owner::new(10, text())];
    let evil = Listener {
        owners,
        cgroup: Some(format!("/{TEXT}")),
        netns_name: Some(text()),
        netns: 7,
        ..scene::evil()
    };
    let mut events = if polled { scene::polled::overload() } else { scene::oddities(evil.clone()) };
    for event in &mut events {
        match event {
            Event::Started(session) => {
                let session = Arc::make_mut(session);
                (session.version, session.host, session.kernel) = (text(), text(), text());
                for hook in &mut session.hooks {
                    (hook.hook, hook.state, hook.why) = (text(), text(), Some(text()));
                }
                session.hooks[0].rung = if polled { Some(Rung::Counters) } else { session.hooks[0].rung };
                session.sources =
                    SOURCES.iter().map(|row| SourceState::missing(row.source, text())).collect();
            }
            Event::Listener(listener) => {
                *listener = Arc::new(Listener {
                    id: listener.id,
                    keys: listener.keys.clone(),
                    netns: listener.netns,
                    ..evil.clone()
                });
            }
            _ => {}
        }
    }
    events
}

#[test]
fn recordings() {
    let directory = tempfile::tempdir().unwrap();
    for polled in [false, true] {
        let path = directory.path().join(format!("{polled}")).join(name());
        fs::create_dir(path.parent().unwrap()).unwrap();
        record(&path, &hostile_observation(polled));
        let length = path.metadata().unwrap().len();
        for cut in [0, 20] {
            File::options().write(true).open(&path).unwrap().set_len(length - cut).unwrap();
            for arguments in [
                &["report"][..],
                &["report", "--events"],
                &["report", "--interval", "1s"],
                &["report", "--format", "json"],
                &["report", "--format", "json", "--interval", "1s"],
                &["report", "--format", "json", "--events"],
            ] {
                let mut command = coloured(arguments);
                command.arg(&path);
                check(command, Said::Somewhere);
            }
        }
    }
}

/// A listener of a process that has such a name, in a cgroup that has one.
#[test]
fn processes_and_cgroups() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // Of the whole process, as prctl(PR_SET_NAME) in its first thread sets it: 15 bytes.
    fs::write("/proc/self/comm", &b"\x1b]0;t\x07\n\xe2\x80\xae\x1b[5m\xff"[..]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let cgroup = directory.path().join("cgroup");
    fs::write(&cgroup, [b"0::/", &b"a\x1b[5mb\x07\xe2\x80\xaec\xc2\x9b5m\xff"[..], b"\n"].concat()).unwrap();
    let place = format!("/proc/{}/cgroup", std::process::id());
    for arguments in [
        &["listeners"][..],
        &["listeners", "--format", "json"],
        &["hist", "--rung", "counters", "--duration", "100ms"],
        &["hist", "--rung", "counters", "--duration", "100ms", "--format", "json"],
        &["live", "--rung", "counters", "--duration", "100ms"],
        &["live", "--rung", "counters", "--duration", "100ms", "--format", "json"],
        &["listeners", "--cgroup", TEXT],
    ] {
        let mut command = coloured(arguments);
        command.args(["--port", &port]);
        if is_root() {
            command.seeing(&[(&cgroup, &place)]);
        }
        let said = if arguments[0] == "listeners" { Said::Somewhere } else { Said::Perhaps };
        check(command, said);
    }
    if !is_root() {
        skipped("the name of a cgroup needs root");
    }
}

/// What the kernel says of itself.
#[test]
fn the_kernels_own_names() {
    if !is_root() {
        return skipped(NEEDS_ROOT);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    // Text: bytes that are none are refused before they are repeated.
    fs::write(&file, TEXT).unwrap();
    for place in
        ["/proc/sys/kernel/osrelease", "/proc/sys/kernel/hostname", "/sys/devices/system/cpu/possible"]
    {
        for arguments in [
            &["check"][..],
            &["check", "--format", "json"],
            &["hist", "--duration", "100ms"],
            &["hist", "--duration", "100ms", "--format", "json"],
        ] {
            let mut command = coloured(arguments);
            command.seeing(&[(&file, place)]);
            check(command, Said::Perhaps);
        }
    }
}
