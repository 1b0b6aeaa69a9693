//! An HTTP server for a folder, with configurable failures.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// Response to a request.
pub(crate) enum Answer {
    /// The file at that path; 404 if there is none.
    File,
    /// Another file.
    Other(PathBuf),
    /// The whole file, regardless of the requested range.
    Whole,
    /// This text.
    Text(String),
    /// A redirect.
    Redirect(String),
    /// 404.
    Missing,
    /// Half of another file.
    Cut(PathBuf),
    /// The connection is closed without a response.
    Nothing,
}

type Rule = dyn Fn(&str) -> Answer + Send + Sync;

/// The server; its threads end with the process.
pub(crate) struct Files {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Files {
    /// Serves `folder`. `rule` is called with every path, including the query, without the leading
    /// slash.
    pub(crate) fn start(folder: &Path, rule: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (folder, shared, rule): (_, _, Arc<Rule>) = (folder.to_owned(), requests.clone(), Arc::new(rule));
        thread::spawn(move || {
            for line in listener.incoming().flatten() {
                let (folder, shared, rule) = (folder.clone(), shared.clone(), rule.clone());
                // A closed connection is no error.
                thread::spawn(move || serve(line, &folder, &shared, &*rule).ok());
            }
        });
        Self { port, requests }
    }

    /// Address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Heads of the requests whose path begins with `path`.
    pub(crate) fn requests(&self, path: &str) -> Vec<String> {
        let start = format!("GET /{path}");
        self.requests.lock().unwrap().iter().filter(|head| head.starts_with(&start)).cloned().collect()
    }
}

fn serve(
    mut line: TcpStream,
    folder: &Path,
    requests: &Mutex<Vec<String>>,
    rule: &Rule,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        line.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    requests.lock().unwrap().push(head.clone());
    let read = |path: &Path| fs::read(path).ok();
    let file = folder.join(path.split('?').next().unwrap());
    let answer = rule(&path);
    let keeps_ranges = !matches!(answer, Answer::Whole);
    let (bytes, most) = match answer {
        Answer::File | Answer::Whole => (read(&file), usize::MAX),
        Answer::Other(file) => (read(&file), usize::MAX),
        Answer::Text(text) => (Some(text.into_bytes()), usize::MAX),
        Answer::Cut(file) => {
            let bytes = read(&file);
            let half = bytes.as_ref().map_or(0, |bytes| bytes.len() / 2);
            (bytes, half)
        }
        Answer::Redirect(to) => return write!(line, "HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n"),
        Answer::Missing => (None, 0),
        Answer::Nothing => return Ok(()),
    };
    let Some(bytes) = bytes else {
        return write!(line, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    };
    let range = head.lines().find_map(|field| field.strip_prefix("Range: bytes=")).filter(|_| keeps_ranges);
    if let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) {
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let part = &bytes[first.min(bytes.len())..(last + 1).min(bytes.len())];
        write!(line, "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\n\r\n", part.len())?;
        return line.write_all(part);
    }
    let kind =
        if path.contains(".m3u8") { "application/vnd.apple.mpegurl" } else { "application/octet-stream" };
    write!(line, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
    line.write_all(&bytes[..bytes.len().min(most)])
}

/// Returns all files below `folder` with their contents.
pub(crate) fn below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(below(&path)),
            // Files may disappear meanwhile.
            kind if kind.is_file() => found.extend(fs::read(&path).map(|bytes| (path, bytes))),
            _ => {}
        }
    }
    found
}
