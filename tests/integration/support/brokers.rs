//! Other brokers, and mosquitto behind TLS and WebSockets.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};

use super::broker::{Mosquitto, free_port, tool};

/// Time-out of slow starts.
const START: Duration = Duration::from_secs(90);

/// A child process, killed on drop.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a process listens on `port`; false if the child process has ended.
fn listens(port: u16, child: &mut Child) -> bool {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let log = fs::File::create(log).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// A nats-server with MQTT.
pub(crate) struct Nats {
    pub port: u16,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Nats {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        for _ in 0..5 {
            let port = free_port();
            let config = format!(
                "server_name: test\nhost: 127.0.0.1\nport: {}\njetstream {{ store_dir: \"{at}/js\", max_memory_store: 16777216, max_file_store: 134217728 }}\nmqtt {{ host: 127.0.0.1, port: {port} }}\n",
                free_port()
            );
            fs::write(folder.path().join("nats.conf"), config).unwrap();
            let mut command = tool("nats-server", "nats-server");
            let mut child =
                spawn(command.arg("-c").arg(folder.path().join("nats.conf")), &folder.path().join("log"));
            if listens(port, &mut child) {
                return Self { port, _process: Process(child), _folder: folder };
            }
            drop(Process(child));
        }
        panic!(
            "nats-server does not start:\n{}",
            fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }
}

/// A file that `scripts/setup.sh --tests` fetches.
fn fetched(path: &str) -> std::path::PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache").join(path);
    assert!(path.exists(), "`{}` is missing: scripts/setup.sh --tests", path.display());
    path
}

/// An aedes, which is limited to MQTT 3.1.1 and client ids of 23 bytes.
pub(crate) struct Aedes {
    pub port: u16,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Aedes {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..5 {
            let port = free_port();
            let script =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/support/aedes/broker.cjs");
            let mut command = tool("node", "nodejs");
            command
                .env("NODE_PATH", fetched("aedes/node_modules"))
                .arg(script)
                .args([&port.to_string(), "23"]);
            let mut child = spawn(&mut command, &folder.path().join("log"));
            if listens(port, &mut child) {
                return Self { port, _process: Process(child), _folder: folder };
            }
            drop(Process(child));
        }
        panic!(
            "aedes does not start:\n{}",
            fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }
}

/// An amqtt, which does not reply to a CONNECT of MQTT 5.
pub(crate) struct Amqtt {
    pub port: u16,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Amqtt {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..5 {
            let port = free_port();
            let config = format!(
                "listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{port}\nplugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
            );
            fs::write(folder.path().join("amqtt.yaml"), config).unwrap();
            let mut command = Command::new(fetched("amqtt/bin/python"));
            command.arg(fetched("amqtt/bin/amqtt")).arg("-c").arg(folder.path().join("amqtt.yaml"));
            let mut child = spawn(&mut command, &folder.path().join("log"));
            if listens(port, &mut child) {
                return Self { port, _process: Process(child), _folder: folder };
            }
            drop(Process(child));
        }
        panic!(
            "amqtt does not start:\n{}",
            fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }
}

/// A RabbitMQ with its MQTT plugin.
pub(crate) struct RabbitMq {
    pub port: u16,
    // Order of drop: the server unregisters at the daemon that knows its port.
    _process: Process,
    _epmd: Process,
    folder: tempfile::TempDir,
}

impl RabbitMq {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let log = at.join("log");
        for _ in 0..5 {
            let (port, epmd_port) = (free_port(), free_port());
            let config = format!(
                "listeners.tcp.1 = 127.0.0.1:{}\nmqtt.listeners.tcp.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\nloopback_users = none\n",
                free_port()
            );
            fs::write(at.join("rabbitmq.conf"), config).unwrap();
            fs::write(at.join("plugins"), "[rabbitmq_mqtt].\n").unwrap();
            let epmd = tool("epmd", "rabbitmq-server")
                .args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let epmd = Process(epmd);
            // Debian's wrapper would switch the user; `exec` keeps the process id.
            let server = Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
            assert!(server.exists(), "`{}` is missing: apt-get install rabbitmq-server", server.display());
            let mut command = Command::new(server);
            command
                .current_dir(at)
                .env("HOME", at)
                .env("ERL_EPMD_PORT", epmd_port.to_string())
                .env("ERL_EPMD_ADDRESS", "127.0.0.1")
                .env("RABBITMQ_NODENAME", format!("genred{port}@localhost"))
                .env("RABBITMQ_DIST_PORT", free_port().to_string())
                .env("RABBITMQ_CONFIG_FILE", at.join("rabbitmq.conf"))
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", at.join("plugins"))
                .env("RABBITMQ_MNESIA_BASE", at.join("db"))
                .env("RABBITMQ_LOG_BASE", at.join("logs"))
                .env("RABBITMQ_GENERATED_CONFIG_DIR", at.join("generated"))
                .env("RABBITMQ_PID_FILE", at.join("pid"));
            let mut child = spawn(&mut command, &log);
            if listens(port, &mut child) {
                return Self { port, _process: Process(child), _epmd: epmd, folder };
            }
            drop(Process(child));
            kill_by_file(&at.join("pid"));
        }
        panic!("rabbitmq-server does not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        // Processes started by the script survive it, and would start their own `epmd`.
        kill_by_file(&self.folder.path().join("pid"));
    }
}

/// Kills the process with the id in a file, if it exists.
fn kill_by_file(path: &Path) {
    let id = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    if let Some(pid) = id.and_then(Pid::from_raw) {
        // It may have ended already.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Certificate files: `ca.pem`, `server.pem` (for `localhost`), `client.pem` (for `genred`), their
/// keys, and `other-ca.pem` of an unrelated authority.
pub(crate) fn certificates(folder: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let ca = authority("ca of the tests");
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    fs::write(folder.join("other-ca.pem"), authority("another ca").pem()).unwrap();
    for (file, name) in [("server", "localhost"), ("client", "genred")] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &ca).unwrap();
        fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// A mosquitto with plain and secured listeners; the plain one is for the clients of tests.
pub(crate) struct Secured {
    pub mosquitto: Mosquitto,
    pub certificates: tempfile::TempDir,
    pub tls: u16,
    /// Requires a client certificate.
    pub mutual: u16,
    pub web: u16,
    pub secure_web: u16,
}

impl Secured {
    pub(crate) fn start() -> Self {
        let certificates_folder = tempfile::tempdir().unwrap();
        let at = certificates_folder.path();
        certificates(at);
        let [tls, mutual, web, secure_web] = [(); 4].map(|()| free_port());
        let own = format!("certfile {0}/server.pem\nkeyfile {0}/server.key", at.display());
        let ca = format!("cafile {}/ca.pem", at.display());
        let settings = format!(
            "allow_anonymous true\n\
             listener {tls} 127.0.0.1\n{own}\n\
             listener {mutual} 127.0.0.1\n{own}\n{ca}\nrequire_certificate true\nuse_identity_as_username true\n\
             listener {web} 127.0.0.1\nprotocol websockets\n\
             listener {secure_web} 127.0.0.1\nprotocol websockets\n{own}\n"
        );
        let mosquitto = Mosquitto::with(&settings, |_| {});
        Self { mosquitto, certificates: certificates_folder, tls, mutual, web, secure_web }
    }

    /// Returns the line `ca_file = '…'`.
    pub(crate) fn ca(&self) -> String {
        format!("ca_file = '{}/ca.pem'\n", self.certificates.path().display())
    }

    /// Returns the lines of `client_cert` and `client_key`.
    pub(crate) fn client(&self) -> String {
        format!(
            "client_cert = '{0}/client.pem'\nclient_key = '{0}/client.key'\n",
            self.certificates.path().display()
        )
    }
}
