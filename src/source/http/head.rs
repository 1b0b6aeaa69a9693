//! Head of a response.

use std::io::{self, Read};

use super::body::BodyFraming;

/// Maximum length of a response head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Maximum number of header fields.
const MAX_FIELDS: usize = 64;

/// Header fields; names are in lower case.
#[derive(Debug, Default)]
pub(in crate::source) struct HeaderFields(pub(in crate::source) Vec<(String, String)>);

impl HeaderFields {
    /// Value of the first field called `name`, given in lower case.
    pub(in crate::source) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Head of a response.
#[derive(Debug)]
pub(in crate::source) struct ResponseHead {
    pub(in crate::source) status: u16,
    pub(in crate::source) reason: String,
    pub(in crate::source) headers: HeaderFields,
}

/// Framing of the body that follows the head.
pub(in crate::source) fn framing(headers: &HeaderFields) -> BodyFraming {
    let is_chunked = |value: &str| value.to_ascii_lowercase().contains("chunked");
    if headers.get("transfer-encoding").is_some_and(is_chunked) {
        return BodyFraming::Chunked;
    }
    let length = headers.get("content-length").and_then(|value| value.trim().parse().ok());
    // Some servers state 0 for an endless stream.
    length.filter(|length| *length > 0).map_or(BodyFraming::Close, BodyFraming::Length)
}

/// Reads up to the end of the head. Returns it with the bytes of the body read so far.
pub(in crate::source) fn read_head(connection: &mut impl Read) -> io::Result<(ResponseHead, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    loop {
        match connection.read(&mut piece)? {
            0 => {
                let what = if bytes.is_empty() {
                    "closed without a response"
                } else {
                    "closed within the response head"
                };
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
            }
            count => bytes.extend_from_slice(&piece[..count]),
        }
        if let Some((head, length)) = parse_head(&bytes)? {
            return Ok((head, bytes.split_off(length)));
        }
        if bytes.len() > MAX_HEAD {
            return Err(invalid("the response head is too long"));
        }
    }
}

/// Parses a complete head; returns it with its length.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(ResponseHead, usize)>> {
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
        Err(httparse::Error::TooManyHeaders) => return Err(invalid("the response head is too long")),
        Err(_) if b"ICY ".starts_with(bytes) => return Ok(None),
        Err(_) => return Err(invalid("the response is not HTTP")),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect();
    let headers =
        response.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect();
    let reason = response.reason.unwrap_or_default().chars().take(80).collect();
    let head = ResponseHead { status: response.code.unwrap_or(0), reason, headers: HeaderFields(headers) };
    Ok(Some((head, length - longer)))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &[u8]) -> ResponseHead {
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
        assert_eq!(framing(&icy.headers), BodyFraming::Close);
        let chunked = head(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!((chunked.status, chunked.reason.as_str()), (404, "Not Found"));
        assert_eq!(framing(&chunked.headers), BodyFraming::Chunked);
        assert_eq!(
            framing(&head(b"HTTP/1.0 200\r\nContent-Length: 12\r\n\r\n").headers),
            BodyFraming::Length(12)
        );
    }

    #[test]
    fn heads_that_do_not_end_or_are_none() {
        let endless: Vec<u8> = [&b"HTTP/1.1 200 OK\r\nX-Long: "[..], &[b'a'; 20_000]].concat();
        assert!(read_head(&mut &endless[..]).unwrap_err().to_string().contains("too long"));
        let many = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(2000));
        assert!(read_head(&mut many.as_bytes()).unwrap_err().to_string().contains("too long"));
        assert!(read_head(&mut &b"SSH-2.0-x\r\n"[..]).unwrap_err().to_string().contains("not HTTP"));
        assert!(read_head(&mut &b""[..]).unwrap_err().to_string().contains("without a response"));
        assert!(
            read_head(&mut &b"HTTP/1.1 20"[..]).unwrap_err().to_string().contains("within the response head")
        );
    }
}
