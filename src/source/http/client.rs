//! HTTP client: one GET with redirects.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use url::Url;

use super::body::{PrefixedReader, ResponseBody};
use super::connection::{FetchContext, HttpConnection};
use super::head::{HeaderFields, ResponseHead, framing, read_head};
use super::proxy::proxy_for;
use super::request::{AGENT, MAX_ADDRESS, RequestFields, basic, request};
use crate::source::SourceError;
use crate::source::address::redact;
use crate::source::address_policy::AddressRefusal;

/// Maximum time from the first packet to the end of the response head.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum number of redirects.
const MAX_REDIRECTS: usize = 8;

/// Successful response.
pub(in crate::source) struct HttpResponse<R = HttpConnection> {
    /// Address after all redirects.
    pub(in crate::source) url: Url,
    /// True for the requested range, false for the whole resource.
    pub(in crate::source) is_part: bool,
    pub(in crate::source) headers: HeaderFields,
    pub(in crate::source) body: ResponseBody<R>,
}

/// Failure of a request.
pub(in crate::source) struct RequestError {
    /// True if the server sent a response.
    pub(in crate::source) answered: bool,
    pub(in crate::source) error: SourceError,
}

impl RequestError {
    pub(in crate::source) fn answered(what: String) -> Self {
        Self { answered: true, error: SourceError::Transient(what) }
    }
}

/// Requests `url`, follows redirects, and returns the successful response.
///
/// # Errors
/// Transient, with the cause: no such host, no answer, or another status. Refused, if the policy of
/// `context` does not allow an address.
pub(in crate::source) fn get(
    url: &Url,
    fields: &RequestFields,
    context: &FetchContext,
) -> Result<HttpResponse, SourceError> {
    get_part(url, fields, None, context).map_err(|failed| failed.error)
}

/// Requests a `range` (first byte, length) of `url`; the server may answer with the whole resource.
///
/// # Errors
/// See [`get`].
pub(in crate::source) fn get_part(
    url: &Url,
    fields: &RequestFields,
    range: Option<(u64, u64)>,
    context: &FetchContext,
) -> Result<HttpResponse, RequestError> {
    let mut url = url.clone();
    let mut seen = vec![url.clone()];
    loop {
        let shown = redact(url.as_str());
        let (head, body) = ask(&url, fields, range, context)
            .map_err(|error| RequestError { answered: false, error: unreachable(&shown, &error) })?;
        let location = match head.status {
            200 | 203 | 206 => {
                let body = body.decoded(head.headers.get("content-encoding")).map_err(|error| {
                    let what = format!("`{shown}` {}", redact(&error.to_string()));
                    RequestError { answered: true, error: SourceError::Unlikely(what) }
                })?;
                return Ok(HttpResponse { url, is_part: head.status == 206, headers: head.headers, body });
            }
            301 | 302 | 303 | 307 | 308 => head.headers.get("location"),
            _ => None,
        };
        let Some(location) = location else {
            return Err(RequestError { answered: true, error: refused(&shown, &head) });
        };
        let mut next = url
            .join(location)
            .map_err(|_| RequestError::answered(format!("`{shown}` redirects to an invalid address")))?;
        if !["http", "https"].contains(&next.scheme()) {
            return Err(RequestError::answered(format!(
                "`{shown}` redirects to `{}:`, which is not HTTP",
                next.scheme()
            )));
        }
        if next.as_str().len() > MAX_ADDRESS {
            return Err(RequestError::answered(format!(
                "`{shown}` redirects to an address of more than 4 KiB"
            )));
        }
        keep_credentials(&url, &mut next);
        if seen.contains(&next) {
            return Err(RequestError::answered(format!("`{shown}` redirects in a loop")));
        }
        if seen.len() > MAX_REDIRECTS {
            return Err(RequestError::answered(format!(
                "`{shown}` redirects more than {MAX_REDIRECTS} times"
            )));
        }
        seen.push(next.clone());
        url = next;
    }
}

/// Copies user and password to a redirect on the same origin, never to another one.
pub(in crate::source) fn keep_credentials(from: &Url, to: &mut Url) {
    if to.origin() == from.origin() && to.username().is_empty() && to.password().is_none() {
        // Cannot fail: both addresses have the same host.
        let _ = to.set_username(from.username());
        let _ = to.set_password(from.password());
    }
}

fn unreachable(shown: &str, error: &io::Error) -> SourceError {
    if let Some(refusal) = error.get_ref().and_then(|inner| inner.downcast_ref::<AddressRefusal>()) {
        return SourceError::Refused(format!("`{shown}` {refusal}"));
    }
    let error = redact(&error.to_string());
    let hint = match error.contains("UnknownIssuer") {
        true => "; for a private certificate authority, set `SSL_CERT_FILE=/PATH/ca.pem` in the environment",
        false => "",
    };
    SourceError::Transient(format!("`{shown}` cannot be reached: {error}{hint}"))
}

fn refused(shown: &str, head: &ResponseHead) -> SourceError {
    let hint = match head.status {
        401 => "; give valid credentials, as in `http://USER:PASSWORD@…`",
        404 => "; no stream is on air at this address",
        407 => "; the proxy requires a user and a password",
        _ => "",
    };
    SourceError::Transient(format!("`{shown}` answers {} {}{hint}", head.status, head.reason))
}

fn ask(
    url: &Url,
    fields: &RequestFields,
    range: Option<(u64, u64)>,
    context: &FetchContext,
) -> io::Result<(ResponseHead, ResponseBody)> {
    let deadline = Instant::now() + PATIENCE;
    let proxy = proxy_for(url, &|name| std::env::var(name).ok()).map_err(io::Error::other)?;
    let mut connection = HttpConnection::connect(url, proxy.as_ref(), context, deadline, |connection| {
        tunnel(connection, url, proxy.as_ref())
    })?;
    connection.write_all(request(url, fields, range, proxy.as_ref()).as_bytes())?;
    connection.flush()?;
    let (head, first) = read_head(&mut connection)?;
    let framing = framing(&head.headers);
    Ok((head, ResponseBody::new(PrefixedReader { first, at: 0, rest: connection }, framing)))
}

/// Requests a tunnel to the server from the proxy.
fn tunnel(connection: &mut HttpConnection, url: &Url, proxy: Option<&Url>) -> io::Result<()> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let authorization = proxy.map_or(String::new(), |proxy| basic("Proxy-Authorization", proxy));
    write!(
        connection,
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {AGENT}\r\n{authorization}\r\n"
    )?;
    connection.flush()?;
    let (head, first) = read_head(connection)?;
    match head.status {
        200..300 if first.is_empty() => Ok(()),
        status => Err(io::Error::other(format!("the proxy answers {status} {}", head.reason))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_with_their_server() {
        let check = |to: &str, expected: &str| {
            let from = Url::parse("http://me:pw@h/a").unwrap();
            let mut to = Url::parse(to).unwrap();
            keep_credentials(&from, &mut to);
            assert_eq!(to.as_str(), expected);
        };
        check("http://h/b", "http://me:pw@h/b");
        check("http://other/b", "http://other/b");
        check("https://h/b", "https://h/b");
        check("http://h:81/b", "http://h:81/b");
        check("http://you:x@h/b", "http://you:x@h/b");
    }
}
