//! Booting a guest and waiting for its end.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::console;
use super::initramfs::{self, GuestFile};
use super::kernel::Prepared;
use super::qemu::Qemu;
use crate::workspace;

/// One guest: what to boot and what to run in it.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    /// Image and modules.
    pub(crate) kernel: &'a Prepared,
    /// Processors.
    pub(crate) processors: u32,
    /// Memory in MiB.
    pub(crate) memory: u32,
    /// More for the kernel's command line.
    pub(crate) append: &'a str,
    /// Files beside busybox and `/init`.
    pub(crate) files: &'a [GuestFile],
    /// The command and its arguments.
    pub(crate) command: Vec<String>,
    /// After this long the guest is stopped and the run has failed.
    pub(crate) limit: Duration,
    /// One guest instruction takes one nanosecond of guest time, one processor.
    pub(crate) counted: bool,
    /// Also show the command's output as it comes, and the console on stderr.
    pub(crate) live: bool,
}

/// Every feature but fast `rep movsb` and `rep stosb`. Where a processor has
/// them the kernel copies and clears memory by them (clear_page_erms(),
/// memcpy(), 5.10 to 7.2), and the emulator does that byte by byte: a tenth of
/// what a start of the tool takes.
const WORD_BY_WORD: &str = "max,erms=off,fsrm=off";

/// How a guest's command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit status as the guest's shell saw it (128 + signal when killed).
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Kernel messages and the command's standard error.
    pub(crate) console: String,
}

/// Boots, runs the command, and waits for the guest to power off.
///
/// # Errors
/// When the guest's kernel is in trouble, the time is over, or QEMU fails.
/// A command that fails is no error but a status.
pub(crate) fn run(qemu: &Qemu, guest: &Guest<'_>) -> Result<Outcome> {
    hear(qemu, guest, &mut |_| {})
}

/// The same, and passes on each line of the command's output as it comes.
///
/// # Errors
/// As above.
pub(crate) fn hear(qemu: &Qemu, guest: &Guest<'_>, heard: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let place = scratch()?;
    let token = format!("backlog-trace-exit-{}", unique());
    let archive = initramfs::build(guest.kernel, guest.files, Some(&guest.command), &token)?;
    let initramfs = place.path().join("initramfs");
    fs::write(&initramfs, archive)?;
    let console = place.path().join("console");
    let mut command = machine(qemu, guest, &initramfs);
    command
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-serial", "stdio", "-monitor", "none"]);
    let mut child =
        Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let output = child.0.stdout.take().context("QEMU's output was not connected")?;
    let errors = child.0.stderr.take().context("QEMU's error output was not connected")?;
    let (lines, told) = mpsc::channel();
    let channel = collect(output, guest.live.then(|| token.clone()), Some(lines));
    let said = collect(errors, None, None);
    let ended =
        wait(&mut child.0, &console, guest, &mut || told.try_iter().for_each(|line: String| heard(&line)));
    // Ends QEMU where it still runs, so that the readers end too.
    drop(child);
    let channel = channel.recv().unwrap_or_default();
    told.try_iter().for_each(|line| heard(&line));
    let said = String::from_utf8_lossy(&said.recv().unwrap_or_default()).into_owned();
    let console = read_console(&console);
    let failed = |why: &str| {
        anyhow::anyhow!(
            "{why}\nlast lines of its output:\n{}\nlast lines of its console:\n{}\n{}",
            tail(&String::from_utf8_lossy(&channel)),
            tail(&console),
            said.trim_end()
        )
    };
    ended.map_err(|error| failed(&format!("{error:#}")))?;
    let (stdout, status) = console::split(&channel, &token)
        .ok_or_else(|| failed("the guest powered off before its command had ended"))?;
    Ok(Outcome { status, stdout: String::from_utf8_lossy(&stdout).into_owned(), console })
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}

/// Boots to a shell on this terminal.
pub(crate) fn interactive(qemu: &Qemu, guest: &Guest<'_>) -> Result<()> {
    let place = scratch()?;
    let initramfs = place.path().join("initramfs");
    fs::write(&initramfs, initramfs::build(guest.kernel, guest.files, None, "")?)?;
    eprintln!("a shell in the guest; `exit` ends it, Ctrl-A X kills it");
    let status = machine(qemu, guest, &initramfs)
        .args(["-serial", "mon:stdio"])
        .status()
        .context("QEMU could not be started")?;
    if !status.success() {
        bail!("QEMU ended with {status}");
    }
    Ok(())
}

fn machine(qemu: &Qemu, guest: &Guest<'_>, initramfs: &Path) -> Command {
    let mut command = qemu.command();
    if guest.counted {
        // icount needs the single-threaded emulator.
        command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-smp", "1"]);
        command.args(["-cpu", "max"]);
    } else {
        command.args(["-accel", "tcg,thread=multi", "-smp", &guest.processors.to_string()]);
        command.args(["-cpu", WORD_BY_WORD]);
    }
    command
        .args(["-m", &guest.memory.to_string()])
        .arg("-kernel")
        .arg(&guest.kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .arg("-append")
        .arg(format!("console=ttyS0 quiet panic=-1 {}", guest.append));
    command
}

/// A QEMU that does not outlive this value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn().context("QEMU could not be started")?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait(child: &mut Child, console: &Path, guest: &Guest<'_>, listen: &mut dyn FnMut()) -> Result<()> {
    let started = Instant::now();
    let mut shown = 0;
    loop {
        let ended = child.try_wait()?;
        listen();
        let text = read_console(console);
        if guest.live
            && let Some(new) = text.get(shown..)
        {
            eprint!("{new}");
            shown = text.len();
        }
        if let Some(meaning) = console::trouble(&text) {
            bail!("{meaning}");
        }
        match ended {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("QEMU ended with {status}"),
            None => {}
        }
        if started.elapsed() > guest.limit {
            bail!("the guest did not end within {} s", guest.limit.as_secs());
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn read_console(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).replace('\r', "")
}

/// Reads a stream to its end in a thread of its own; shows it on the way up to
/// the line with the token, and passes each line on to whoever listens.
fn collect(
    mut stream: impl std::io::Read + Send + 'static,
    show: Option<String>,
    lines: Option<mpsc::Sender<String>>,
) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        let (mut shown, mut told) = (0, 0);
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            all.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if let Some(token) = &show {
                shown = show_whole_lines(&all, shown, token);
            }
            if let Some(lines) = &lines {
                told = tell_whole_lines(&all, told, lines);
            }
        }
        // The receiver waits unless the run has failed already.
        let _ = sender.send(all);
    });
    receiver
}

fn show_whole_lines(all: &[u8], shown: usize, token: &str) -> usize {
    let new = all.get(shown..).unwrap_or_default();
    let Some(end) = new.iter().rposition(|&byte| byte == b'\n') else { return shown };
    let lines = new.get(..=end).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        if !line.starts_with(token.as_bytes()) {
            // A reader that went away does not end the guest.
            let _ = out.write_all(line);
        }
    }
    let _ = out.flush();
    shown + end + 1
}

fn tell_whole_lines(all: &[u8], told: usize, lines: &mpsc::Sender<String>) -> usize {
    let new = all.get(told..).unwrap_or_default();
    let Some(end) = new.iter().rposition(|&byte| byte == b'\n') else { return told };
    let whole = new.get(..end).unwrap_or_default();
    for line in whole.split(|&byte| byte == b'\n') {
        // Whoever listens may have failed.
        let _ = lines.send(String::from_utf8_lossy(line).replace('\r', ""));
    }
    told + end + 1
}

fn scratch() -> Result<tempfile::TempDir> {
    let directory = workspace::target().join("vm/run");
    fs::create_dir_all(&directory)?;
    Ok(tempfile::tempdir_in(directory)?)
}

/// Different for each run on this machine.
fn unique() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_nanos()) ^ u128::from(std::process::id())
}
