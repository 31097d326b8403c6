//! How applications are told their backlog: by the name of the process, the line
//! of its configuration, what makes it take effect, and where that is documented.

use crate::listener::Listener;

/// One application.
#[derive(Debug)]
pub struct Application {
    /// What people call it.
    pub name: &'static str,
    /// Names of its processes (`comm`), as the kernel keeps them: 15 bytes at most.
    pub processes: &'static [&'static str],
    /// The line; `{}` stands for the backlog.
    pub line: &'static str,
    /// What makes it take effect.
    pub takes_effect: &'static str,
    /// Where that is documented, or which line of its source does it.
    pub source: &'static str,
}

/// Those that are known.
pub const APPLICATIONS: &[Application] = &[
    Application {
        name: "nginx",
        processes: &["nginx", "openresty"],
        line: "listen PORT backlog={};",
        takes_effect: "nginx -s reload",
        source: "ngx_http_core_module: listen (511 by default); a reload calls listen() anew where it changed (change_backlog, ngx_cycle.c)",
    },
    Application {
        name: "Apache",
        processes: &["apache2", "httpd"],
        line: "ListenBacklog {}",
        takes_effect: "restart it",
        source: "mpm_common: ListenBacklog (511 by default)",
    },
    Application {
        name: "HAProxy",
        processes: &["haproxy"],
        line: "backlog {}",
        takes_effect: "in the frontend, or in defaults; then reload it",
        source: "configuration manual, 4.2: backlog (maxconn of the frontend by default)",
    },
    Application {
        name: "Envoy",
        processes: &["envoy"],
        line: "tcp_backlog_size: {}",
        takes_effect: "in the listener's configuration; then restart it",
        source: "config.listener.v3.Listener: tcp_backlog_size (128 on Linux unless net.core.somaxconn can be read)",
    },
    Application {
        name: "lighttpd",
        processes: &["lighttpd"],
        line: "server.listen-backlog = {}",
        takes_effect: "restart it",
        source: "server.listen-backlog (1024 by default)",
    },
    Application {
        name: "Varnish",
        processes: &["varnishd", "cache-main"],
        line: "varnishd -p listen_depth={}",
        takes_effect: "restart it",
        source: "varnishd(1): listen_depth (1024 by default)",
    },
    Application {
        name: "gunicorn",
        processes: &["gunicorn", "gunicorn3"],
        line: "gunicorn --backlog {}",
        takes_effect: "restart it",
        source: "settings: backlog (2048 by default)",
    },
    Application {
        name: "uvicorn",
        processes: &["uvicorn"],
        line: "uvicorn --backlog {}",
        takes_effect: "restart it",
        source: "settings: --backlog (2048 by default)",
    },
    Application {
        name: "uWSGI",
        processes: &["uwsgi"],
        line: "listen = {}",
        takes_effect: "restart it; it does not start where this is above somaxconn",
        source: "options: listen (100 by default)",
    },
    Application {
        name: "Puma",
        processes: &["puma"],
        line: "bind 'tcp://0.0.0.0:PORT?backlog={}'",
        takes_effect: "restart it",
        source: "Puma::DSL#bind: backlog (1024 by default)",
    },
    Application {
        name: "PHP-FPM",
        processes: &["php-fpm", "php-fpm7.4", "php-fpm8.1", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4"],
        line: "listen.backlog = {}",
        takes_effect: "in the pool's configuration; then restart it",
        source: "php-fpm.conf: listen.backlog (511 by default)",
    },
    Application {
        name: "Redis or Valkey",
        processes: &["redis-server", "valkey-server"],
        line: "tcp-backlog {}",
        takes_effect: "restart it: CONFIG SET does not change it",
        source: "redis.conf: tcp-backlog (511 by default)",
    },
    Application {
        name: "memcached",
        processes: &["memcached"],
        line: "memcached -b {}",
        takes_effect: "restart it",
        source: "memcached(1): -b, --listen-backlog (1024 by default)",
    },
    Application {
        name: "MySQL or MariaDB",
        processes: &["mysqld", "mariadbd"],
        line: "back_log = {}",
        takes_effect: "in [mysqld]; then restart it",
        source: "server system variables: back_log (max_connections by default, or less)",
    },
    Application {
        name: "PostgreSQL",
        processes: &["postgres", "postmaster"],
        line: "max_connections = half of {}, or more",
        takes_effect: "restart it: the backlog is twice max_connections, and has no setting of its own",
        source: "ListenServerPort(), pqcomm.c: maxconn = MaxConnections * 2",
    },
    Application {
        name: "PgBouncer",
        processes: &["pgbouncer"],
        line: "listen_backlog = {}",
        takes_effect: "restart it",
        source: "pgbouncer.ini: listen_backlog (128 by default)",
    },
    Application {
        name: "node",
        processes: &["node", "nodejs", "MainThread"],
        line: "server.listen({ port: PORT, backlog: {} })",
        takes_effect: "restart it",
        source: "net.Server: server.listen(), backlog (511 by default)",
    },
    Application {
        name: "Java",
        processes: &["java"],
        line: "acceptCount=\"{}\" (Tomcat), server.tomcat.accept-count={} (Spring Boot), SO_BACKLOG {} (Netty), new ServerSocket(PORT, {})",
        takes_effect: "restart it",
        source: "Tomcat's Connector: acceptCount (100 by default); java.net.ServerSocket: backlog (50 by default)",
    },
    Application {
        name: "systemd",
        processes: &["systemd"],
        line: "Backlog={}",
        takes_effect: "in the [Socket] section of its unit; then systemctl daemon-reload, and restart the .socket unit",
        source: "systemd.socket(5): Backlog= (as large as possible by default since 250, 128 before)",
    },
    Application {
        name: "a program in Go",
        processes: &[
            "prometheus",
            "caddy",
            "traefik",
            "etcd",
            "consul",
            "vault",
            "dockerd",
            "containerd",
            "kubelet",
            "kube-apiserver",
            "coredns",
            "grafana",
            "minio",
            "node_exporter",
            "docker-proxy",
        ],
        line: "sysctl -w net.core.somaxconn={}",
        takes_effect: "restart it: Go reads somaxconn when it is started, and its programs have no setting of their own",
        source: "net: maxListenerBacklog(), sock_linux.go",
    },
];

impl Application {
    /// The one whose name the first process has that holds the socket.
    pub fn of(listener: Option<&Listener>) -> Option<&'static Self> {
        let comm = &listener?.owners.first()?.comm;
        // A process calls itself `nginx: worker` or `gunicorn: master`, and systemd is not always 1.
        let name = comm.split([':', ' ']).next().unwrap_or_default();
        APPLICATIONS.iter().find(|application| application.processes.contains(&name))
    }

    /// The line for this backlog.
    pub fn line(&self, backlog: u64) -> String {
        self.line.replace("{}", &backlog.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Owner;

    #[track_caller]
    fn check(comm: &str, expected: Option<&str>) {
        let owners = vec![Owner::new(1, comm.to_owned())];
        let listener = Listener { owners, ..super::super::tests::listener() };
        assert_eq!(Application::of(Some(&listener)).map(|application| application.name), expected, "{comm}");
    }

    #[test]
    fn applications_by_the_names_of_their_processes() {
        check("nginx", Some("nginx"));
        check("gunicorn: maste", Some("gunicorn"));
        check("mariadbd", Some("MySQL or MariaDB"));
        check("nginx2", None);
        check("", None);
        check("\u{1b}[31m", None);
    }

    #[test]
    fn the_table_is_whole() {
        let mut processes = std::collections::BTreeSet::new();
        for application in APPLICATIONS {
            assert!(
                application.line.contains("{}") && !application.source.is_empty(),
                "{}",
                application.name
            );
            for process in application.processes {
                // TASK_COMM_LEN is 16, with the byte that ends it.
                assert!(process.len() <= 15 && processes.insert(*process), "{process}");
            }
        }
    }
}
