//! Client of the trace socket of a running daemon.

use std::fs;
#[cfg(feature = "corrections")]
use std::io::Write;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::config::{DaemonLocation, SYSTEM_RUNTIME_DIR, default_runtime_dir};
use crate::sink::payload::trace::{TraceHello, TracedSource};
use crate::sink::trace::EXTENSION;
use crate::thread::Stop;

/// Longest wait for the `hello` of a daemon.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval at which an unlimited wait is renewed.
const WAIT_INTERVAL: Duration = Duration::from_secs(3600);
/// Longest line that is accepted, in bytes.
const MAX_LINE_LENGTH: usize = 4 << 20;

/// Folders and node of the configuration at `named`, or where `run` looks for one.
///
/// # Errors
/// A named file cannot be read.
pub(crate) fn place(named: Option<&Path>) -> anyhow::Result<DaemonLocation> {
    match DaemonLocation::load(named) {
        Err(error) if named.is_some() => Err(error.into()),
        // That of a service may be unreadable for this user; its folder is searched all the same.
        Err(error) => {
            tracing::info!(%error, "ignoring a configuration that cannot be read");
            Ok(DaemonLocation::default())
        }
        Ok(place) => Ok(place),
    }
}

/// Connects to the daemon `node`, to that of the configuration, or to the only one. Errors mention
/// `command`.
///
/// # Errors
/// There is no such daemon, or more than one.
pub(crate) fn connect(
    place: &DaemonLocation,
    node: Option<&str>,
    command: &str,
) -> anyhow::Result<UnixStream> {
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
                // A killed daemon left it behind.
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
            "`{}` is not open to this user: ask as the one that the daemon runs as, `sudo -u genred genred {command}`",
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
         (`sudo -u genred genred {command}`); if with a `runtime_dir` of its own, name its file with `-c`",
        folders.join(" or ")
    )
}

/// Returns true if `name` is `node` with a number, which a second daemon of that node gets.
fn is_numbered(name: &str, node: &str) -> bool {
    name.strip_prefix(node)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Sockets in a folder, with the node of each.
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

/// Fields that every line has.
#[derive(Deserialize)]
pub(crate) struct LineHeader {
    /// Kind of the line.
    pub(crate) kind: String,
    /// Source of the line.
    pub(crate) source: Option<Arc<str>>,
}

/// Source named `wanted`, or the only one; `None` if one has to be chosen.
///
/// # Errors
/// There is no source of that name; the message lists all.
pub(crate) fn source<'a>(
    hello: &'a TraceHello,
    wanted: Option<&str>,
) -> anyhow::Result<Option<&'a TracedSource>> {
    let Some(wanted) = wanted else {
        return Ok(match hello.sources.as_slice() {
            [one] => Some(one),
            _ => None,
        });
    };
    let by = |name: fn(&TracedSource) -> &str| hello.sources.iter().find(|source| name(source) == wanted);
    if let Some(found) = by(|source| &source.name).or_else(|| by(|source| &source.source_name)) {
        return Ok(Some(found));
    }
    let names: Vec<_> = hello.sources.iter().map(|source| format!("`{}`", source.name)).collect();
    let known = hello.sources.iter().flat_map(|source| [&*source.name, &*source.source_name]);
    let hint = nearest(wanted, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    bail!("`{}` has no source `{wanted}`{hint} It has: {}", hello.node, names.join(", "))
}

/// Known name that is most similar to `wanted`, if any is similar.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 2))
        .map(|(_, name)| name)
}

/// Result of waiting for a line.
pub(crate) enum NextLine {
    /// A line, without its end.
    Line(String),
    /// No line arrived in time.
    TimedOut,
    /// The daemon has ended.
    Ended,
    /// A signal arrived.
    Stopped,
}

/// Lines from a daemon.
pub(crate) struct DaemonLines {
    stream: UnixStream,
    stop: Stop,
    /// Bytes that are read, but not yet returned.
    buffer: Vec<u8>,
}

impl DaemonLines {
    /// Lines from `stream`, until `stop` is set.
    pub(crate) fn new(stream: UnixStream, stop: Stop) -> Self {
        Self { stream, stop, buffer: Vec::new() }
    }

    /// Reads the first line; `None` after a signal.
    ///
    /// # Errors
    /// The daemon does not answer, or is of another version.
    pub(crate) fn hello(&mut self) -> anyhow::Result<Option<TraceHello>> {
        match self.next(Some(HELLO_TIMEOUT))? {
            NextLine::Line(line) => match serde_json::from_str::<LineHeader>(&line)?.kind.as_str() {
                "hello" => Ok(Some(serde_json::from_str(&line).context("the daemon is of another version")?)),
                "full" => bail!("the daemon has as many clients as it accepts; end one of them"),
                kind => bail!("the daemon is of another version: it begins with `{kind}`"),
            },
            NextLine::TimedOut => bail!("the daemon does not answer; is it stopped, or very busy?"),
            NextLine::Ended => bail!("the daemon ended before it answered"),
            NextLine::Stopped => Ok(None),
        }
    }

    /// Sends one line.
    ///
    /// # Errors
    /// The connection is broken.
    #[cfg(feature = "corrections")]
    pub(crate) fn send(&mut self, line: &str) -> anyhow::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes()).context("the connection to the daemon broke")
    }

    /// Waits for the next line, at most for `timeout`.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn next(&mut self, timeout: Option<Duration>) -> anyhow::Result<NextLine> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(NextLine::Line(String::from_utf8(line).context("the daemon's line is no UTF-8")?));
            }
            searched = self.buffer.len();
            if searched > MAX_LINE_LENGTH {
                bail!("the daemon's line does not end");
            }
            let left =
                deadline.map_or(WAIT_INTERVAL, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.stop.wait_readable(self.stream.as_fd(), left)? {
                None => return Ok(NextLine::Stopped),
                Some(false) if deadline.is_some() => return Ok(NextLine::TimedOut),
                Some(false) => continue,
                Some(true) => {}
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(NextLine::Ended),
                Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
                // The daemon was killed with unread data.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(NextLine::Ended),
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

    fn hello(names: &[(&str, &str)]) -> TraceHello {
        let source = |(name, source_name): &(&str, &str)| TracedSource {
            name: (*name).into(),
            source_name: (*source_name).into(),
            published: None,
            changes: Vec::new(),
        };
        TraceHello {
            run: "0f1e".into(),
            version: "0.1.0".into(),
            node: "studio1".into(),
            sources: names.iter().map(source).collect(),
        }
    }

    #[test]
    fn a_source_is_found_by_either_name() {
        let several = hello(&[("FM_1", "FM 1"), ("line-in", "line-in")]);
        let name = |wanted| super::source(&several, wanted).unwrap().map(|source| source.name.to_string());
        assert_eq!(name(Some("FM_1")).as_deref(), Some("FM_1"));
        assert_eq!(name(Some("FM 1")).as_deref(), Some("FM_1"));
        assert_eq!(name(None), None);
        assert_eq!(&*super::source(&hello(&[("tape", "tape")]), None).unwrap().unwrap().name, "tape");
        let error = super::source(&several, Some("lnie-in")).unwrap_err().to_string();
        insta::assert_snapshot!(error, @r#"`studio1` has no source `lnie-in`; did you mean `line-in`? It has: `FM_1`, `line-in`"#);
        let error = super::source(&several, Some("gramophone")).unwrap_err().to_string();
        assert!(!error.contains("did you mean") && error.contains("`FM_1`, `line-in`"), "{error}");
    }

    #[test]
    fn the_daemon_that_is_meant_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let socket = |node: &str| UnixListener::bind(folder.path().join(format!("{node}.sock"))).unwrap();
        let find = |configured: Option<&str>, node: Option<&str>| {
            let runtime_dir = Some(folder.path().to_owned());
            let stream = connect(
                &DaemonLocation {
                    node: configured.map(str::to_owned),
                    runtime_dir,
                    ..DaemonLocation::default()
                },
                node,
                "why",
            );
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
        let mut lines = DaemonLines::new(stream, stop.clone());
        let mut next = |patience| match lines.next(patience).unwrap() {
            NextLine::Line(line) => line,
            NextLine::TimedOut => "late".into(),
            NextLine::Ended => "ended".into(),
            NextLine::Stopped => "stopped".into(),
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
