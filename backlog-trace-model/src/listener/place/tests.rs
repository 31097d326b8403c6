//! Paths as each runtime makes them, with both cgroup drivers, and worse ones.

use proptest::prelude::*;

use super::*;

const ID: &str = "3f2a91b0c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f";
const OTHER: &str = "aa11bb22cc33dd44ee55ff660718293a4b5c6d7e8f90a1b2c3d4e5f60718293a";
const UID: &str = "1234abcd-56ef-4a78-9b01-23456789abcd";

/// A path in which `ID`, `OTHER`, `UID` and `U_I_D` (the uid as a slice has it) stand
/// for numbers, and what is read from it: unit, container with its runtime, pod, and
/// what a person sees.
struct Case {
    path: &'static str,
    unit: Option<&'static str>,
    container: Option<(&'static str, Option<Runtime>)>,
    is_pod: bool,
    short: Option<&'static str>,
}

fn filled(text: &str) -> String {
    let text = text.replace("U_I_D", &UID.replace('-', "_")).replace("UID", UID);
    text.replace("OTHER", OTHER).replace("ID", ID)
}

#[track_caller]
fn check(cases: &[Case]) {
    for Case { path, unit, container, is_pod, short } in cases {
        let path = filled(path);
        let place = Place::of(&path);
        assert_eq!(place.unit, *unit, "{path}");
        let found = place.container.as_ref().map(|container| (&*container.id, container.runtime));
        let expected = container.map(|(id, runtime)| (filled(id), runtime));
        assert_eq!(found, expected.as_ref().map(|(id, runtime)| (id.as_str(), *runtime)), "{path}");
        assert_eq!(place.pod.as_ref().map(|pod| pod.uid.as_str()), is_pod.then_some(UID), "{path}");
        assert_eq!(place.short().as_deref(), *short, "{path}");
    }
}

const fn unit(path: &'static str, unit: Option<&'static str>, short: Option<&'static str>) -> Case {
    Case { path, unit, container: None, is_pod: false, short }
}

const fn container(path: &'static str, runtime: Runtime, short: &'static str) -> Case {
    Case { path, unit: None, container: Some(("ID", Some(runtime))), is_pod: false, short: Some(short) }
}

const fn pod(path: &'static str, runtime: Option<Runtime>) -> Case {
    let short = Some("pod 1234abcd… / container 3f2a91b0c4d5");
    Case { path, unit: None, container: Some(("ID", runtime)), is_pod: true, short }
}

const fn machine(
    path: &'static str,
    unit: Option<&'static str>,
    runtime: Runtime,
    short: &'static str,
) -> Case {
    Case { path, unit, container: Some(("web-1", Some(runtime))), is_pod: false, short: Some(short) }
}

#[test]
fn units_of_systemd() {
    let same = |path, name| unit(path, Some(name), Some(name));
    check(&[
        same("/system.slice/nginx.service", "nginx.service"),
        same("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        same(
            "/system.slice/system-postgresql.slice/postgresql@15-main.service",
            "postgresql@15-main.service",
        ),
        same("/system.slice/nginx.service/workers", "nginx.service"),
        same("/system.slice/a.service/b.service", "a.service"),
        same("/system.slice/_cpu.service", "cpu.service"),
        same("/system.slice/ssh.socket", "ssh.socket"),
        same("/system.slice/my\\x2dapp.service", "my\\x2dapp.service"),
        same("/init.scope", "init.scope"),
        same("/../../system.slice/nginx.service", "nginx.service"),
        same("/system.slice/nginx.service (deleted)", "nginx.service"),
        same("/web.slice/web-front.slice", "web-front.slice"),
        unit("/", None, None),
        unit("/custom/place", None, None),
        unit("", None, None),
    ]);
}

#[test]
fn units_of_users() {
    check(&[
        unit(
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
            Some("web.service"),
            Some("web.service of user 1000"),
        ),
        unit(
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.kde.konsole.slice/vte-7.scope",
            Some("vte-7.scope"),
            Some("vte-7.scope of user 1000"),
        ),
        unit(
            "/user.slice/user-0.slice/session-3.scope",
            Some("session-3.scope"),
            Some("session-3.scope of user 0"),
        ),
        unit(
            "/user.slice/user-1000.slice/user@1000.service",
            Some("user@1000.service"),
            Some("user@1000.service of user 1000"),
        ),
    ]);
    assert_eq!(Place::of("/user.slice/user-1000.slice/session-3.scope").user, Some(1000));
}

#[test]
fn containers() {
    check(&[
        container("/system.slice/docker-ID.scope", Runtime::Docker, "docker 3f2a91b0c4d5"),
        container("/docker/ID", Runtime::Docker, "docker 3f2a91b0c4d5"),
        container("/system.slice:docker:ID", Runtime::Docker, "docker 3f2a91b0c4d5"),
        container("/system.slice/docker.service/docker/ID", Runtime::Docker, "docker 3f2a91b0c4d5"),
        container("/system.slice/nerdctl-ID.scope", Runtime::Containerd, "containerd 3f2a91b0c4d5"),
        container("/machine.slice/libpod-ID.scope/container", Runtime::Podman, "podman 3f2a91b0c4d5"),
        container("/machine.slice/libpod-ID.scope", Runtime::Podman, "podman 3f2a91b0c4d5"),
        container("/libpod_parent/libpod-ID", Runtime::Podman, "podman 3f2a91b0c4d5"),
        container(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            Runtime::Podman,
            "podman 3f2a91b0c4d5",
        ),
        container("/docker/OTHER/docker/ID", Runtime::Docker, "docker 3f2a91b0c4d5"),
        Case {
            unit: Some("web.service"),
            ..container(
                "/system.slice/web.service/libpod-payload-ID",
                Runtime::Podman,
                "podman 3f2a91b0c4d5 / web.service",
            )
        },
        Case {
            unit: Some("nginx.service"),
            ..container(
                "/system.slice/docker-ID.scope/system.slice/nginx.service",
                Runtime::Docker,
                "docker 3f2a91b0c4d5 / nginx.service",
            )
        },
        Case {
            unit: Some("a.service"),
            ..container(
                "/system.slice/web.service/libpod-payload-ID/system.slice/a.service/b.service",
                Runtime::Podman,
                "podman 3f2a91b0c4d5 / a.service",
            )
        },
        Case {
            path: "/default/ID",
            unit: None,
            container: Some(("ID", None)),
            is_pod: false,
            short: Some("container 3f2a91b0c4d5"),
        },
        // What watches a container is outside of it.
        unit(
            "/machine.slice/libpod-conmon-3f2a91b0c4d5.scope",
            Some("libpod-conmon-3f2a91b0c4d5.scope"),
            Some("libpod-conmon-3f2a91b0c4d5.scope"),
        ),
        unit("/docker/short", None, None),
    ]);
}

#[test]
fn pods() {
    check(&[
        pod(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice/cri-containerd-ID.scope",
            Some(Runtime::Containerd),
        ),
        pod("/kubepods.slice/kubepods-podU_I_D.slice/crio-ID.scope", Some(Runtime::CriO)),
        pod("/kubepods.slice/kubepods-podU_I_D.slice/crio-ID.scope/container", Some(Runtime::CriO)),
        pod(
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_I_D.slice/docker-ID.scope",
            Some(Runtime::Docker),
        ),
        pod("/kubepods/burstable/podUID/ID", None),
        pod("/kubepods/besteffort/podUID/crio-ID", Some(Runtime::CriO)),
        pod("/kubepods/podUID/ID", None),
        pod("/kubelet/kubepods/burstable/podUID/ID", None),
        pod(
            "/system.slice/containerd.service/kubepods-burstable-podU_I_D.slice:cri-containerd:ID",
            Some(Runtime::Containerd),
        ),
        pod(
            "/docker/OTHER/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_I_D.slice/cri-containerd-ID.scope",
            Some(Runtime::Containerd),
        ),
        pod("/docker/OTHER/kubelet/kubepods/podUID/ID", None),
        Case {
            path: "/kubepods/burstable/podUID",
            unit: None,
            container: None,
            is_pod: true,
            short: Some("pod 1234abcd…"),
        },
        unit("/podUID", None, None),
        unit("/kubepods/podx", None, None),
    ]);
}

#[test]
fn quality_of_service() {
    for (path, expected) in [
        ("/kubepods/podUID", Quality::Guaranteed),
        ("/kubepods/burstable/podUID", Quality::Burstable),
        ("/kubepods/besteffort/podUID", Quality::BestEffort),
        ("/kubepods-podU_I_D.slice", Quality::Guaranteed),
        ("/kubelet-kubepods-podU_I_D.slice", Quality::Guaranteed),
        ("/kubepods-burstable-podU_I_D.slice", Quality::Burstable),
        ("/kubepods-besteffort-podU_I_D.slice", Quality::BestEffort),
    ] {
        assert_eq!(Place::of(&filled(path)).pod.map(|pod| pod.quality), Some(expected), "{path}");
    }
}

#[test]
fn machines() {
    let nginx = Some("nginx.service");
    check(&[
        machine("/lxc/web-1", None, Runtime::Lxc, "lxc web-1"),
        machine("/lxc.payload.web-1", None, Runtime::Lxc, "lxc web-1"),
        machine("/lxc.payload/web-1", None, Runtime::Lxc, "lxc web-1"),
        machine(
            "/lxc.payload.web-1/system.slice/nginx.service",
            nginx,
            Runtime::Lxc,
            "lxc web-1 / nginx.service",
        ),
        machine("/lxc/web-1/ns/system.slice/nginx.service", nginx, Runtime::Lxc, "lxc web-1 / nginx.service"),
        machine(
            "/machine.slice/systemd-nspawn@web\\x2d1.service/payload/system.slice/nginx.service",
            nginx,
            Runtime::Nspawn,
            "systemd-nspawn web-1 / nginx.service",
        ),
        machine(
            "/machine.slice/machine-web\\x2d1.scope/payload",
            None,
            Runtime::Nspawn,
            "systemd-nspawn web-1",
        ),
        unit(
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
            Some("machine-qemu\\x2d1\\x2dvm.scope"),
            Some("machine-qemu\\x2d1\\x2dvm.scope"),
        ),
        unit("/lxc.monitor.web-1", None, None),
        unit("/lxc/", None, None),
    ]);
}

#[test]
fn a_network_namespace_is_its_pods_or_its_containers() {
    for (path, expected) in [
        ("/kubepods/burstable/podUID/ID", Some("pod 1234abcd…")),
        ("/docker/ID", Some("docker 3f2a91b0c4d5")),
        ("/lxc.payload.web-1/system.slice/nginx.service", Some("lxc web-1")),
        ("/system.slice/nginx.service", None),
        ("/", None),
    ] {
        assert_eq!(Place::of(&filled(path)).netns().as_deref(), expected, "{path}");
    }
}

#[test]
fn what_is_not_there_is_not_written() {
    let json = |path: &str| serde_json::to_string(&Place::of(&filled(path))).unwrap();
    assert_eq!(json("/"), "{}");
    assert_eq!(json("/system.slice/nginx.service"), r#"{"unit":"nginx.service"}"#);
    let of_pod = format!(r#"{{"container":{{"id":"{ID}"}},"pod":{{"uid":"{UID}"}}}}"#);
    assert_eq!(json("/kubepods/podUID/ID"), of_pod);
    for runtime in [Runtime::Docker, Runtime::CriO, Runtime::Nspawn, Runtime::Podman, Runtime::Containerd] {
        assert_eq!(serde_json::to_value(runtime).unwrap(), runtime.name());
    }
}

proptest! {
    #[test]
    fn any_path_is_read_without_panic(path: String, parts in prop::collection::vec(any_part(), 0..8)) {
        for path in [path, parts.concat()] {
            let place = Place::of(&path);
            let _ = (place.short(), place.netns());
            // Nothing is made up.
            prop_assert!(place.unit.is_none_or(|unit| path.contains(unit)));
        }
    }
}

/// Pieces that paths of all runtimes consist of, and some that none has.
fn any_part() -> impl Strategy<Value = String> {
    let pieces = [
        "/",
        "docker",
        "-",
        ":",
        ".scope",
        ".service",
        ".slice",
        "kubepods",
        "pod",
        "lxc",
        "lxc.payload.",
        "systemd-nspawn@",
        "machine-",
        "\\x2d",
        "libpod-",
        "user@",
        "user-",
        "_",
        " (deleted)",
        "é",
        ID,
        UID,
    ];
    prop_oneof![prop::sample::select(pieces.map(str::to_owned).to_vec()), any::<String>()]
}
