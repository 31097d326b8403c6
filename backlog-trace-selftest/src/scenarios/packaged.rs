//! A server and a load generator that nobody here wrote.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::Signal;
use rustix::thread::UnshareFlags;

use crate::arena::Arena;
use crate::child::{self, Child};
use crate::expectation::{Expectation, Expected};
use crate::failure::{Failure, Result};
use crate::network::silence_loopback;
use crate::patience::wait;

const PORT: u16 = 8080;
/// Where nginx keeps its files.
const DIRECTORY: &str = "/tmp";
/// How long the load generator is told to run, in seconds, and may take.
const LOAD_SECONDS: &str = "2";
const LOAD_PATIENCE: Duration = Duration::from_secs(10);

/// nginx with a backlog of four is stopped as by a debugger, and loaded. How
/// many packets that loses only the kernel knows: all must be charged to it.
pub(crate) fn nginx_stopped(arena: &mut Arena) -> Result<Expectation> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let server = nginx(arena)?;
    let inode = listening_inode(PORT)?.unwrap_or(0);
    arena.begin()?;
    server.signal(Signal::STOP)?;
    let mut load = load_generator(arena)?;
    arena.until_moved("ListenOverflows").map_err(|why| {
        Failure::unexpected(format!("the load generator did not fill the queue ({})", load.complaint()), why)
    })?;
    // It may hang on connections that never answer: then dropping it ends it.
    let _ = load.wait(LOAD_PATIENCE);
    drop(load);
    silence_loopback()?;
    let expected = Expected::at(arena.netns(), inode, address)
        .also("ListenOverflows", 1)
        .also("ListenDrops", 1)
        .owner(server.pid());
    arena.keep(server);
    Ok(Expectation::at_least([expected]))
}

fn nginx(arena: &Arena) -> Result<Child> {
    let program = arena.settings.program("nginx").unwrap_or_default();
    let mut version = Child::spawn(Command::new(&program).arg("-V"), "nginx -V")?;
    version.wait(LOAD_PATIENCE)?;
    let built = version.stderr()?;
    let configuration = child::memory("nginx.conf")?;
    configuration
        .write_all_at(configuration_for(&built).as_bytes(), 0)
        .map_err(|why| Failure::unexpected("the configuration of nginx cannot be written", why))?;
    let mut command = Command::new(program);
    command.args(["-p", DIRECTORY, "-c", "/proc/self/fd/0"]);
    with_a_directory_of_its_own(&mut command);
    let mut server = Child::spawn_with(&mut command, "nginx", configuration.into(), None)?;
    let listens =
        wait("nginx to listen", || Ok(server.ended()?.is_some() || listening_inode(PORT)?.is_some()));
    if server.ended()?.is_some() {
        return Err(Failure::unexpected("nginx did not start", server.complaint()));
    }
    listens.map(|()| server)
}

/// Mounts an empty file system over [`DIRECTORY`] that only the child sees and
/// that is gone when it is, whatever ends either process.
fn with_a_directory_of_its_own(command: &mut Command) {
    #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
    // SAFETY: between fork and exec only system calls are made, which allocate
    // nothing and take no lock; the child has no other thread that shares what
    // unshare() leaves.
    unsafe {
        command.pre_exec(|| {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)?;
            // Else the mount would spread to where this namespace came from.
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            Ok(mount("tmpfs", DIRECTORY, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None)?)
        });
    }
}

/// One process, so that stopping it stops the one that accepts. Every path
/// that nginx makes at its start is put below its directory; `built` says
/// which of the modules that make one were left out of this build.
fn configuration_for(built: &str) -> String {
    let modules = ["proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = modules
        .iter()
        .filter(|module| !built.contains(&format!("--without-http_{module}_module")))
        .map(|module| format!("{module}_temp_path {DIRECTORY}/{module}; "))
        .collect();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {DIRECTORY}/pid; error_log stderr;\n\
         events {{ worker_connections 128; }}\n\
         http {{ access_log off; client_body_temp_path {DIRECTORY}/body; {paths}\n\
         server {{ listen 127.0.0.1:{PORT} backlog=4; location / {{ return 204; }} }} }}\n"
    )
}

fn load_generator(arena: &Arena) -> Result<Child> {
    let url = format!("http://127.0.0.1:{PORT}/");
    if let Some(wrk) = arena.settings.program("wrk") {
        let arguments = ["-t", "1", "-c", "32", "-d", LOAD_SECONDS, "--timeout", "1", &url];
        return Child::spawn(Command::new(wrk).args(arguments), "wrk");
    }
    let ab = arena.settings.program("ab").unwrap_or_default();
    Child::spawn(Command::new(ab).args(["-c", "32", "-t", LOAD_SECONDS, "-s", "1", &url]), "ab")
}

/// The inode of the socket that listens on a port, by this namespace's own list.
fn listening_inode(port: u16) -> Result<Option<u64>> {
    let path = "/proc/thread-self/net/tcp";
    let text = std::fs::read_to_string(path)
        .map_err(|why| Failure::unexpected(format!("{path} cannot be read"), why))?;
    Ok(text.lines().find_map(|line| inode_of_listener(line, port)))
}

/// A row: number, local end, remote end, state (0A: listening), four columns
/// of queues and timers, uid, timeout, inode.
fn inode_of_listener(line: &str, port: u16) -> Option<u64> {
    let mut columns = line.split_whitespace();
    let (_, local_port) = columns.nth(1)?.split_once(':')?;
    let is_port = u16::from_str_radix(local_port, 16) == Ok(port);
    let listens = columns.nth(1)? == "0A";
    let inode = columns.nth(5)?.parse().ok()?;
    (is_port && listens).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_was_left_out_gets_no_path() {
        let all = configuration_for("configure arguments: --with-threads");
        assert!(all.contains("uwsgi_temp_path /tmp/uwsgi;") && all.contains("proxy_temp_path /tmp/proxy;"));
        let fewer = configuration_for("configure arguments: --without-http_uwsgi_module");
        assert!(!fewer.contains("uwsgi") && fewer.contains("scgi_temp_path /tmp/scgi;"));
    }

    #[track_caller]
    fn check(line: &str, inode: Option<u64>) {
        assert_eq!(inode_of_listener(line, 8080), inode, "{line}");
    }

    #[test]
    fn rows_of_the_kernels_list() {
        let row = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 71234 1";
        check(row, Some(71234));
        check(&row.replace("1F90", "1F91"), None);
        check(&row.replace(" 0A ", " 01 "), None);
        check(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
            None,
        );
        check("", None);
    }
}
