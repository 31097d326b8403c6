//! The real program, started under odd circumstances, and what it leaves in
//! the kernel.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fmt::Debug;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aya::maps::loaded_maps;
use aya::programs::{loaded_links, loaded_programs};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_remount};
use rustix::process::{Gid, Resource, Rlimit, Uid, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

pub(crate) mod attack;
pub(crate) mod skipped;

/// Where the kernel publishes its types.
pub(crate) const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Nobody, as Linux numbers it.
pub(crate) const NOBODY: u32 = 65534;

/// The program: as cargo has built it, or as a guest has it.
pub(crate) fn tool(arguments: &[&str]) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_backlog-trace"));
    let mut command = Command::new(if built.exists() { built } else { Path::new("/bin/backlog-trace") });
    command.args(arguments).env("TZ", "UTC").env_remove("BACKLOG_TRACE_LOG").stdin(Stdio::null());
    command.with_default_signals();
    command
}

/// What standard error says beside the steps that a start tells where it takes
/// seconds, as it does in an emulated guest.
pub(crate) fn beside_steps(said: &str) -> String {
    let is_step = |line: &str| {
        line.strip_prefix("backlog-trace: ").is_some_and(|what| what.ends_with('…') || what == OBSERVING)
    };
    said.split_inclusive('\n').filter(|line| !is_step(line.trim_end())).collect()
}

/// The end of a slow start.
const OBSERVING: &str = "observing; press Ctrl-C to end";

/// Whether nobody can be made to run this program where cargo has built it.
///
/// # Errors
/// Why not, as a skipped test says it.
pub(crate) fn may_be_nobody(command: &Command) -> Result<(), &'static str> {
    if !skipped::is_root() {
        return Err(skipped::NEEDS_ROOT);
    }
    let mut same = Command::new(command.get_program());
    same.arg("--version").stdout(Stdio::null()).uid(NOBODY).gid(NOBODY);
    same.status().map(drop).map_err(|_| "needs a folder of the build that nobody may look into")
}

/// What is done to a child between fork and exec.
pub(crate) trait Circumstances {
    /// Runs `change` in the child. It must call nothing that takes locks.
    fn in_child(&mut self, change: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> &mut Self;

    /// With signals as a terminal's shell gives them, whatever has started the
    /// tests: nohup and a script's `&` have some of them ignored.
    fn with_default_signals(&mut self) -> &mut Self {
        self.in_child(|| {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                #[expect(unsafe_code, reason = "signal has no safe form")]
                // SAFETY: the default disposition runs no code of this process.
                unsafe {
                    libc::signal(signal, libc::SIG_DFL);
                }
            }
            Ok(())
        })
    }

    /// Without these capabilities, even as root.
    fn without(&mut self, capabilities: &'static [CapabilitySet]) -> &mut Self {
        self.in_child(|| {
            capabilities.iter().try_for_each(|capability| {
                // Root gains at exec what the bounding set still has.
                remove_capability_from_bounding_set(*capability).map_err(io::Error::from)
            })
        })
    }

    /// As nobody, with these capabilities and no others.
    fn as_nobody_with(&mut self, capabilities: CapabilitySet) -> &mut Self {
        self.in_child(move || {
            let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            set_keep_capabilities(true)?;
            set_thread_groups(&[])?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            let sets = CapabilitySets {
                effective: capabilities,
                permitted: capabilities,
                inheritable: capabilities,
            };
            set_capabilities(None, sets)?;
            // Ambient ones are what a program without any of its own keeps.
            capabilities
                .iter()
                .try_for_each(|one| configure_capability_in_ambient_set(one, true).map_err(io::Error::from))
        })
    }

    /// With this limit on locked memory, in bytes.
    fn with_memlock(&mut self, bytes: u64) -> &mut Self {
        self.in_child(move || {
            let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
            setrlimit(Resource::Memlock, limit).map_err(io::Error::from)
        })
    }

    /// In a user namespace below the initial one, as in a rootless container.
    fn in_user_namespace(&mut self) -> &mut Self {
        self.in_child(|| leave(UnshareFlags::NEWUSER))
    }

    /// In a network namespace of its own, in which nobody listens.
    fn in_network_namespace(&mut self) -> &mut Self {
        self.in_child(|| leave(UnshareFlags::NEWNET))
    }

    /// With a /proc of its own that is mounted with these options (proc(5)), or
    /// with an empty directory in its place.
    fn with_proc(&mut self, options: Option<&'static CStr>) -> &mut Self {
        self.in_child(move || {
            leave(UnshareFlags::NEWNS)?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            let kind = if options.is_some() { "proc" } else { "tmpfs" };
            mount(kind, "/proc", kind, MountFlags::empty(), options).map_err(io::Error::from)
        })
    }

    /// Where the kernel has no `sock_diag`: socket() answers as it does there.
    fn without_sock_diag(&mut self) -> &mut Self {
        self.in_child(refuse_sock_diag)
    }

    /// Where this system call answers with an error; only with this first
    /// argument, where one is given.
    fn refusing(&mut self, call: libc::c_long, first: Option<u32>, errno: i32) -> &mut Self {
        self.in_child(move || refuse(call, first, errno))
    }

    /// With this limit, as the soft and the hard one.
    fn limited(&mut self, resource: Resource, limit: u64) -> &mut Self {
        self.in_child(move || {
            let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
            setrlimit(resource, limit).map_err(io::Error::from)
        })
    }

    /// With empty directories in these places, seen by this process alone.
    fn hiding(&mut self, places: &'static [&'static CStr]) -> &mut Self {
        self.in_child(move || {
            own_mounts()?;
            places.iter().try_for_each(|place| {
                mount(c"tmpfs", *place, c"tmpfs", MountFlags::empty(), None).map_err(io::Error::from)
            })
        })
    }

    /// Where these mounts can be read only, for this process alone.
    fn read_only(&mut self, places: &'static [&'static CStr]) -> &mut Self {
        self.in_child(move || {
            own_mounts()?;
            places.iter().try_for_each(|place| {
                mount_remount(*place, MountFlags::BIND | MountFlags::RDONLY, c"").map_err(io::Error::from)
            })
        })
    }

    /// With other files in the places of some, seen by this process alone.
    fn seeing(&mut self, files: &[(&Path, &str)]) -> &mut Self {
        let files: Vec<(PathBuf, PathBuf)> =
            files.iter().map(|(file, place)| (file.to_path_buf(), PathBuf::from(place))).collect();
        self.in_child(move || {
            leave(UnshareFlags::NEWNS)?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            files.iter().try_for_each(|(file, place)| mount_bind(file, place).map_err(io::Error::from))
        })
    }
}

impl Circumstances for Command {
    fn in_child(&mut self, change: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> &mut Self {
        #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
        // SAFETY: every `change` of this module makes system calls and takes no
        // lock that another thread could have held at the fork.
        unsafe {
            self.pre_exec(change)
        }
    }
}

/// From now on `socket(AF_NETLINK, …, NETLINK_SOCK_DIAG)` fails with
/// `EPROTONOSUPPORT`, as in a kernel without CONFIG_INET_DIAG and in sandboxes.
fn refuse_sock_diag() -> io::Result<()> {
    const FAMILY: u32 = 16;
    const PROTOCOL: u32 = 32;
    filter_calls(&mut [
        load(0),
        unless(u32::try_from(libc::SYS_socket).unwrap_or(u32::MAX), 5),
        load(FAMILY),
        unless(libc::AF_NETLINK.unsigned_abs(), 3),
        load(PROTOCOL),
        unless(libc::NETLINK_SOCK_DIAG.unsigned_abs(), 1),
        answer(libc::EPROTONOSUPPORT),
        step(0x06, libc::SECCOMP_RET_ALLOW, 0, 0),
    ])
}

/// From now on this system call fails so, where its first argument is as given
/// or none is; as the profiles of containers and sandboxes have it.
fn refuse(call: libc::c_long, first: Option<u32>, errno: i32) -> io::Result<()> {
    const FIRST: u32 = 16;
    // Without a condition, a value that is there is compared with itself.
    let number = u32::try_from(call).unwrap_or(u32::MAX);
    let (place, value) = first.map_or((0, number), |value| (FIRST, value));
    filter_calls(&mut [
        load(0),
        unless(number, 3),
        load(place),
        unless(value, 1),
        answer(errno),
        step(0x06, libc::SECCOMP_RET_ALLOW, 0, 0),
    ])
}

const fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

const fn load(place: u32) -> libc::sock_filter {
    step(0x20, place, 0, 0)
}

const fn unless(value: u32, skip: u8) -> libc::sock_filter {
    step(0x15, value, 0, skip)
}

const fn answer(errno: i32) -> libc::sock_filter {
    step(0x06, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(), 0, 0)
}

/// Restricts this process and what it starts, for good.
fn filter_calls(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len()).unwrap_or(0), filter: filter.as_mut_ptr() };
    #[expect(unsafe_code, reason = "seccomp has no safe form")]
    // SAFETY: both calls read their arguments alone, of which the program and its
    // steps live until they return.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if set { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// From now on mounts are this process's own.
fn own_mounts() -> io::Result<()> {
    leave(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(())
}

fn leave(namespace: UnshareFlags) -> io::Result<()> {
    #[expect(unsafe_code, reason = "unshare has no safe form, though these flags are harmless")]
    // SAFETY: the file table, about which the function warns, is not touched.
    let left = unsafe { unshare_unsafe(namespace) };
    left.map_err(io::Error::from)
}

/// A copy of this kernel's types in which a name reads otherwise, so that
/// what has that name seems to be missing.
pub(crate) fn types_without(name: &str, directory: &Path) -> PathBuf {
    let mut types = std::fs::read(BTF).unwrap();
    let whole = [b"\0", name.as_bytes(), b"\0"].concat();
    let at = types.windows(whole.len()).position(|bytes| bytes == whole).unwrap();
    types[at + 1] = b'X';
    let path = directory.join(name);
    std::fs::write(&path, types).unwrap();
    path
}

/// What a program can leave behind: kind and name.
pub(crate) struct Loaded {
    things: BTreeSet<(&'static str, String)>,
    look: fn() -> BTreeSet<(&'static str, String)>,
}

impl Loaded {
    /// What eBPF has in the kernel.
    pub(crate) fn now() -> Self {
        Self { things: loaded(), look: loaded }
    }

    /// That, and network namespaces, processes of the tool and temporary files:
    /// where no other test is at work beside this one.
    pub(crate) fn everything() -> Self {
        Self { things: everything(), look: everything }
    }

    /// What kinds of things have come since.
    pub(crate) fn new_kinds(&self) -> Vec<&'static str> {
        let now = (self.look)();
        let kinds: BTreeSet<_> = now.difference(&self.things).map(|(kind, _)| *kind).collect();
        kinds.into_iter().collect()
    }

    /// Nothing has come since that stays. The kernel frees some of it a grace
    /// period later, and others on this machine may be at work.
    #[track_caller]
    pub(crate) fn check_nothing_stayed(&self, after: &dyn Debug) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut new: BTreeSet<_> = (self.look)().difference(&self.things).cloned().collect();
        while !new.is_empty() {
            assert!(Instant::now() < deadline, "{new:?} stayed after {after:?}");
            std::thread::sleep(Duration::from_millis(50));
            new = new.intersection(&(self.look)()).cloned().collect();
        }
    }
}

fn loaded() -> BTreeSet<(&'static str, String)> {
    // What goes away between being listed and being looked at is no concern.
    let programs = loaded_programs().filter_map(Result::ok).map(|program| ("program", program.id()));
    let maps = loaded_maps().filter_map(Result::ok).map(|map| ("map", map.id()));
    let links = loaded_links().filter_map(Result::ok).map(|link| ("link", link.id()));
    programs.chain(maps).chain(links).map(|(kind, id)| (kind, id.to_string())).collect()
}

fn everything() -> BTreeSet<(&'static str, String)> {
    let mut things = loaded();
    let names = |place: &str| {
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    for place in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/netns", "/sys/fs/bpf"] {
        things.extend(names(place).into_iter().map(|path| ("file", path.display().to_string())));
    }
    for process in names("/proc") {
        let Ok(comm) = std::fs::read_to_string(process.join("comm")) else { continue };
        if comm.trim_end() == "backlog-trace" {
            things.insert(("process", process.display().to_string()));
        }
        for thread in names(&process.join("task").display().to_string()) {
            if let Ok(namespace) = std::fs::read_link(thread.join("ns/net")) {
                things.insert(("namespace", namespace.display().to_string()));
            }
        }
    }
    things
}
