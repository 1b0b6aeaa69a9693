//! Entry points for fuzz targets and for the test of their corpora.

use std::io::{self, Read};

use url::Url;

use super::body::{Body, Framing, Lead};
use super::client::{self, Fields, Headers, Response};
use super::playlist::{self, Found};
use crate::source::SourceError;
pub use crate::source::decode::Runs;

/// Parsed response.
pub struct Answer<'a> {
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
pub fn answer<'a>(mut stream: impl Read + 'a) -> io::Result<Answer<'a>> {
    let (head, first) = client::read_head(&mut stream)?;
    let framing = client::framing(&head.headers);
    let length = if let Framing::Length(length) = framing { Some(length) } else { None };
    let body = Body::new(Lead { first, at: 0, rest: stream }, framing);
    Ok(Answer {
        status: head.status,
        reason: head.reason,
        headers: head.headers.0,
        length,
        body: Box::new(body),
    })
}

/// Simulated response for [`resolve`]: address, content type, body.
pub type Page = (Url, String, Vec<u8>);

/// Resolves playlists from `url` on; `fetch` stands for the network.
///
/// # Errors
/// Those of `fetch`, and playlists that lead to no stream.
pub fn resolve(
    url: &Url,
    fetch: &mut dyn FnMut(&Url) -> Result<Page, SourceError>,
) -> Result<(Url, Vec<u8>), SourceError> {
    let mut get = |url: &Url, _: &Fields| {
        let (url, content_type, body) = fetch(url)?;
        let headers = Headers(vec![("content-type".into(), content_type)]);
        let body = Body::new(Lead { first: Vec::new(), at: 0, rest: io::Cursor::new(body) }, Framing::Close);
        Ok(Response { url, is_part: false, headers, body })
    };
    let mut found = match playlist::resolve(url, &Fields::default(), &mut get)? {
        Found::Stream(found) => *found,
        Found::Hls(url, text, _) => return Ok((url, text.into_bytes())),
    };
    let mut body = Vec::new();
    found.body.read_to_end(&mut body).map_err(|error| SourceError::Transient(error.to_string()))?;
    Ok((found.url, body))
}
