//! Streams over HTTP: Icecast, SHOUTcast, HLS, and playlists that lead to them.
//!
//! All of it runs on the source's decoding thread, which reads on while nothing comes; the
//! reading end is told so. Nothing that a server sends is taken for granted: heads, playlists, chains of
//! them and redirects are bounded, and whatever ends, the source is opened anew.

mod body;
mod client;
#[doc(hidden)]
pub mod doors;
pub mod hls;
pub mod icy;
pub mod playlist;
mod wire;

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use self::client::Response;
use self::icy::IcyReader;
use self::playlist::Found;
use self::wire::Watch;
use super::clock::Clock;
use super::decode::Decoder;
use super::pulled::{Pulled, Worker};
use super::{Address, Bookmark, SourceError, redact};
use crate::thread::Stop;

/// A body shorter than this may well have been cut off; what is no audio in a longer one will be none the next time.
const TELLING: u64 = 2048;

/// Opens a stream; what is wrong with it is reported by the first read.
///
/// # Errors
/// Transient where the system refuses a thread, permanent where the address is none.
pub(super) fn open(
    address: &Address,
    start: Option<jiff::Timestamp>,
    bookmark: &Bookmark,
    stop: &Stop,
) -> Result<Pulled, SourceError> {
    let url = Url::parse(address.as_secret_str())
        .map_err(|error| SourceError::Permanent(format!("`{address}` is no address: {error}")))?;
    let clock = start.map_or_else(Clock::live, Clock::recorded);
    let (watched, bookmark) = (stop.clone(), bookmark.clone());
    Pulled::start(&address.to_string(), clock, stop, move |worker| {
        let watch = Watch { stop: watched, shared: worker.shared.clone(), bookmark };
        Err(follow(&url, &watch, worker))
    })
}

/// Follows the stream to its end, which is always one that should not have come.
fn follow(url: &Url, watch: &Watch, worker: &Worker) -> SourceError {
    let opened = match playlist::resolve(url, &mut |url| client::get(url, watch)) {
        Ok(Found::Stream(opened)) => *opened,
        Ok(Found::Hls(url, text)) => return hls::follow(&url, text, watch, worker),
        Err(error) => return error,
    };
    let Response { url, headers, mut body, .. } = opened;
    body.set_deadline(None);
    let name = redact(url.as_str());
    let content_type = headers.get("content-type").unwrap_or("unknown").to_owned();
    tracing::debug!(url = name, content_type, server = headers.get("server"), "connected");
    let fate = Arc::new(Mutex::new(Fate::default()));
    let body = Recorded { inner: body, fate: fate.clone() };
    let interval = headers.get("icy-metaint").and_then(icy::interval);
    let shared = worker.shared.clone();
    let reader = IcyReader::new(body, interval, move |title| shared.set_title(title));
    let decoder = Decoder::from_stream(name.clone(), reader).map_err(|error| (false, error));
    let decoded = decoder.and_then(|decoder| worker.follow(decoder));
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

/// How a body ended, which decoders do not tell.
#[derive(Default)]
struct Fate {
    /// Bytes so far.
    count: u64,
    end: Option<Result<(), String>>,
}

/// Keeps a record of how reading goes.
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
