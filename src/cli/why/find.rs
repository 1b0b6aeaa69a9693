//! Which daemon is meant, and what it says.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::config::{Place, SYSTEM_RUNTIME_DIR, default_runtime_dir};
use crate::sink::trace::EXTENSION;
use crate::thread::Stop;

/// Somebody who says nothing may be looked at this often.
const LOOK: Duration = Duration::from_secs(3600);
/// A line is far shorter.
const LONGEST: usize = 4 << 20;

/// Connects to the daemon `node`, or the one of the configuration, or the only one.
///
/// # Errors
/// When there is none, or more than one that may be meant.
pub fn daemon(place: &Place, node: Option<&str>) -> anyhow::Result<UnixStream> {
    let folders = match &place.runtime_dir {
        Some(folder) => vec![folder.clone()],
        None => vec![default_runtime_dir(), SYSTEM_RUNTIME_DIR.into()],
    };
    let wanted = |name: &str| match (node, &place.node) {
        (Some(node), _) => name == node,
        (None, Some(node)) => name == node || is_numbered(name, node),
        (None, None) => true,
    };
    let exact = node.or(place.node.as_deref());
    let (mut others, mut denied) = (Vec::new(), None);
    for folder in &folders {
        let mut found = Vec::new();
        for (name, path) in sockets(folder, &mut denied) {
            if !wanted(&name) {
                others.push(format!("`{name}`"));
                continue;
            }
            match UnixStream::connect(&path) {
                Ok(stream) => found.push((name, stream)),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => denied = Some(path),
                // That of a daemon that was killed.
                Err(_) => {}
            }
        }
        if let Some(at) = found.iter().position(|(name, _)| Some(name.as_str()) == exact) {
            return Ok(found.swap_remove(at).1);
        }
        match found.len() {
            0 => {}
            1 => return Ok(found.swap_remove(0).1),
            _ => {
                let names: Vec<_> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
                bail!(
                    "several daemons answer in `{}`: {}; choose one with `--node`",
                    folder.display(),
                    names.join(", ")
                )
            }
        }
    }
    if let Some(path) = denied {
        bail!(
            "`{}` is not open to this user: ask as the one that the daemon runs as, `sudo -u genred genred why`",
            path.display()
        )
    }
    let folders: Vec<_> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
    let node = exact.map(|node| format!(" `{node}`")).unwrap_or_default();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!(", but {} may", others.join(", ")),
    };
    bail!(
        "no daemon{node} answers in {}{others}; does it run? if as another user, ask as that one \
         (`sudo -u genred genred why`); if with a `runtime_dir` of its own, name its file with `-c`",
        folders.join(" or ")
    )
}

/// Whether a daemon that was to be called `node` may have become `name`.
fn is_numbered(name: &str, node: &str) -> bool {
    name.strip_prefix(node)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The sockets of a folder, by node.
fn sockets(folder: &Path, denied: &mut Option<PathBuf>) -> Vec<(String, PathBuf)> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() == ErrorKind::PermissionDenied {
                *denied = Some(folder.to_owned());
            }
            return Vec::new();
        }
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    found.sort();
    found
}

/// What came of waiting for a line.
pub enum Next {
    /// One, without its end.
    Line(String),
    /// None in time.
    Late,
    /// The daemon ended.
    Ended,
    /// A signal came.
    Stopped,
}

/// The lines of a daemon.
pub struct Lines {
    stream: UnixStream,
    stop: Stop,
    /// Read, but not yet returned.
    buffer: Vec<u8>,
}

impl Lines {
    /// Those that `stream` brings until `stop` is set.
    pub fn new(stream: UnixStream, stop: Stop) -> Self {
        Self { stream, stop, buffer: Vec::new() }
    }

    /// Waits for the next line, for `patience` at most where it is given.
    ///
    /// # Errors
    /// What the system says of the connection.
    pub fn next(&mut self, patience: Option<Duration>) -> anyhow::Result<Next> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(Next::Line(String::from_utf8(line).context("the daemon's line is no UTF-8")?));
            }
            searched = self.buffer.len();
            if searched > LONGEST {
                bail!("the daemon's line does not end");
            }
            let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.stop.wait_readable(self.stream.as_fd(), left)? {
                None => return Ok(Next::Stopped),
                Some(false) if deadline.is_some() => return Ok(Next::Late),
                Some(false) => continue,
                Some(true) => {}
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(Next::Ended),
                Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
                // A daemon that was killed with something unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Next::Ended),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the connection to the daemon broke"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_daemon_that_is_meant_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let socket = |node: &str| UnixListener::bind(folder.path().join(format!("{node}.sock"))).unwrap();
        let find = |configured: Option<&str>, node: Option<&str>| {
            let runtime_dir = Some(folder.path().to_owned());
            let stream =
                daemon(&Place { node: configured.map(str::to_owned), runtime_dir, ..Place::default() }, node);
            stream
                .map(|stream| {
                    let path = stream.peer_addr().unwrap().as_pathname().unwrap().to_owned();
                    path.file_stem().unwrap().to_str().unwrap().to_owned()
                })
                .map_err(|error| error.to_string())
        };
        let error = find(None, None).unwrap_err();
        assert!(error.contains("no daemon answers in") && error.contains("sudo -u genred"), "{error}");
        let _second = socket("host-2");
        // One that nobody answers at.
        drop(socket("dead"));
        assert_eq!(find(None, None).as_deref(), Ok("host-2"));
        assert_eq!(find(Some("host"), None).as_deref(), Ok("host-2"));
        assert!(find(Some("ho"), None).is_err());
        let error = find(None, Some("host")).unwrap_err();
        assert!(
            error.contains("no daemon `host` answers") && error.contains("but `dead`, `host-2` may"),
            "{error}"
        );
        let _first = socket("host");
        assert_eq!(find(Some("host"), None).as_deref(), Ok("host"));
        assert_eq!(find(Some("host"), Some("host-2")).as_deref(), Ok("host-2"));
        let error = find(None, None).unwrap_err();
        assert!(error.contains("`host`, `host-2`; choose one with `--node`"), "{error}");
    }

    #[test]
    fn lines_may_come_in_pieces() {
        use std::io::Write;
        let (stream, mut daemon) = UnixStream::pair().unwrap();
        let stop = Stop::new().unwrap();
        let mut lines = Lines::new(stream, stop.clone());
        let mut next = |patience| match lines.next(patience).unwrap() {
            Next::Line(line) => line,
            Next::Late => "late".into(),
            Next::Ended => "ended".into(),
            Next::Stopped => "stopped".into(),
        };
        let soon = Some(Duration::from_millis(5));
        assert_eq!(next(soon), "late");
        daemon.write_all(b"{\"a\":").unwrap();
        assert_eq!(next(soon), "late");
        daemon.write_all(b"1}\n{}\n{").unwrap();
        assert_eq!((next(None), next(None)), ("{\"a\":1}".into(), "{}".into()));
        drop(daemon);
        assert_eq!(next(None), "ended");
        stop.set();
        assert_eq!(next(None), "stopped");
    }
}
