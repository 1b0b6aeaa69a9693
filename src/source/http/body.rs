//! Body of a response, for every framing and content coding.

use std::io::{self, Read};
use std::time::Instant;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::connection::HttpConnection;

/// Maximum length of a chunk header, in bytes.
const MAX_LINE: usize = 256;

/// Length of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum BodyFraming {
    /// The body ends when the server closes the connection.
    Close,
    /// Length in bytes.
    Length(u64),
    /// Chunks that state their length.
    Chunked,
}

/// Bytes read together with the head, then the remaining connection.
pub(in crate::source) struct PrefixedReader<R> {
    pub(in crate::source) first: Vec<u8>,
    pub(in crate::source) at: usize,
    pub(in crate::source) rest: R,
}

impl<R: Read> Read for PrefixedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.first[self.at..];
        if waiting.is_empty() {
            return self.rest.read(buffer);
        }
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        self.at += count;
        if self.at == self.first.len() {
            (self.first, self.at) = (Vec::new(), 0);
        }
        Ok(count)
    }
}

/// Body that can be peeked before it is read.
pub(in crate::source) struct ResponseBody<R = HttpConnection> {
    coded: ContentDecoder<R>,
    /// First read error, which every later read repeats.
    failed: Option<(io::ErrorKind, String)>,
    /// Peeked bytes that are yet to be read.
    seen: Vec<u8>,
}

/// Peeked bytes of a body, then the others.
type PeekedBody<R> = io::Chain<io::Cursor<Vec<u8>>, FramedBody<R>>;

/// Content coding (RFC 9110, 8.4.1).
enum ContentDecoder<R> {
    Identity(PeekedBody<R>),
    Gzip(Box<MultiGzDecoder<PeekedBody<R>>>),
    Zlib(Box<ZlibDecoder<PeekedBody<R>>>),
    Deflate(Box<DeflateDecoder<PeekedBody<R>>>),
}

impl ResponseBody {
    /// Sets the time at which reads fail; `None` for no limit.
    pub(in crate::source) fn set_deadline(&mut self, deadline: Option<Instant>) {
        let peeked = match &mut self.coded {
            ContentDecoder::Identity(peeked) => peeked,
            ContentDecoder::Gzip(decoder) => decoder.get_mut(),
            ContentDecoder::Zlib(decoder) => decoder.get_mut(),
            ContentDecoder::Deflate(decoder) => decoder.get_mut(),
        };
        peeked.get_mut().1.lead.rest.set_deadline(deadline);
    }
}

impl<R: Read> ResponseBody<R> {
    pub(in crate::source) fn new(lead: PrefixedReader<R>, framing: BodyFraming) -> Self {
        let framed = io::Cursor::new(Vec::new()).chain(FramedBody::new(lead, framing));
        Self { coded: ContentDecoder::Identity(framed), failed: None, seen: Vec::new() }
    }

    /// Decodes unrequested content codings: gzip and deflate, detected by the field
    /// `Content-Encoding` and by the first bytes.
    ///
    /// # Errors
    /// Unsupported codings, with a message, and read errors.
    pub(in crate::source) fn decoded(mut self, stated: Option<&str>) -> io::Result<Self> {
        /// Known codings that are not decoded.
        const FOREIGN: [&str; 5] = ["br", "zstd", "compress", "x-compress", "dcb"];
        let stated = stated.unwrap_or_default().to_ascii_lowercase();
        let mut codings = stated.split(',').map(str::trim);
        if let Some(coding) = codings.clone().find(|coding| FOREIGN.contains(coding)) {
            return Err(io::Error::other(format!(
                "comes with `Content-Encoding: {coding}`, which genred neither requests nor \
                 decodes; disable it on the server for audio"
            )));
        }
        let is_deflated = codings.any(|coding| coding == "deflate");
        // Servers may state a coding without applying it, or apply one without stating it.
        let first = self.peek(3)?;
        let is_gzip = first == [0x1f, 0x8b, 8];
        let is_zlib = matches!(first, &[head, flags, ..] if head & 0x0f == 8
            && (u16::from(head) << 8 | u16::from(flags)).is_multiple_of(31));
        let is_sound = matches!(first, [0xff, ..] | b"ID3" | b"Ogg" | b"fLa" | b"RIF");
        if !is_gzip && (!is_deflated || is_sound) {
            return Ok(self);
        }
        let ContentDecoder::Identity(peeked) = self.coded else { return Ok(self) };
        let (_, framed) = peeked.into_inner();
        let peeked = io::Cursor::new(self.seen).chain(framed);
        let coded = match is_gzip {
            true => ContentDecoder::Gzip(Box::new(MultiGzDecoder::new(peeked))),
            false if is_zlib => ContentDecoder::Zlib(Box::new(ZlibDecoder::new(peeked))),
            false => ContentDecoder::Deflate(Box::new(DeflateDecoder::new(peeked))),
        };
        Ok(Self { coded, failed: self.failed, seen: Vec::new() })
    }

    /// Peeks the first `count` bytes, fewer if the body is shorter. They are returned again by
    /// reads.
    ///
    /// # Errors
    /// Read errors.
    pub(in crate::source) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let mut piece = [0; 1024];
        while self.seen.len() < count {
            let most = piece.len().min(count - self.seen.len());
            match self.read_on(&mut piece[..most])? {
                0 => break,
                read => self.seen.extend_from_slice(&piece[..read]),
            }
        }
        Ok(&self.seen)
    }

    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, what)) = &self.failed {
            return Err(io::Error::new(*kind, what.clone()));
        }
        let read = match &mut self.coded {
            ContentDecoder::Identity(peeked) => peeked.read(buffer),
            ContentDecoder::Gzip(decoder) => decoder.read(buffer),
            ContentDecoder::Zlib(decoder) => decoder.read(buffer),
            ContentDecoder::Deflate(decoder) => decoder.read(buffer),
        };
        if let Err(error) = &read {
            self.failed = Some((error.kind(), error.to_string()));
        }
        read
    }
}

/// Body without its framing.
struct FramedBody<R> {
    lead: PrefixedReader<R>,
    framing: BodyFraming,
    /// Bytes left of the chunk or of the body.
    left: u64,
    /// True after the first chunk header: the chunk's line end comes before the next one.
    after_chunk: bool,
    ended: bool,
}

impl<R: Read> FramedBody<R> {
    fn new(lead: PrefixedReader<R>, framing: BodyFraming) -> Self {
        let left = if let BodyFraming::Length(length) = framing { length } else { 0 };
        Self { lead, framing, left, after_chunk: false, ended: false }
    }

    fn read_framed(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        if self.framing == BodyFraming::Close {
            return self.lead.read(buffer);
        }
        if self.left == 0 {
            self.left = match self.framing {
                BodyFraming::Chunked => self.next_chunk()?,
                _ => 0,
            };
            if self.left == 0 {
                self.ended = true;
                return Ok(0);
            }
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.lead.read(&mut buffer[..most])? {
            0 => Err(cut_off()),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }

    /// Reads a chunk header and returns the chunk's length; 0 marks the end.
    fn next_chunk(&mut self) -> io::Result<u64> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "a chunk is malformed");
        if std::mem::replace(&mut self.after_chunk, true) {
            let mut end = [0; 2];
            self.lead.read_exact(&mut end).map_err(closed)?;
            if &end != b"\r\n" {
                return Err(malformed());
            }
        }
        let mut line = Vec::with_capacity(16);
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            self.lead.read_exact(&mut byte).map_err(closed)?;
            line.push(byte[0]);
            if line.len() > MAX_LINE {
                return Err(malformed());
            }
        }
        match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, length))) => Ok(length),
            _ => Err(malformed()),
        }
    }
}

impl<R: Read> Read for FramedBody<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_framed(buffer)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed prematurely")
}

/// Maps an unexpected end of file to a message for users.
fn closed(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { cut_off() } else { error }
}

impl<R: Read> Read for ResponseBody<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.seen.is_empty() {
            return self.read_on(buffer);
        }
        let count = self.seen.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.seen[..count]);
        self.seen.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reader that returns one byte per read.
    struct OneByteReader<'a>(&'a [u8]);

    impl Read for OneByteReader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(bytes: &[u8], framing: BodyFraming) -> Result<String, String> {
        let mut read = Vec::new();
        for split in 0..=bytes.len() {
            let (first, rest) = bytes.split_at(split);
            let mut body = ResponseBody::new(
                PrefixedReader { first: first.to_vec(), at: 0, rest: OneByteReader(rest) },
                framing,
            );
            let _ = body.peek(split);
            let mut text = String::new();
            let outcome = body.read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string());
            read.push(outcome);
        }
        read.dedup();
        assert_eq!(read.len(), 1, "{read:?}");
        read.pop().unwrap()
    }

    fn encoded(bytes: &[u8], stated: Option<&str>) -> Result<String, String> {
        let lead = PrefixedReader { first: Vec::new(), at: 0, rest: OneByteReader(bytes) };
        let mut body = ResponseBody::new(lead, BodyFraming::Length(bytes.len() as u64))
            .decoded(stated)
            .map_err(|error| error.to_string())?;
        let first = body.peek(2).map_err(|error| error.to_string())?.to_vec();
        let mut text = String::new();
        body.read_to_string(&mut text).map_err(|error| error.to_string())?;
        assert!(text.as_bytes().starts_with(&first));
        Ok(text)
    }

    /// Output of Python's `zlib` and `gzip` for "sound sound sound".
    #[test]
    fn encodings_that_were_not_asked_for() {
        const TEXT: &str = "sound sound sound";
        const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03+\xce/\xcdKQ(F\x90\0\x0c]\x0c\x93\x11\0\0\0";
        const ZLIB: &[u8] = b"x\x9c+\xce/\xcdKQ(F\x90\0=\x01\x06\xbc";
        const DEFLATE: &[u8] = b"+\xce/\xcdKQ(F\x90\0";
        assert_eq!(encoded(GZIP, Some("gzip")).as_deref(), Ok(TEXT));
        assert_eq!(encoded(GZIP, Some("x-gzip, identity")).as_deref(), Ok(TEXT));
        assert_eq!(encoded(GZIP, None).as_deref(), Ok(TEXT));
        // Concatenated members (RFC 1952, 2.2).
        assert_eq!(encoded(&[GZIP, GZIP].concat(), Some("gzip")), Ok(TEXT.repeat(2)));
        assert_eq!(encoded(ZLIB, Some("deflate")).as_deref(), Ok(TEXT));
        assert_eq!(encoded(DEFLATE, Some("Deflate")).as_deref(), Ok(TEXT));
        for stated in ["gzip", "", "identity", "UTF-8"] {
            assert_eq!(encoded(TEXT.as_bytes(), Some(stated)).as_deref(), Ok(TEXT), "stated, not applied");
        }
        assert!(
            encoded(TEXT.as_bytes(), Some("gzip, br"))
                .is_err_and(|what| what.contains("`Content-Encoding: br`"))
        );
        assert!(encoded(&GZIP[..20], Some("gzip")).is_err());
        assert_eq!(encoded(b"", Some("gzip")).as_deref(), Ok(""));
    }

    #[test]
    fn every_framing() {
        let check =
            |bytes: &[u8], framing, expected: Result<&str, &str>| match (read(bytes, framing), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (found, _) => panic!("{found:?} for {expected:?}"),
            };
        check(b"abc", BodyFraming::Close, Ok("abc"));
        check(b"abcdef", BodyFraming::Length(3), Ok("abc"));
        check(b"ab", BodyFraming::Length(3), Err("closed prematurely"));
        check(b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", BodyFraming::Chunked, Ok("abc0123456789"));
        check(b"3\r\nab", BodyFraming::Chunked, Err("closed prematurely"));
        check(b"3\r\nabcd\r\n", BodyFraming::Chunked, Err("malformed"));
        check(b"zz\r\nabcd\r\n", BodyFraming::Chunked, Err("malformed"));
        check(&[b'0'; 300], BodyFraming::Chunked, Err("malformed"));
        check(b"fffffffffffffffff\r\n", BodyFraming::Chunked, Err("malformed"));
    }
}
