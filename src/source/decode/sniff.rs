//! The first bytes of a source: what has to be known before a demuxer is chosen.

use std::io::{self, Read};

use super::edits::{self, Movie};
use super::{aac, adts, codec_names, matroska};

/// Bytes that are searched for frames of an elementary stream.
const SEARCHED: usize = 16 << 10;

/// The longest tag (ID3v2) in front of an elementary stream, and the longest index (`moov`) of a stream.
const MAX_AHEAD: usize = 16 << 20;

/// Bytes that are read at once.
const PIECE: usize = 4096;

/// How a source is to be demuxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// AAC in ADTS, whose description may change.
    Adts,
    /// MPEG audio that the usual demuxer refuses, from this byte on.
    Mpeg { start: usize },
    /// A format that is not decoded, by name.
    Refused(String),
    /// By its own signature.
    Other,
}

/// Reads ahead of `inner`.
pub(super) struct Peek<R> {
    inner: R,
    bytes: Vec<u8>,
    ended: bool,
}

impl<R: Read> Peek<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, bytes: Vec::new(), ended: false }
    }

    /// What was read, and the rest.
    pub(super) fn into_parts(self) -> (Vec<u8>, R) {
        (self.bytes, self.inner)
    }

    /// Reads until there are `count` bytes; whether there are.
    fn reach(&mut self, count: usize) -> io::Result<bool> {
        while self.bytes.len() < count && !self.ended {
            self.more()?;
        }
        Ok(self.bytes.len() >= count)
    }

    /// Reads once.
    fn more(&mut self) -> io::Result<()> {
        let before = self.bytes.len();
        self.bytes.resize(before + PIECE, 0);
        let read = loop {
            match self.inner.read(&mut self.bytes[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.bytes.truncate(before + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(())
    }

    /// Tells what comes.
    pub(super) fn kind(&mut self) -> io::Result<Kind> {
        let mut start = 0;
        // Tags of ID3v2 (id3.org, ID3v2.4 section 3.1): a length of four times seven bits.
        while self.reach(start + 10)? && self.bytes[start..].starts_with(b"ID3") {
            let size = self.bytes[start + 6..start + 10]
                .iter()
                .fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
            start += 10 + size;
            if start > MAX_AHEAD {
                return Ok(Kind::Other);
            }
        }
        if !self.reach(start + 12)? || is_container(&self.bytes[start..]) {
            return Ok(Kind::Other);
        }
        loop {
            let enough = self.ended || self.bytes.len() >= start + SEARCHED;
            if let Some(kind) = elementary(&self.bytes[start..], enough) {
                return Ok(match kind {
                    Kind::Mpeg { start: junk } => Kind::Mpeg { start: start + junk },
                    kind => kind,
                });
            }
            if enough {
                return Ok(Kind::Other);
            }
            self.more()?;
        }
    }

    /// Edit lists and sample formats of an MP4 stream whose index comes first.
    pub(super) fn movie(&mut self) -> io::Result<Movie> {
        let mut at = 0;
        while self.reach(at + 8)? && at < MAX_AHEAD {
            let header = &self.bytes[at..at + 8];
            let size = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let kind = &header[4..];
            if (at == 0) != (kind == b"ftyp") || !(8..=MAX_AHEAD).contains(&size) || kind == b"mdat" {
                break;
            }
            if kind == b"moov" {
                let whole = self.reach(at + size)?;
                return Ok(if whole {
                    edits::movie(&self.bytes[at + 8..at + size])
                } else {
                    Movie::default()
                });
            }
            at += size;
        }
        Ok(Movie::default())
    }

    /// Reads as far as the tracks of a Matroska file, within [`SEARCHED`] bytes, and the first page of
    /// an Ogg file.
    pub(super) fn tracks(&mut self) -> io::Result<()> {
        const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];
        /// Bytes of the header of a page, and of an identification header of Opus with all its channels.
        const FIRST_PAGE: usize = 28 + 21 + 8;
        if !self.reach(4)? {
            return Ok(());
        }
        if self.bytes.starts_with(b"OggS") {
            self.reach(FIRST_PAGE)?;
        } else if self.bytes.starts_with(&matroska::SIGNATURE) {
            while !self.ended
                && self.bytes.len() < SEARCHED
                && !self.bytes.windows(4).any(|window| window == CLUSTER)
            {
                self.more()?;
            }
        }
        Ok(())
    }
}

/// Name of the first codec in a container's first bytes that no demuxer knows.
pub(super) fn unknown_codec(bytes: &[u8], movie: &Movie) -> Option<String> {
    /// Bytes of the header of an Ogg page before its table of segments (RFC 3533, section 6).
    const PAGE: usize = 27;
    if let Some(format) = movie.formats.first() {
        return codec_names::of_sample_entry(*format);
    }
    if bytes.starts_with(b"OggS") {
        let packet = PAGE + usize::from(*bytes.get(PAGE - 1)?);
        return codec_names::of_ogg(bytes.get(packet..)?).map(Into::into);
    }
    if !bytes.starts_with(&matroska::SIGNATURE) {
        return None;
    }
    // The element CodecID (RFC 9559, section 5.1.4.1.21) of an audio track.
    let at = bytes
        .windows(4)
        .position(|window| window[0] == 0x86 && window[1] & 0xc0 == 0x80 && &window[2..] == b"A_")?;
    let length = usize::from(bytes[at + 1] & 0x3f);
    let id = str::from_utf8(bytes.get(at + 2..at + 2 + length)?).ok()?;
    Some(codec_names::of_matroska(id.trim_end_matches('\0')))
}

/// Whether `bytes` begin with the signature of a container, in which frames mean nothing.
fn is_container(bytes: &[u8]) -> bool {
    const SIGNATURES: [&[u8]; 16] = [
        b"RIFF",
        b"RIFX",
        b"RF64",
        b"BW64",
        b"riff",
        b"FORM",
        b"OggS",
        b"fLaC",
        b"caff",
        b".snd",
        b"\x1a\x45\xdf\xa3",
        b"MAC ",
        b"wvpk",
        b"TTA1",
        b"MPCK",
        b"\x30\x26\xb2\x75",
    ];
    SIGNATURES.iter().any(|signature| bytes.starts_with(signature)) || bytes.get(4..8) == Some(b"ftyp")
}

/// Searches for frames of an elementary stream; `None` where there are none so far.
///
/// Three headers that agree make a stream; where all of it is there (`ended`), two do.
fn elementary(bytes: &[u8], ended: bool) -> Option<Kind> {
    for at in 0..bytes.len().min(SEARCHED) {
        let rest = &bytes[at..];
        let &[first, second, ..] = rest else { break };
        if first == 0xff && second & 0xf6 == 0xf0 {
            if let Some((description, _)) = chain(rest, ended, adts::header) {
                // Of several blocks in a frame only the first would be heard.
                return Some(match rest.get(6).is_some_and(|seventh| seventh & 3 != 0) {
                    true => Kind::Refused("AAC with several blocks in each ADTS frame".into()),
                    false => of_adts(description),
                });
            }
        } else if first == 0xff && second & 0xe0 == 0xe0 && second & 0x06 != 0 {
            if chain(rest, ended, mpeg_frame).is_some() {
                return Some(if is_refused(rest) { Kind::Mpeg { start: at } } else { Kind::Other });
            }
            if is_free(rest) {
                return Some(Kind::Mpeg { start: at });
            }
        } else if first == 0x56 && second & 0xe0 == 0xe0 && chain(rest, ended, loas_frame).is_some() {
            return Some(Kind::Refused("AAC in LATM/LOAS".into()));
        }
    }
    None
}

/// What the first of three frames says of itself, and its length, where all three say the same.
fn chain<T: PartialEq>(
    bytes: &[u8],
    ended: bool,
    header: impl Fn(&[u8]) -> Option<(T, usize)>,
) -> Option<(T, usize)> {
    let (description, length) = header(bytes)?;
    let mut at = length;
    for number in 1..3 {
        let Some(rest) = bytes.get(at..) else {
            return (ended && number > 1).then_some((description, length));
        };
        match header(rest) {
            Some((next, length)) if next == description => at += length,
            None if ended && number > 1 && rest.len() < adts::HEAD => break,
            _ => return None,
        }
    }
    Some((description, length))
}

/// ADTS of a profile and a number of channels that are decoded; the name of others.
pub(super) fn of_adts([third, fourth]: adts::Description) -> Kind {
    if let Some(name) = aac::refused_profile(third >> 6) {
        return Kind::Refused(name.into());
    }
    match (third & 1) << 2 | fourth >> 6 {
        channels @ 3..=6 => Kind::Refused(aac::many_channels(u32::from(channels))),
        7 => Kind::Refused(aac::many_channels(8)),
        _ => Kind::Adts,
    }
}

/// Frames of LOAS (ISO/IEC 14496-3, 1.7.2): a sync word of eleven bits and a length of thirteen.
fn loas_frame(bytes: &[u8]) -> Option<((), usize)> {
    let &[0x56, second, third, ..] = bytes else { return None };
    let length = usize::from(second & 0x1f) << 8 | usize::from(third);
    (second & 0xe0 == 0xe0 && length > 0).then_some(((), 3 + length))
}

/// Version, layer and rate of a frame of MPEG audio with a stated bit rate, and its length in bytes
/// (ISO/IEC 11172-3, 2.4.2.3 and 2.4.3.1; 13818-3, 2.4.2.3).
fn mpeg_frame(bytes: &[u8]) -> Option<([u8; 2], usize)> {
    let header = MpegHeader::read(bytes)?;
    let bit_rate = header.bit_rate()?;
    let rate = header.rate()?;
    let padding = usize::from(bytes[2] >> 1 & 1);
    let length = match (header.layer, header.is_first()) {
        (1, _) => (12 * bit_rate / rate + padding) * 4,
        (3, false) => 72 * bit_rate / rate + padding,
        _ => 144 * bit_rate / rate + padding,
    };
    (length > 4).then_some(([bytes[1] & 0xfe, bytes[2] & 0x0c], length))
}

/// Fields of a header of MPEG audio.
struct MpegHeader {
    /// 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5.
    version: u8,
    layer: u8,
    bit_rate: u8,
    rate: u8,
    is_mono: bool,
}

impl MpegHeader {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[0xff, second, third, fourth, ..] = bytes else { return None };
        let version = second >> 3 & 3;
        let layer = 4 - (second >> 1 & 3);
        let header =
            Self { version, layer, bit_rate: third >> 4, rate: third >> 2 & 3, is_mono: fourth >> 6 == 3 };
        (second & 0xe0 == 0xe0 && version != 1 && layer < 4 && header.bit_rate < 15 && header.rate < 3)
            .then_some(header)
    }

    /// Whether it is MPEG-1, not one of the low rates.
    fn is_first(&self) -> bool {
        self.version == 3
    }

    /// Bits per second; `None` for free format.
    fn bit_rate(&self) -> Option<usize> {
        const TABLE: [[usize; 14]; 5] = [
            [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
            [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
            [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
            [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        let row = match (self.is_first(), self.layer) {
            (true, layer) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let index = usize::from(self.bit_rate).checked_sub(1)?;
        TABLE[row].get(index).map(|kilobits| kilobits * 1000)
    }

    /// Samples per second.
    fn rate(&self) -> Option<usize> {
        let rate: usize = *[44_100, 48_000, 32_000].get(usize::from(self.rate))?;
        Some(match self.version {
            3 => rate,
            2 => rate / 2,
            _ => rate / 4,
        })
    }
}

/// Whether the usual demuxer takes such a frame for invalid: it applies the rules of MPEG-1 for bit
/// rates of layer II (ISO/IEC 11172-3, 2.4.2.3) to the low rates too.
fn is_refused(bytes: &[u8]) -> bool {
    let Some(header) = MpegHeader::read(bytes).filter(|header| header.layer == 2) else { return false };
    let bit_rate = header.bit_rate().unwrap_or(0) / 1000;
    match header.is_mono {
        true => matches!(bit_rate, 224 | 256 | 320 | 384),
        false => matches!(bit_rate, 32 | 48 | 56 | 80),
    }
}

/// Whether three headers of free format come at one distance, give or take a slot of padding.
fn is_free(bytes: &[u8]) -> bool {
    /// The longest frame: 640 kbit/s at 32 kHz, which encoders allow.
    const LONGEST: usize = 2890;
    let is_same = |at: usize| {
        let header = bytes.get(at..).and_then(|rest| Some((rest, MpegHeader::read(rest)?)));
        header.is_some_and(|(rest, header)| {
            header.bit_rate == 0
                && rest[1] == bytes[1]
                && rest[2] & 0xfc == bytes[2] & 0xfc
                && rest[3] >> 6 == bytes[3] >> 6
        })
    };
    let near = |at: usize| (at.saturating_sub(4)..=at + 4).any(is_same);
    is_same(0) && (24..LONGEST).any(|length| is_same(length) && near(2 * length) && near(3 * length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> Kind {
        Peek::new(bytes).kind().unwrap()
    }

    /// Frames of `length` bytes that begin with `header`.
    fn frames(header: &[u8], length: usize, count: usize) -> Vec<u8> {
        let mut frame = vec![0x55; length];
        frame[..header.len()].copy_from_slice(header);
        frame.repeat(count)
    }

    /// ADTS frames of 100 bytes.
    fn aac(third: u8, fourth: u8) -> Vec<u8> {
        frames(&[0xff, 0xf1, third, fourth, 100 >> 3, (100 << 5) as u8 | 0x1f, 0xfc], 100, 5)
    }

    // Header fields: ISO/IEC 13818-7, 6.2; profiles: table 31.
    #[test]
    fn adts_is_found_and_named() {
        assert_eq!(kind(&aac(0x50, 0x80)), Kind::Adts);
        assert_eq!(kind(&[&[0, 1, 2, 3, 0xff][..], &aac(0x50, 0x80)].concat()), Kind::Adts);
        let tag = [&b"ID3\x04\0\0\0\0\x02\x01"[..], &[0xff; 257]].concat();
        assert_eq!(kind(&[tag, aac(0x50, 0x80)].concat()), Kind::Adts);
        let several = frames(&[0xff, 0xf1, 0x50, 0x80, 100 >> 3, (100 << 5) as u8 | 0x1f, 0xfd], 100, 5);
        assert!(matches!(kind(&several), Kind::Refused(what) if what.contains("several blocks")));
        assert_eq!(kind(&aac(0x10, 0x80)), Kind::Refused("AAC Main".into()));
        assert_eq!(kind(&aac(0xd0, 0x80)), Kind::Refused("AAC LTP".into()));
        assert_eq!(kind(&aac(0x51, 0x80)), Kind::Refused("AAC of 6 channels (5.1)".into()));
        assert_eq!(kind(&[&b"RIFF\0\0\0\0WAVE"[..], &aac(0x50, 0x80)].concat()), Kind::Other);
        assert_eq!(kind(&aac(0x50, 0x80)[..150]), Kind::Adts, "two headers, and no more");
        assert_eq!(kind(&aac(0x50, 0x80)[..99]), Kind::Other);
    }

    // Header fields: ISO/IEC 11172-3, 2.4.2.3. 128 kbit/s at 44.1 kHz are 417 bytes; 32 kbit/s of
    // layer II at 24 kHz are 192 bytes.
    #[test]
    fn mpeg_audio_is_found() {
        assert_eq!(kind(&frames(&[0xff, 0xfb, 0x90, 0x40], 417, 4)), Kind::Other);
        assert_eq!(kind(&frames(&[0xff, 0xf5, 0x44, 0x00], 192, 4)), Kind::Mpeg { start: 0 });
        assert_eq!(kind(&frames(&[0xff, 0xf5, 0x44, 0xc0], 192, 4)), Kind::Other);
        for length in [300, 1567, 2089] {
            let free = frames(&[0xff, 0xfb, 0x00, 0x40], length, 5);
            assert_eq!(kind(&free), Kind::Mpeg { start: 0 }, "{length}");
            assert_eq!(kind(&[vec![7; 1000], free].concat()), Kind::Mpeg { start: 1000 }, "{length}");
        }
    }

    #[test]
    fn latm_is_named() {
        let latm = frames(&[0x56, 0xe0, 97], 100, 4);
        assert_eq!(kind(&latm), Kind::Refused("AAC in LATM/LOAS".into()));
        assert_eq!(kind(&[0; 4000]), Kind::Other);
        assert_eq!(kind(&[]), Kind::Other);
    }
}
