//! HTTP streams: Icecast, SHOUTcast, HLS, and playlists that lead to them.
//!
//! All of it runs on the source's decoding thread, which may block while no data arrives. Server
//! input is untrusted: heads, playlists, playlist chains and redirects are bounded. When a stream
//! ends for any reason, the source is re-opened.

pub(super) mod body;
pub(super) mod client;
mod comments;
mod connection;
pub(super) mod head;
pub(super) mod hls;
pub mod icy;
pub(super) mod playlist;
#[cfg(test)]
mod policy_tests;
mod proxy;
mod raw_pcm;
pub(super) mod request;
mod transport;
mod unsupported_types;

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use self::body::ResponseBody;
use self::client::HttpResponse;
use self::comments::CommentReader;
use self::connection::FetchContext;
use self::icy::IcyReader;
use self::playlist::ResolvedAddress;
use self::request::RequestFields;
use self::transport::{TransportError, TransportReader};
use super::SourceError;
use super::address::{Address, redact};
use super::address_policy::AddressPolicy;
use super::clock::Clock;
use super::ffmpeg_hint::process_hint;
use super::playlist::parse_entry;
use super::resume_point::ResumePoint;
use super::threaded_decoder::{DecodeWorker, StreamPosition, ThreadedDecoder};
use crate::audio::Block;
use crate::permits::Permits;
use crate::thread::Stop;

/// A body shorter than this may have been cut off. A longer one that holds no audio will hold none
/// on the next attempt either.
const TELLING: u64 = 2048;

/// Opens a stream, all of whose requests go to addresses that `policy` allows; its faults are
/// reported by the first read.
///
/// # Errors
/// Transient if the system refuses a thread, permanent if the address is invalid.
pub(super) fn open(
    address: &Address,
    policy: AddressPolicy,
    start: Option<jiff::Timestamp>,
    resume_point: &ResumePoint,
    permits: Option<&Permits>,
    stop: &Stop,
) -> Result<ThreadedDecoder, SourceError> {
    let entry = parse_entry(address.as_secret_str());
    let url = Url::parse(&entry.location)
        .map_err(|error| SourceError::Permanent(format!("`{address}` is not a valid address: {error}")))?;
    let fields = RequestFields { user_agent: entry.user_agent, referrer: entry.referrer };
    let clock = start.map_or_else(Clock::live, Clock::recorded);
    let (watched, resume_point) = (stop.clone(), resume_point.clone());
    ThreadedDecoder::start(&address.to_string(), clock, permits, stop, move |worker| {
        let context = FetchContext { stop: watched, shared: worker.shared.clone(), resume_point, policy };
        Err(follow(&url, &fields, &context, worker))
    })
}

/// Decodes the stream until it ends. Every end is an error, because a stream should not end.
fn follow(url: &Url, fields: &RequestFields, context: &FetchContext, worker: &DecodeWorker) -> SourceError {
    let opened = playlist::resolve(url, fields, &mut |url, fields| client::get(url, fields, context));
    let HttpResponse { url, headers, mut body, .. } = match opened {
        Ok(ResolvedAddress::Stream(opened)) => *opened,
        Ok(ResolvedAddress::Hls(url, text, fields)) => {
            return hls::follow(&url, text, fields, context, worker);
        }
        Err(error) => return error,
    };
    let name = redact(url.as_str());
    let content_type = headers.get("content-type").unwrap_or("unknown").to_owned();
    let body_format = match body_format(&content_type, &mut body) {
        Ok(body_format) => body_format,
        Err(error) => return SourceError::Transient(format!("`{name}` broke off: {error}")),
    };
    body.set_deadline(None);
    tracing::debug!(url = name, content_type, server = headers.get("server"), "connected");
    let outcome = Arc::new(Mutex::new(ReadOutcome::default()));
    let body = RecordingReader { inner: body, outcome: outcome.clone() };
    let interval = headers.get("icy-metaint").and_then(icy::interval);
    let shared = worker.shared.clone();
    let charset = [headers.get("icy-charset"), headers.get("charset"), playlist::charset(&content_type)];
    let reader = IcyReader::new(body, interval, move |title| shared.set_title(title))
        .with_charset(charset.into_iter().flatten().next());
    context.shared.set_trouble(Some(&format!("no audio recognised so far (content type `{content_type}`)")));
    let decoded = decode(&name, body_format, reader, worker);
    let outcome = std::mem::take(&mut *outcome.lock().unwrap_or_else(PoisonError::into_inner));
    let has_audio = matches!(decoded, Ok(true) | Err((true, _)));
    let transient = |what: &str| SourceError::Transient(format!("`{name}` {what}"));
    match (decoded, outcome.end) {
        (_, Some(Err(error))) => transient(&format!("broke off: {}", redact(&error))),
        (_, Some(Ok(()))) if has_audio => transient("ended"),
        (_, Some(Ok(()))) if outcome.count < TELLING => transient("ended before any audio"),
        (Err((false, error)), _) => {
            SourceError::Unlikely(format!("{} (content type `{content_type}`)", redact(&error.to_string())))
        }
        (Err((true, error)), _) => SourceError::Transient(redact(&error.to_string())),
        (Ok(_), _) => transient("is too damaged to be decoded"),
    }
}

/// Format of a body that determines its reader.
enum BodyFormat {
    /// Detected by the decoder.
    Any,
    Transport,
    Pcm(raw_pcm::RawPcmLayout),
    /// Format that is not decoded, by its name.
    Foreign(&'static str),
}

/// Determines the format from the first bytes of a body and its content type.
fn body_format(content_type: &str, body: &mut ResponseBody) -> io::Result<BodyFormat> {
    let kind = content_type.to_ascii_lowercase();
    // Limits the bytes waited for: in low-bitrate streams they take seconds.
    let may_be_transport = |first: &[u8]| {
        let is_said =
            ["mp2t", "mpegts", "mpeg2-ts", "video/", "octet-stream"].iter().any(|part| kind.contains(part));
        first.first() == Some(&0x47) || is_said
    };
    let first = body.peek(16)?;
    if let Some(layout) = raw_pcm::layout(content_type, first) {
        return Ok(layout.map_or_else(BodyFormat::Foreign, BodyFormat::Pcm));
    }
    let first = if may_be_transport(first) { body.peek(transport::TELLING)? } else { first };
    if transport::is_transport(first) {
        return Ok(BodyFormat::Transport);
    }
    if let Some(name) = unsupported_types::by_type(content_type) {
        return Ok(BodyFormat::Foreign(name));
    }
    Ok(BodyFormat::Any)
}

/// Decodes a body to its end. Returns true if at least one block was sent.
fn decode(
    name: &str,
    body_format: BodyFormat,
    reader: impl Read + Send + Sync + 'static,
    worker: &DecodeWorker,
) -> Result<bool, (bool, SourceError)> {
    let (mut stream, mut has_audio) = (StreamPosition::default(), false);
    let mut pace = |_: &Block| {
        if !std::mem::replace(&mut has_audio, true) {
            worker.shared.set_trouble(None);
        }
    };
    match body_format {
        BodyFormat::Any => {
            let reader = CommentReader::new(reader, worker.shared.clone());
            worker.decode_container(name, reader, &mut stream, &mut pace)
        }
        BodyFormat::Pcm(layout) => {
            worker.decode_container(name, raw_pcm::as_wav(reader, layout), &mut stream, &mut pace)
        }
        BodyFormat::Foreign(what) => Err((false, unsupported(name, what))),
        BodyFormat::Transport => {
            let shared = worker.shared.clone();
            match TransportReader::open(reader, move |title: &str| shared.set_title(Some(title))) {
                Ok((reader, _)) => worker.decode_container(name, reader, &mut stream, &mut pace),
                Err(TransportError::Foreign(what)) => Err((
                    false,
                    unsupported(name, &format!("an MPEG transport stream (MPEG-TS) with {what}")),
                )),
                Err(TransportError::Ended) => Ok(false),
                Err(TransportError::Failed(error)) => {
                    Err((false, SourceError::Transient(format!("`{name}` cannot be read: {error}"))))
                }
            }
        }
    }
}

/// Error for a format that is not decoded.
fn unsupported(name: &str, what: &str) -> SourceError {
    SourceError::Unlikely(format!("`{name}` is {what}, which genred does not decode; {}", process_hint(name)))
}

/// End of a body, which decoders do not report.
#[derive(Default)]
struct ReadOutcome {
    /// Number of bytes read.
    count: u64,
    end: Option<Result<(), String>>,
}

/// Reader that records how reading ends.
struct RecordingReader<R> {
    inner: R,
    outcome: Arc<Mutex<ReadOutcome>>,
}

impl<R: Read> Read for RecordingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match &read {
            Ok(0) if !buffer.is_empty() => outcome.end = Some(Ok(())),
            Ok(count) => outcome.count += *count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => outcome.end = Some(Err(error.to_string())),
        }
        read
    }
}
