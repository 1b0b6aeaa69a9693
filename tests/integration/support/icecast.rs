//! A real Icecast server, and its source clients.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::broker::free_port;
use super::tool;

/// The server, killed on drop.
pub(crate) struct Icecast {
    child: Child,
    pub port: u16,
}

impl Icecast {
    /// Starts it in `folder`. The source password is `source`. `/private` requires the user `me`
    /// with the password `hunter2`. `/main` falls back to `/spare` without a source.
    pub(crate) fn start(folder: &Path) -> Self {
        let port = free_port();
        let folder = folder.join("icecast");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        // `htpasswd` of Icecast: the MD5 of the password.
        fs::write(folder.join("users"), "me:2ab96390c7dbe3439de74d0c9b0b1767\n").unwrap();
        let config = format!(
            "<icecast><hostname>127.0.0.1</hostname>\
             <limits><clients>100</clients><sources>20</sources><burst-size>65535</burst-size></limits>\
             <authentication><source-password>source</source-password><relay-password>x</relay-password>\
             <admin-user>admin</admin-user><admin-password>admin</admin-password></authentication>\
             <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>\
             <mount type=\"normal\"><mount-name>/private</mount-name><authentication type=\"htpasswd\">\
             <option name=\"filename\" value=\"{folder}/users\"/></authentication></mount>\
             <mount type=\"normal\"><mount-name>/main</mount-name><fallback-mount>/spare</fallback-mount>\
             <fallback-override>1</fallback-override></mount>\
             <paths><basedir>/usr/share/icecast2</basedir><logdir>{folder}</logdir>\
             <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>\
             <logging><accesslog>-</accesslog><errorlog>-</errorlog><loglevel>1</loglevel></logging></icecast>",
            folder = folder.display()
        );
        fs::write(folder.join("icecast.xml"), config).unwrap();
        tool("icecast2", "icecast2");
        // It refuses to run as root.
        let mut command = match rustix::process::geteuid().is_root() {
            true => {
                let mut command = tool("setpriv", "util-linux");
                command.args([
                    "--reuid=nobody",
                    "--regid=nogroup",
                    "--clear-groups",
                    "--pdeathsig",
                    "KILL",
                    "icecast2",
                ]);
                command
            }
            false => Command::new("icecast2"),
        };
        let child = command
            .arg("-c")
            .arg(folder.join("icecast.xml"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let icecast = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "icecast2 does not listen: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        icecast
    }

    /// Sends `song` from position `from` with ffmpeg, in a loop and in real time. Returns once the
    /// mount is available.
    pub(crate) fn feed(
        &self,
        song: &Path,
        from: f64,
        mount: &str,
        title: &str,
        arguments: &[&str],
    ) -> Feeder {
        let child = tool("ffmpeg", "ffmpeg")
            .args(["-v", "error", "-re", "-stream_loop", "-1", "-ss", &from.to_string(), "-i"])
            .arg(song)
            .args(["-map_metadata", "-1", "-metadata", &format!("title={title}"), "-vn"])
            .args(arguments)
            .arg(format!("icecast://source:source@127.0.0.1:{}{mount}", self.port))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let feeder = Feeder(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        // Until the server knows the mount it responds with 404, which would add a `source_lost`.
        while !self.get("/status-json.xsl").contains(&format!(":{}{mount}\"", self.port)) {
            assert!(Instant::now() < deadline, "`{mount}` is not on the air");
            std::thread::sleep(Duration::from_millis(50));
        }
        feeder
    }

    /// Sets the title of an MP3 or AAC mount.
    pub(crate) fn set_title(&self, mount: &str, title: &str) {
        let title: String = title.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer =
            self.get(&format!("/admin/metadata?mode=updinfo&charset=UTF-8&mount={mount}&song={title}"));
        assert!(answer.contains("successful"), "{answer}");
    }

    /// Sends a request of the administrator and returns the response.
    fn get(&self, path: &str) -> String {
        let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        write!(line, "GET {path} HTTP/1.0\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\r\n").unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Icecast {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A source client of one mount, stopped on drop.
pub(crate) struct Feeder(Child);

impl Drop for Feeder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
