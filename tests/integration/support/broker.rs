//! Mosquitto with its own configuration, and `mosquitto_sub`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Time-out of every wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Returns an unused port of the loopback interface, another one on each call.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Waits until `ready`; on a time-out, fails with a message about `what`.
pub(crate) async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !ready() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A mosquitto on the loopback interface, killed on drop.
pub(crate) struct Mosquitto {
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts one without access control.
    pub(crate) fn start() -> Self {
        Self::with("allow_anonymous true\n", |_| {})
    }

    /// Starts one that keeps sessions and retained messages over a restart.
    pub(crate) fn persistent() -> Self {
        Self::with("allow_anonymous true\npersistence true\nmax_queued_messages 0\n", |_| {})
    }

    /// Starts one that requires a user name and a password.
    pub(crate) fn with_login(username: &str, password: &str) -> Self {
        Self::with("allow_anonymous false\npassword_file passwords\n", |directory| {
            add_user(directory, username, password);
        })
    }

    /// Starts one for these users, with an access list in mosquitto's format.
    pub(crate) fn with_rights(users: &[(&str, &str)], rights: &str) -> Self {
        Self::with("allow_anonymous false\npassword_file passwords\nacl_file rights\n", |directory| {
            for (username, password) in users {
                add_user(directory, username, password);
            }
            fs::write(directory.join("rights"), rights).unwrap();
        })
    }

    /// Starts one with further settings, in a folder that `prepare` fills first.
    pub(crate) fn with(settings: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        // Another process may take the free port before mosquitto does.
        for _ in 0..5 {
            let port = free_port();
            // As root, mosquitto would switch to a user that cannot read the folder.
            let config = format!(
                "listener {port} 127.0.0.1\nuser root\npersistence_location {}/\nlog_dest file {0}/log\nlog_type all\nconnection_messages true\n{settings}",
                directory.path().display()
            );
            fs::write(directory.path().join("mosquitto.conf"), config).unwrap();
            if let Some(child) = launch(directory.path(), port) {
                return Self { directory, port, child: Some(child) };
            }
        }
        panic!(
            "mosquitto does not start:\n{}",
            fs::read_to_string(directory.path().join("log")).unwrap_or_default()
        );
    }

    /// Returns the port, which stays the same over a restart.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Sends `SIGKILL`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends `SIGTERM`, upon which a persistent one saves its sessions.
    pub(crate) fn stop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Sends `SIGSTOP`: connections stay open, but are not served.
    pub(crate) fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Sends `SIGCONT`.
    pub(crate) fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().expect("mosquitto runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    /// Restarts it on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let child = launch(self.directory.path(), self.port);
        assert!(child.is_some(), "mosquitto does not start again:\n{}", self.log());
        self.child = child;
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn add_user(directory: &Path, username: &str, password: &str) {
    fs::OpenOptions::new().create(true).append(true).open(directory.join("passwords")).unwrap();
    let status = tool("mosquitto_passwd", "mosquitto")
        .args(["-b", "passwords", username, password])
        .current_dir(directory)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "mosquitto_passwd failed");
}

fn launch(directory: &Path, port: u16) -> Option<Child> {
    let mut child = tool("mosquitto", "mosquitto")
        .args(["-c", "mosquitto.conf"])
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return Some(child);
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Returns the path of program `name`. Its absence fails the test, naming the Debian package.
pub(crate) fn tool(name: &str, package: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    // Daemons are in `sbin`, which is often not in the `PATH` of users.
    let found = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]).map(|dir| Path::new(dir).join(name));
    let found = found.into_iter().find(|candidate| candidate.is_file());
    Command::new(found.unwrap_or_else(|| panic!("`{name}` is missing: apt-get install {package}")))
}

/// A message as printed by `mosquitto_sub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    pub payload: String,
}

/// A running `mosquitto_sub`, killed on drop.
pub(crate) struct Subscriber {
    child: Child,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Subscriber {
    /// Subscribes to `topic` at quality of service 1, with further arguments `more`. Returns once
    /// subscribed.
    pub(crate) async fn start(port: u16, topic: &str, more: &[&str]) -> Self {
        // `mosquitto_sub` does not flush its debug output, which confirms the subscription.
        let mut child = tool("stdbuf", "coreutils")
            .arg("-oL")
            .arg(tool("mosquitto_sub", "mosquitto-clients").get_program())
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-q", "1", "-F", "%t %q %r %p", "-t", topic, "-d"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let subscribed = Arc::new(Mutex::new(false));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (seen, ready) = (Arc::clone(&received), Arc::clone(&subscribed));
        let prefix = topic.split('/').next().unwrap_or_default().to_owned();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Debug output shares the stream.
                if line.starts_with("Subscribed") {
                    *ready.lock().unwrap() = true;
                } else if line.starts_with(&prefix) {
                    let mut parts = line.splitn(4, ' ');
                    let mut part = || parts.next().unwrap_or_default().to_owned();
                    seen.lock().unwrap().push(Received {
                        topic: part(),
                        qos: part().parse().unwrap(),
                        retain: part() == "1",
                        payload: part(),
                    });
                }
            }
        });
        let subscriber = Self { child, received };
        until("mosquitto_sub is subscribed", || *subscribed.lock().unwrap()).await;
        subscriber
    }

    /// Returns all messages so far, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Returns the latest message on a topic.
    pub(crate) fn newest(&self, topic: &str) -> Option<Received> {
        self.received().into_iter().rfind(|message| message.topic == topic)
    }

    /// Waits for a message on `topic` with a matching payload, including the latest ones, and
    /// returns it.
    pub(crate) async fn wait_for(&self, topic: &str, fits: impl Fn(&str) -> bool) -> Received {
        let find =
            || self.received().into_iter().find(|message| message.topic == topic && fits(&message.payload));
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(message) = find() {
                return message;
            }
            assert!(
                Instant::now() < deadline,
                "nothing fitting on `{topic}` within {DEADLINE:?}, but {:#?}",
                self.received()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
