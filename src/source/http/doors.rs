//! The ways in for the fuzz targets and for the test of their corpora.

use std::io::{self, Read};

use url::Url;

use super::body::{Body, Framing, Lead};
use super::client::{self, Fields, Headers, Response};
use super::playlist::{self, Found};
use crate::source::SourceError;
pub use crate::source::decode::Runs;

/// An answer, as it was understood.
pub struct Answer<'a> {
    /// The status, 0 without one.
    pub status: u16,
    /// What is said beside it.
    pub reason: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The length of the body in bytes, where it is stated.
    pub length: Option<u64>,
    /// The body, without what delimits it.
    pub body: Box<dyn Read + 'a>,
}

/// Reads the head of an answer off `stream`.
///
/// # Errors
/// When there is none.
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

/// What [`resolve`] is handed in place of an answer: address, content type, body.
pub type Page = (Url, String, Vec<u8>);

/// Follows playlists from `url` on; `fetch` stands for the network.
///
/// # Errors
/// Those of `fetch`, and when nothing but playlists of other kinds than HLS is found.
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
