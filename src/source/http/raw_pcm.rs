//! PCM without a container, as described by its content type (RFC 2586, RFC 3551, RFC 3190). Values
//! are big-endian. It is converted to WAV.

use std::io::{self, Read};

/// Layout of a PCM body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawPcmLayout {
    coding: RawPcmCoding,
    rate: u32,
    channels: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RawPcmCoding {
    /// Unsigned, one byte.
    L8,
    L16,
    L24,
    /// ITU-T G.711
    ALaw,
    MuLaw,
}

impl RawPcmCoding {
    fn bytes(self) -> usize {
        match self {
            Self::L8 | Self::ALaw | Self::MuLaw => 1,
            Self::L16 => 2,
            Self::L24 => 3,
        }
    }

    /// Format tag in WAV.
    fn tag(self) -> u16 {
        match self {
            Self::L8 | Self::L16 | Self::L24 => 1,
            Self::ALaw => 6,
            Self::MuLaw => 7,
        }
    }
}

/// Layout stated by a content type, such as `audio/L16;rate=44100;channels=2`; `None` for other
/// types. A container in the body takes precedence over the content type.
///
/// # Errors
/// The type is PCM but incomplete; returns the name of the format.
pub(super) fn layout(content_type: &str, first: &[u8]) -> Option<Result<RawPcmLayout, &'static str>> {
    let mut parts = content_type.split(';').map(str::trim);
    let coding = match parts.next()?.to_ascii_lowercase().as_str() {
        "audio/l8" => RawPcmCoding::L8,
        "audio/l16" => RawPcmCoding::L16,
        "audio/l24" => RawPcmCoding::L24,
        "audio/l20" => return Some(Err("20-bit PCM")),
        "audio/pcma" | "audio/g711-alaw" | "audio/x-alaw-basic" => RawPcmCoding::ALaw,
        "audio/pcmu" | "audio/basic" | "audio/g711-mulaw" | "audio/x-mulaw" => RawPcmCoding::MuLaw,
        _ => return None,
    };
    let containers: [&[u8]; 7] = [b"RIFF", b"RF64", b"FORM", b".snd", b"OggS", b"fLaC", b"ID3"];
    if containers.iter().any(|magic| first.starts_with(magic)) {
        return None;
    }
    let (mut rate, mut channels) = (None, None);
    for (key, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "rate" => rate = value.parse::<u32>().ok(),
            "channels" => channels = value.parse::<u16>().ok(),
            _ => {}
        }
    }
    let is_law = matches!(coding, RawPcmCoding::ALaw | RawPcmCoding::MuLaw);
    let rate = rate.or(is_law.then_some(8000)).filter(|rate| (1000..=768_000).contains(rate));
    let channels = Some(channels.unwrap_or(1)).filter(|channels| (1..=64).contains(channels));
    Some(match (rate, channels) {
        (Some(rate), Some(channels)) => Ok(RawPcmLayout { coding, rate, channels }),
        _ => Err("PCM without a rate"),
    })
}

/// Wraps the PCM of `inner` in a WAV stream of unknown length.
pub(super) fn as_wav<R: Read>(inner: R, layout: RawPcmLayout) -> impl Read {
    let RawPcmLayout { coding, rate, channels } = layout;
    let frame = coding.bytes() as u16 * channels;
    // Formats other than PCM state the length of an extension, which is empty.
    let extension: &[u8] = if coding.tag() == 1 { &[] } else { &[0, 0] };
    let mut head = Vec::with_capacity(46);
    head.extend_from_slice(b"RIFF\xff\xff\xff\xffWAVEfmt ");
    head.extend_from_slice(&(16 + extension.len() as u32).to_le_bytes());
    head.extend_from_slice(&coding.tag().to_le_bytes());
    head.extend_from_slice(&channels.to_le_bytes());
    head.extend_from_slice(&rate.to_le_bytes());
    head.extend_from_slice(&(rate * u32::from(frame)).to_le_bytes());
    head.extend_from_slice(&frame.to_le_bytes());
    head.extend_from_slice(&(8 * coding.bytes() as u16).to_le_bytes());
    head.extend_from_slice(extension);
    head.extend_from_slice(b"data\xff\xff\xff\xff");
    io::Cursor::new(head).chain(ByteSwappedReader {
        inner,
        width: coding.bytes(),
        partial: Vec::new(),
        ready: Vec::new(),
        at: 0,
    })
}

/// Reader that reverses the bytes of each value.
struct ByteSwappedReader<R> {
    inner: R,
    width: usize,
    /// Start of an incomplete value.
    partial: Vec<u8>,
    /// Reversed values, of which `at` bytes have been read.
    ready: Vec<u8>,
    at: usize,
}

impl<R: Read> Read for ByteSwappedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.width == 1 || buffer.is_empty() {
            return self.inner.read(buffer);
        }
        while self.at == self.ready.len() {
            let mut piece = [0; 4096];
            match self.inner.read(&mut piece)? {
                0 => return Ok(0),
                count => self.partial.extend_from_slice(&piece[..count]),
            }
            let rest = self.partial.split_off(self.partial.len() / self.width * self.width);
            (self.ready, self.at) = (std::mem::replace(&mut self.partial, rest), 0);
            self.ready.chunks_exact_mut(self.width).for_each(<[u8]>::reverse);
        }
        let left = &self.ready[self.at..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let check = |content_type: &str, expected: Option<Result<(usize, u32, u16), &str>>| {
            let found = layout(content_type, b"\0\x01\0\x02")
                .map(|found| found.map(|layout| (layout.coding.bytes(), layout.rate, layout.channels)));
            assert_eq!(found, expected, "{content_type}");
        };
        check("audio/L16;rate=44100;channels=2", Some(Ok((2, 44_100, 2))));
        check("Audio/l24; channels=\"1\"; Rate=96000", Some(Ok((3, 96_000, 1))));
        check("audio/L16; rate=16000", Some(Ok((2, 16_000, 1))));
        check("audio/basic", Some(Ok((1, 8000, 1))));
        check("audio/PCMA;rate=16000", Some(Ok((1, 16_000, 1))));
        check("audio/L16", Some(Err("PCM without a rate")));
        check("audio/L16;rate=44100;channels=999", Some(Err("PCM without a rate")));
        check("audio/L20;rate=44100", Some(Err("20-bit PCM")));
        check("audio/mpeg", None);
        check("", None);
        assert_eq!(layout("audio/L16;rate=44100", b"RIFF...."), None);
        assert_eq!(layout("audio/basic", b".snd\0\0"), None);
    }

    /// Any size of buffers and reads.
    #[test]
    fn bytes_are_reversed_within_values() {
        let layout = RawPcmLayout { coding: RawPcmCoding::L24, rate: 44_100, channels: 1 };
        for size in 1..10 {
            let mut wav = as_wav(&b"\x01\x02\x03\x04\x05\x06\x07"[..], layout);
            let (mut found, mut piece) = (Vec::new(), vec![0; size]);
            loop {
                match wav.read(&mut piece).unwrap() {
                    0 => break,
                    count => found.extend_from_slice(&piece[..count]),
                }
            }
            assert_eq!(&found[..4], b"RIFF");
            assert_eq!(found[44..], [3, 2, 1, 6, 5, 4], "{size}");
        }
    }
}
