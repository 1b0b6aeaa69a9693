//! Internals for fuzz targets and integration tests (cargo feature `fuzzing`).

use std::io::{self, Read};

use url::Url;

use super::SourceError;
use super::decode::{ANY_RATE, Decoder};
use super::http::body::{BodyFraming, PrefixedReader, ResponseBody};
use super::http::client::HttpResponse;
use super::http::head::{self, HeaderFields};
use super::http::playlist::{self, ResolvedAddress};
use super::http::request::RequestFields;
use crate::audio::Block;

pub use super::decode::adts::AdtsSections;
pub use super::http::hls::segment::{SegmentUnpacker, UnpackError};
pub use super::http::hls::{m3u8, variant, window};
pub use super::http::icy;
pub use super::http::playlist::entries;

/// Capture path, without a sound system.
#[cfg(feature = "device")]
pub mod capture {
    pub use super::super::device::callback::{CaptureCallback, CaptureStatus};
    pub use super::super::device::callback_guard::{CallbackGuard, set_guard};
    pub use super::super::device::ring::{RingReader, RingWriter, ring};
}

/// Decodes a stream without seeking until `each` returns false. Entry point of the fuzz target and
/// of the corpus test.
///
/// # Errors
/// Permanent if the stream holds no decodable audio or cannot be read.
pub fn decode_stream(
    stream: impl Read + Send + Sync + 'static,
    each: &mut dyn FnMut(&Block, Option<String>) -> bool,
) -> Result<(), SourceError> {
    let mut decoder = Decoder::from_stream("stream".into(), stream)?;
    let mut block = Block::with_capacity(ANY_RATE, 1, 0);
    while decoder.next(&mut block)? && each(&block, decoder.new_title()) {}
    Ok(())
}

/// Parsed response.
pub struct ParsedResponse<'a> {
    /// Status code, 0 if absent.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Header fields; names are in lower case.
    pub headers: Vec<(String, String)>,
    /// Length of the body in bytes, if stated.
    pub length: Option<u64>,
    /// Body without its framing.
    pub body: Box<dyn Read + 'a>,
}

/// Reads a response from `stream`.
///
/// # Errors
/// There is no valid response head.
pub fn read_response<'a>(mut stream: impl Read + 'a) -> io::Result<ParsedResponse<'a>> {
    let (response, first) = head::read_head(&mut stream)?;
    let framing = head::framing(&response.headers);
    let length = if let BodyFraming::Length(length) = framing { Some(length) } else { None };
    let body = ResponseBody::new(PrefixedReader { first, at: 0, rest: stream }, framing);
    Ok(ParsedResponse {
        status: response.status,
        reason: response.reason,
        headers: response.headers.0,
        length,
        body: Box::new(body),
    })
}

/// Simulated response for [`resolve`]: address, content type, body.
pub type SimulatedResponse = (Url, String, Vec<u8>);

/// Resolves playlists from `url` on; `fetch` stands for the network.
///
/// # Errors
/// Those of `fetch`, and playlists that lead to no stream.
pub fn resolve(
    url: &Url,
    fetch: &mut dyn FnMut(&Url) -> Result<SimulatedResponse, SourceError>,
) -> Result<(Url, Vec<u8>), SourceError> {
    let mut get = |url: &Url, _: &RequestFields| {
        let (url, content_type, body) = fetch(url)?;
        let headers = HeaderFields(vec![("content-type".into(), content_type)]);
        let body = ResponseBody::new(
            PrefixedReader { first: Vec::new(), at: 0, rest: io::Cursor::new(body) },
            BodyFraming::Close,
        );
        Ok(HttpResponse { url, is_part: false, headers, body })
    };
    let mut found = match playlist::resolve(url, &RequestFields::default(), &mut get)? {
        ResolvedAddress::Stream(found) => *found,
        ResolvedAddress::Hls(url, text, _) => return Ok((url, text.into_bytes())),
    };
    let mut body = Vec::new();
    found.body.read_to_end(&mut body).map_err(|error| SourceError::Transient(error.to_string()))?;
    Ok((found.url, body))
}
