//! HTTP streams: Icecast, SHOUTcast, HLS, and playlists that lead to them.
//!
//! All of it runs on the source's decoding thread, which may block while no data arrives. Server
//! input is untrusted: heads, playlists, playlist chains and redirects are bounded. When a stream
//! ends for any reason, the source is re-opened.

mod body;
mod client;
mod comments;
#[doc(hidden)]
pub mod doors;
pub mod hls;
pub mod icy;
mod kinds;
pub mod playlist;
mod raw;
mod transport;
mod wire;

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use self::body::Body;
use self::client::{Fields, Response};
use self::comments::CommentReader;
use self::icy::IcyReader;
use self::playlist::Found;
use self::transport::{NotOpened, Transport};
use self::wire::Watch;
use super::clock::Clock;
use super::decode::Decoder;
use super::playlist::Entry;
use super::pulled::{Course, Pulled, Worker};
use super::{Address, Bookmark, SourceError, process_hint, redact};
use crate::audio::Block;
use crate::thread::Stop;

/// A body shorter than this may have been cut off. A longer one that holds no audio will hold none
/// on the next attempt either.
const TELLING: u64 = 2048;

/// Opens a stream; its faults are reported by the first read.
///
/// # Errors
/// Transient if the system refuses a thread, permanent if the address is invalid.
pub(super) fn open(
    address: &Address,
    start: Option<jiff::Timestamp>,
    bookmark: &Bookmark,
    stop: &Stop,
) -> Result<Pulled, SourceError> {
    let entry = Entry::new(address.as_secret_str());
    let url = Url::parse(&entry.location)
        .map_err(|error| SourceError::Permanent(format!("`{address}` is no address: {error}")))?;
    let fields = Fields { user_agent: entry.user_agent, referrer: entry.referrer };
    let clock = start.map_or_else(Clock::live, Clock::recorded);
    let (watched, bookmark) = (stop.clone(), bookmark.clone());
    Pulled::start(&address.to_string(), clock, stop, move |worker| {
        let watch = Watch { stop: watched, shared: worker.shared.clone(), bookmark };
        Err(follow(&url, &fields, &watch, worker))
    })
}

/// Decodes the stream until it ends. Every end is an error, because a stream should not end.
fn follow(url: &Url, fields: &Fields, watch: &Watch, worker: &Worker) -> SourceError {
    let opened = playlist::resolve(url, fields, &mut |url, fields| client::get(url, fields, watch));
    let Response { url, headers, mut body, .. } = match opened {
        Ok(Found::Stream(opened)) => *opened,
        Ok(Found::Hls(url, text, fields)) => return hls::follow(&url, text, fields, watch, worker),
        Err(error) => return error,
    };
    let name = redact(url.as_str());
    let content_type = headers.get("content-type").unwrap_or("unknown").to_owned();
    let wrapping = match wrapping(&content_type, &mut body) {
        Ok(wrapping) => wrapping,
        Err(error) => return SourceError::Transient(format!("`{name}` broke off: {error}")),
    };
    body.set_deadline(None);
    tracing::debug!(url = name, content_type, server = headers.get("server"), "connected");
    let fate = Arc::new(Mutex::new(Fate::default()));
    let body = Recorded { inner: body, fate: fate.clone() };
    let interval = headers.get("icy-metaint").and_then(icy::interval);
    let shared = worker.shared.clone();
    let charset = [headers.get("icy-charset"), headers.get("charset"), playlist::charset(&content_type)];
    let reader = IcyReader::new(body, interval, move |title| shared.set_title(title))
        .with_charset(charset.into_iter().flatten().next());
    watch.shared.set_trouble(Some(&format!(
        "nothing that it has sent so far is known as sound (content type `{content_type}`)"
    )));
    let decoded = decode(&name, wrapping, reader, worker);
    let fate = std::mem::take(&mut *fate.lock().unwrap_or_else(PoisonError::into_inner));
    let heard = matches!(decoded, Ok(true) | Err((true, _)));
    let transient = |what: &str| SourceError::Transient(format!("`{name}` {what}"));
    match (decoded, fate.end) {
        (_, Some(Err(error))) => transient(&format!("broke off: {}", redact(&error))),
        (_, Some(Ok(()))) if heard => transient("ended"),
        (_, Some(Ok(()))) if fate.count < TELLING => transient("ended before any sound was found in it"),
        (Err((false, error)), _) => {
            SourceError::Unlikely(format!("{} (content type `{content_type}`)", redact(&error.to_string())))
        }
        (Err((true, error)), _) => SourceError::Transient(redact(&error.to_string())),
        (Ok(_), _) => transient("is too damaged to be decoded"),
    }
}

/// Format of a body that determines its reader.
enum Wrapping {
    /// Detected by the decoder.
    Any,
    Transport,
    Pcm(raw::Layout),
    /// Format that is not decoded, by its name.
    Foreign(&'static str),
}

/// Determines the format from the first bytes of a body and its content type.
fn wrapping(content_type: &str, body: &mut Body) -> io::Result<Wrapping> {
    let kind = content_type.to_ascii_lowercase();
    // Limits the bytes waited for: in low-bitrate streams they take seconds.
    let may_be_transport = |first: &[u8]| {
        let is_said =
            ["mp2t", "mpegts", "mpeg2-ts", "video/", "octet-stream"].iter().any(|part| kind.contains(part));
        first.first() == Some(&0x47) || is_said
    };
    let first = body.peek(16)?;
    if let Some(layout) = raw::layout(content_type, first) {
        return Ok(layout.map_or_else(Wrapping::Foreign, Wrapping::Pcm));
    }
    let first = if may_be_transport(first) { body.peek(transport::TELLING)? } else { first };
    if transport::is_transport(first) {
        return Ok(Wrapping::Transport);
    }
    if let Some(name) = kinds::by_type(content_type) {
        return Ok(Wrapping::Foreign(name));
    }
    Ok(Wrapping::Any)
}

/// Decodes a body to its end. Returns true if at least one block was sent.
fn decode(
    name: &str,
    wrapping: Wrapping,
    reader: impl Read + Send + Sync + 'static,
    worker: &Worker,
) -> Result<bool, (bool, SourceError)> {
    let (mut course, mut is_heard) = (Course::default(), false);
    let mut pace = |_: &Block| {
        if !std::mem::replace(&mut is_heard, true) {
            worker.shared.set_trouble(None);
        }
    };
    match wrapping {
        Wrapping::Any => {
            let reader = CommentReader::new(reader, worker.shared.clone());
            follow_one(name, reader, worker, &mut course, &mut pace)
        }
        Wrapping::Pcm(layout) => {
            follow_one(name, raw::as_wav(reader, layout), worker, &mut course, &mut pace)
        }
        Wrapping::Foreign(what) => Err((false, foreign(name, what))),
        Wrapping::Transport => {
            let shared = worker.shared.clone();
            match Transport::open(reader, move |title: &str| shared.set_title(Some(title))) {
                Ok((reader, _)) => follow_one(name, reader, worker, &mut course, &mut pace),
                Err(NotOpened::Foreign(what)) => {
                    Err((false, foreign(name, &format!("an MPEG transport stream (MPEG-TS) with {what}"))))
                }
                Err(NotOpened::Ended) => Ok(false),
                Err(NotOpened::Failed(error)) => {
                    Err((false, SourceError::Transient(format!("`{name}` cannot be read: {error}"))))
                }
            }
        }
    }
}

/// Error for a format that is not decoded.
fn foreign(name: &str, what: &str) -> SourceError {
    SourceError::Unlikely(format!("`{name}` is {what}, which genred does not decode; {}", process_hint(name)))
}

/// Decodes one container or frame stream to its end. Returns true if at least one block was sent.
fn follow_one(
    name: &str,
    reader: impl Read + Send + Sync + 'static,
    worker: &Worker,
    course: &mut Course,
    pace: &mut dyn FnMut(&Block),
) -> Result<bool, (bool, SourceError)> {
    let decoder = Decoder::from_stream(name.to_owned(), reader).map_err(|error| (false, error))?;
    worker.follow_on(decoder, course, pace)
}

/// End of a body, which decoders do not report.
#[derive(Default)]
struct Fate {
    /// Number of bytes read.
    count: u64,
    end: Option<Result<(), String>>,
}

/// Reader that records how reading ends.
struct Recorded<R> {
    inner: R,
    fate: Arc<Mutex<Fate>>,
}

impl<R: Read> Read for Recorded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        let mut fate = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        match &read {
            Ok(0) if !buffer.is_empty() => fate.end = Some(Ok(())),
            Ok(count) => fate.count += *count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => fate.end = Some(Err(error.to_string())),
        }
        read
    }
}
