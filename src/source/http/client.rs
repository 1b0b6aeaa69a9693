//! HTTP client: one GET with redirects.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use url::Url;

use super::body::{Body, Framing, Lead};
use super::wire::{Watch, Wire};
use crate::source::{SourceError, redact};

/// Maximum time from the first packet to the end of the response head.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum length of a response head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Maximum number of header fields.
const MAX_FIELDS: usize = 64;

/// Maximum length of a followed address, in bytes.
pub(super) const MAX_ADDRESS: usize = 4096;

/// Maximum number of redirects.
const MAX_REDIRECTS: usize = 8;

const AGENT: &str = concat!("genred/", env!("CARGO_PKG_VERSION"));

/// Successful response.
pub(super) struct Response<R = Wire> {
    /// Address after all redirects.
    pub(super) url: Url,
    /// True for the requested range, false for the whole resource.
    pub(super) is_part: bool,
    pub(super) headers: Headers,
    pub(super) body: Body<R>,
}

/// Header fields; names are in lower case.
#[derive(Debug, Default)]
pub(super) struct Headers(pub(super) Vec<(String, String)>);

impl Headers {
    /// Value of the first field called `name`, given in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Request fields that a playlist or an address may set. Values are safe to put into a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// `User-Agent`
    pub(super) user_agent: Option<String>,
    /// `Referer`
    pub(super) referrer: Option<String>,
}

impl Fields {
    /// Fills unset fields from `others`.
    pub(super) fn or(self, others: &Self) -> Self {
        Self {
            user_agent: self.user_agent.or_else(|| others.user_agent.clone()),
            referrer: self.referrer.or_else(|| others.referrer.clone()),
        }
    }
}

/// Head of a response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Headers,
}

/// Failure of a request.
pub(super) struct Failed {
    /// True if the server sent a response.
    pub(super) answered: bool,
    pub(super) error: SourceError,
}

impl Failed {
    pub(super) fn answered(what: String) -> Self {
        Self { answered: true, error: SourceError::Transient(what) }
    }
}

/// Requests `url`, follows redirects, and returns the successful response.
///
/// # Errors
/// Transient, with the cause: no such host, no answer, or another status.
pub(super) fn get(url: &Url, fields: &Fields, watch: &Watch) -> Result<Response, SourceError> {
    get_part(url, fields, None, watch).map_err(|failed| failed.error)
}

/// Requests a `range` (first byte, length) of `url`; the server may answer with the whole resource.
///
/// # Errors
/// See [`get`].
pub(super) fn get_part(
    url: &Url,
    fields: &Fields,
    range: Option<(u64, u64)>,
    watch: &Watch,
) -> Result<Response, Failed> {
    let mut url = url.clone();
    let mut seen = vec![url.clone()];
    loop {
        let shown = redact(url.as_str());
        let (head, body) = ask(&url, fields, range, watch)
            .map_err(|error| Failed { answered: false, error: unreachable(&shown, &error) })?;
        let location = match head.status {
            200 | 203 | 206 => {
                let body = body.decoded(head.headers.get("content-encoding")).map_err(|error| {
                    let what = format!("`{shown}` {}", redact(&error.to_string()));
                    Failed { answered: true, error: SourceError::Unlikely(what) }
                })?;
                return Ok(Response { url, is_part: head.status == 206, headers: head.headers, body });
            }
            301 | 302 | 303 | 307 | 308 => head.headers.get("location"),
            _ => None,
        };
        let Some(location) = location else {
            return Err(Failed { answered: true, error: refused(&shown, &head) });
        };
        let mut next = url
            .join(location)
            .map_err(|_| Failed::answered(format!("`{shown}` leads to an address that is none")))?;
        if !["http", "https"].contains(&next.scheme()) {
            return Err(Failed::answered(format!(
                "`{shown}` leads to `{}:`, which is not HTTP",
                next.scheme()
            )));
        }
        if next.as_str().len() > MAX_ADDRESS {
            return Err(Failed::answered(format!("`{shown}` leads to an address of more than 4 KiB")));
        }
        keep_credentials(&url, &mut next);
        if seen.contains(&next) {
            return Err(Failed::answered(format!("`{shown}` leads in a circle of redirects")));
        }
        if seen.len() > MAX_REDIRECTS {
            return Err(Failed::answered(format!("`{shown}` leads on after {MAX_REDIRECTS} redirects")));
        }
        seen.push(next.clone());
        url = next;
    }
}

/// Copies user and password to a redirect on the same origin, never to another one.
pub(super) fn keep_credentials(from: &Url, to: &mut Url) {
    if to.origin() == from.origin() && to.username().is_empty() && to.password().is_none() {
        // Cannot fail: both addresses have the same host.
        let _ = to.set_username(from.username());
        let _ = to.set_password(from.password());
    }
}

fn unreachable(shown: &str, error: &io::Error) -> SourceError {
    let error = redact(&error.to_string());
    let hint = match error.contains("UnknownIssuer") {
        true => {
            "; where the authority is your own, name it in the environment, as `SSL_CERT_FILE=/PATH/ca.pem`"
        }
        false => "",
    };
    SourceError::Transient(format!("`{shown}` cannot be reached: {error}{hint}"))
}

fn refused(shown: &str, head: &Head) -> SourceError {
    let hint = match head.status {
        401 => "; it wants `http://USER:PASSWORD@…`, or another one",
        404 => "; nobody sends to this address now",
        407 => "; the proxy wants a user and a password",
        _ => "",
    };
    SourceError::Transient(format!("`{shown}` answers {} {}{hint}", head.status, head.reason))
}

fn ask(url: &Url, fields: &Fields, range: Option<(u64, u64)>, watch: &Watch) -> io::Result<(Head, Body)> {
    let deadline = Instant::now() + PATIENCE;
    let proxy = proxy_for(url, &|name| std::env::var(name).ok()).map_err(io::Error::other)?;
    let mut wire =
        Wire::connect(url, proxy.as_ref(), watch, deadline, |wire| tunnel(wire, url, proxy.as_ref()))?;
    wire.write_all(request(url, fields, range, proxy.as_ref()).as_bytes())?;
    wire.flush()?;
    let (head, first) = read_head(&mut wire)?;
    let framing = framing(&head.headers);
    Ok((head, Body::new(Lead { first, at: 0, rest: wire }, framing)))
}

pub(super) fn framing(headers: &Headers) -> Framing {
    let is_chunked = |value: &str| value.to_ascii_lowercase().contains("chunked");
    if headers.get("transfer-encoding").is_some_and(is_chunked) {
        return Framing::Chunked;
    }
    let length = headers.get("content-length").and_then(|value| value.trim().parse().ok());
    // Some servers state 0 for an endless stream.
    length.filter(|length| *length > 0).map_or(Framing::Close, Framing::Length)
}

fn request(url: &Url, fields: &Fields, range: Option<(u64, u64)>, proxy: Option<&Url>) -> String {
    let agent = fields.user_agent.as_deref().unwrap_or(AGENT);
    let referrer = fields.referrer.as_ref().map_or(String::new(), |value| format!("Referer: {value}\r\n"));
    let range = range.map_or(String::new(), |(start, length)| {
        format!("Range: bytes={start}-{}\r\n", start.saturating_add(length.saturating_sub(1)))
    });
    let mut path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
    let mut authorization = basic("Authorization", url);
    if let Some(proxy) = proxy.filter(|_| url.scheme() == "http") {
        path.insert_str(0, &format!("http://{}", authority(url)));
        authorization.push_str(&basic("Proxy-Authorization", proxy));
    }
    format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\
         Icy-MetaData: 1\r\n{referrer}{range}{authorization}Connection: close\r\n\r\n",
        authority(url)
    )
}

/// Host, and port unless it is the default.
fn authority(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

/// Header field with user and password of `url`; empty without them.
fn basic(field: &str, url: &Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return String::new();
    }
    let mut secret: Vec<u8> = percent_decode_str(url.username()).collect();
    secret.push(b':');
    secret.extend(percent_decode_str(url.password().unwrap_or_default()));
    format!("{field}: Basic {}\r\n", BASE64_STANDARD.encode(secret))
}

/// Asks the proxy for a tunnel to the server.
fn tunnel(wire: &mut Wire, url: &Url, proxy: Option<&Url>) -> io::Result<()> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let authorization = proxy.map_or(String::new(), |proxy| basic("Proxy-Authorization", proxy));
    write!(
        wire,
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {AGENT}\r\n{authorization}\r\n"
    )?;
    wire.flush()?;
    let (head, first) = read_head(wire)?;
    match head.status {
        200..300 if first.is_empty() => Ok(()),
        status => Err(io::Error::other(format!("the proxy answers {status} {}", head.reason))),
    }
}

/// Reads up to the end of the head. Returns it with the bytes of the body read so far.
pub(super) fn read_head(wire: &mut impl Read) -> io::Result<(Head, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    loop {
        match wire.read(&mut piece)? {
            0 => {
                let what = if bytes.is_empty() {
                    "closed without an answer"
                } else {
                    "closed within the head of its answer"
                };
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
            }
            count => bytes.extend_from_slice(&piece[..count]),
        }
        if let Some((head, length)) = parse_head(&bytes)? {
            return Ok((head, bytes.split_off(length)));
        }
        if bytes.len() > MAX_HEAD {
            return Err(invalid("the head of its answer does not end"));
        }
    }
}

/// Parses a complete head; returns it with its length.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    // SHOUTcast speaks HTTP/1.0 under another name.
    let aliased = bytes.strip_prefix(b"ICY ").map(|rest| [b"HTTP/1.0 ", rest].concat());
    let longer = if aliased.is_some() { 5 } else { 0 };
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = httparse::ParserConfig::default()
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response(&mut response, aliased.as_deref().unwrap_or(bytes));
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(invalid("the head of its answer does not end")),
        Err(_) if b"ICY ".starts_with(bytes) => return Ok(None),
        Err(_) => return Err(invalid("what it answers is not HTTP")),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect();
    let headers =
        response.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect();
    let reason = response.reason.unwrap_or_default().chars().take(80).collect();
    let head = Head { status: response.code.unwrap_or(0), reason, headers: Headers(headers) };
    Ok(Some((head, length - longer)))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Proxy for `url` according to `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
///
/// # Errors
/// The variable does not hold the address of an HTTP proxy.
fn proxy_for(url: &Url, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Url>, String> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let direct = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    let is_direct =
        direct.split([',', ' ']).map(|entry| entry.trim()).filter(|entry| !entry.is_empty()).any(|entry| {
            let name = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
            entry == "*" || host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
        });
    if is_direct {
        return Ok(None);
    }
    // `HTTP_PROXY` in capitals can be set by a request to a CGI program (httpoxy).
    let names: &[&str] = match url.scheme() {
        "https" => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, value)) = names.iter().find_map(|name| Some((*name, set(name)?))) else {
        return Ok(None);
    };
    let value = if value.contains("://") { value } else { format!("http://{value}") };
    match Url::parse(value.trim()) {
        Ok(proxy) if proxy.scheme() == "http" && proxy.has_host() => Ok(Some(proxy)),
        _ => Err(format!(
            "`{name}` in the environment is not the address of a proxy, as in `http://HOST:PORT`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &[u8]) -> Head {
        for end in 0..text.len() {
            assert!(parse_head(&text[..end]).unwrap().is_none(), "whole at {end}");
        }
        let (head, length) = parse_head(&[text, b"body"].concat()).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    #[test]
    fn heads_of_icecast_and_shoutcast() {
        let icy =
            head(b"ICY 200 OK\r\nicy-notice1: <BR>\r\nicy-metaint:16000\r\nContent-Type: audio/mpeg\r\n\r\n");
        assert_eq!((icy.status, icy.headers.get("icy-metaint")), (200, Some("16000")));
        assert_eq!(framing(&icy.headers), Framing::Close);
        let chunked = head(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!((chunked.status, chunked.reason.as_str()), (404, "Not Found"));
        assert_eq!(framing(&chunked.headers), Framing::Chunked);
        assert_eq!(
            framing(&head(b"HTTP/1.0 200\r\nContent-Length: 12\r\n\r\n").headers),
            Framing::Length(12)
        );
    }

    #[test]
    fn heads_that_do_not_end_or_are_none() {
        let endless: Vec<u8> = [&b"HTTP/1.1 200 OK\r\nX-Long: "[..], &[b'a'; 20_000]].concat();
        assert!(read_head(&mut &endless[..]).unwrap_err().to_string().contains("does not end"));
        let many = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(2000));
        assert!(read_head(&mut many.as_bytes()).unwrap_err().to_string().contains("does not end"));
        assert!(read_head(&mut &b"SSH-2.0-x\r\n"[..]).unwrap_err().to_string().contains("not HTTP"));
        assert!(read_head(&mut &b""[..]).unwrap_err().to_string().contains("without an answer"));
        assert!(read_head(&mut &b"HTTP/1.1 20"[..]).unwrap_err().to_string().contains("within the head"));
    }

    #[test]
    fn requests_carry_the_secret_and_nothing_else_does() {
        let url = Url::parse("http://me:h%40nter@h:8000/a?b=c#d").unwrap();
        let sent = request(&url, &Fields::default(), None, None);
        assert!(!sent.contains("Range"), "{sent}");
        assert!(sent.starts_with("GET /a?b=c HTTP/1.1\r\nHost: h:8000\r\nUser-Agent: genred/"), "{sent}");
        assert!(sent.contains("\r\nAuthorization: Basic bWU6aEBudGVy\r\n"), "{sent}");
        let proxy = Url::parse("http://p:q@proxy:3128").unwrap();
        let fields = Fields { user_agent: Some("Player/1".into()), referrer: Some("http://r/".into()) };
        let sent = request(&url, &fields, Some((100, 50)), Some(&proxy));
        assert!(sent.contains("\r\nUser-Agent: Player/1\r\n") && !sent.contains("genred"), "{sent}");
        assert!(sent.contains("\r\nReferer: http://r/\r\n"), "{sent}");
        assert!(sent.contains("\r\nRange: bytes=100-149\r\n"), "{sent}");
        assert!(sent.starts_with("GET http://h:8000/a?b=c HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains("\r\nProxy-Authorization: Basic cDpx\r\n"), "{sent}");
    }

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

    #[test]
    fn proxies_of_the_environment() {
        let check = |url: &str, variables: &[(&str, &str)], expected: Result<Option<&str>, &str>| {
            let lookup =
                |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            let found = proxy_for(&Url::parse(url).unwrap(), &lookup);
            match expected {
                Ok(proxy) => {
                    assert_eq!(found.unwrap().as_ref().map(Url::as_str), proxy, "{url} {variables:?}")
                }
                Err(part) => assert!(found.is_err_and(|error| error.contains(part))),
            }
        };
        check("http://h/", &[], Ok(None));
        check("http://h/", &[("http_proxy", "http://p:3128")], Ok(Some("http://p:3128/")));
        check("http://h/", &[("HTTP_PROXY", "http://p:3128")], Ok(None));
        check("http://h/", &[("all_proxy", "p:3128")], Ok(Some("http://p:3128/")));
        check("https://h/", &[("http_proxy", "p"), ("HTTPS_PROXY", "q:1")], Ok(Some("http://q:1/")));
        check("http://a.h/", &[("http_proxy", "p"), ("no_proxy", "x, .h")], Ok(None));
        check("http://ah/", &[("http_proxy", "p"), ("no_proxy", "h")], Ok(Some("http://p/")));
        check("http://[::1]/", &[("http_proxy", "p"), ("NO_PROXY", "::1")], Ok(None));
        check("http://h/", &[("http_proxy", "p"), ("no_proxy", "*")], Ok(None));
        check("http://h/", &[("http_proxy", "socks5://p")], Err("`http_proxy`"));
    }
}
