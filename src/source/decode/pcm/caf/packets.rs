//! Compressed audio in CAF, with packets of individual lengths.

use std::io;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::errors::{Error, Result as Decoded, SeekErrorKind};
use symphonia::core::formats::well_known::FORMAT_ID_CAF;
use symphonia::core::formats::{FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track};
use symphonia::core::io::{MediaSourceStream, ReadBytes};
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::source::decode::pcm::layout::ByteOrder;

pub(super) const INFO: FormatInfo =
    FormatInfo { format: FORMAT_ID_CAF, short_name: "caf", long_name: "Core Audio Format" };

/// Maximum accepted packet length, in bytes.
const LONGEST_PACKET: u64 = 1 << 20;

/// Description of compressed audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CompressedFormat {
    pub(super) codec: AudioCodecId,
    pub(super) rate: u32,
    pub(super) channels: u16,
    /// Bytes per packet; 0 if the table states them.
    pub(super) bytes: u32,
    /// Samples per channel and packet; 0 if the table states them.
    pub(super) samples: u32,
}

/// Codec of a format identifier, if its packets are decoded.
pub(super) fn codec(kind: &[u8]) -> Option<AudioCodecId> {
    match kind {
        b"alac" => Some(CODEC_ID_ALAC),
        b"aac " => Some(CODEC_ID_AAC),
        b"opus" if cfg!(feature = "opus") => Some(CODEC_ID_OPUS),
        _ => None,
    }
}

/// Creates the demuxer for `stream`, positioned at the first byte of audio. `table` is the content
/// of the `pakt` chunk, `cookie` that of `kuki`.
pub(super) fn demuxer(
    stream: MediaSourceStream<'static>,
    format: CompressedFormat,
    table: Vec<u8>,
    cookie: &[u8],
) -> Box<dyn FormatReader> {
    let mut params = AudioCodecParameters::new();
    params
        .for_codec(format.codec)
        .with_sample_rate(format.rate)
        .with_channels(Channels::Discrete(format.channels));
    if let Some(config) = configuration(format.codec, cookie) {
        params.with_extra_data(config.into());
    }
    let mut track = Track::new(0);
    track.with_codec_params(CodecParameters::Audio(params));
    Box::new(CafPackets {
        stream,
        media: MediaInfo::from_track(&track),
        tracks: vec![track],
        metadata: MetadataLog::default(),
        table: PacketTable { left: ByteOrder::Big.u64(&table, 0), bytes: table, at: 24, format },
        position: 0,
    })
}

/// Codec configuration from the magic cookie.
fn configuration(codec: AudioCodecId, cookie: &[u8]) -> Option<Vec<u8>> {
    match codec {
        // Bare, or in boxes as in QuickTime: `frma`, then `alac` with a version.
        CODEC_ID_ALAC if cookie.get(4..8) == Some(b"frma") => Some(cookie.get(24..48)?.to_vec()),
        CODEC_ID_ALAC => Some(cookie.to_vec()),
        CODEC_ID_AAC => specific_info(cookie),
        _ => None,
    }
}

/// `DecoderSpecificInfo` in an `ES_Descriptor` (ISO/IEC 14496-1, 7.2.6).
fn specific_info(descriptor: &[u8]) -> Option<Vec<u8>> {
    const ELEMENTARY_STREAM: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const SPECIFIC_INFO: u8 = 5;
    let mut rest = descriptor;
    loop {
        let (&tag, behind) = rest.split_first()?;
        let length = behind.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
        let size = behind[..length].iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let content = &behind[length..];
        rest = match tag {
            ELEMENTARY_STREAM => content.get(3..)?,
            DECODER_CONFIG => content.get(13..)?,
            SPECIFIC_INFO => return content.get(..size).map(<[u8]>::to_vec),
            _ => content.get(size..)?,
        };
    }
}

/// Packet table: a header of 24 bytes, and numbers of 7 bits per byte.
struct PacketTable {
    bytes: Vec<u8>,
    at: usize,
    /// Number of packets left.
    left: u64,
    format: CompressedFormat,
}

impl PacketTable {
    /// Bytes and samples per channel of the next packet.
    fn next(&mut self) -> Option<(u64, u64)> {
        self.left = self.left.checked_sub(1)?;
        let bytes = match self.format.bytes {
            0 => self.number()?,
            bytes => u64::from(bytes),
        };
        let samples = match self.format.samples {
            0 => self.number()?,
            samples => u64::from(samples),
        };
        (1..=LONGEST_PACKET).contains(&bytes).then_some((bytes, samples))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            number = number.checked_mul(128)? | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
    }
}

struct CafPackets {
    stream: MediaSourceStream<'static>,
    media: MediaInfo,
    tracks: Vec<Track>,
    metadata: MetadataLog,
    table: PacketTable,
    /// Samples per channel so far.
    position: u64,
}

impl FormatReader for CafPackets {
    fn format_info(&self) -> &FormatInfo {
        &INFO
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn seek(&mut self, _: SeekMode, _: SeekTo) -> Decoded<SeekedTo> {
        Err(Error::SeekError(SeekErrorKind::Unseekable))
    }

    fn next_packet(&mut self) -> Decoded<Option<Packet>> {
        let Some((bytes, samples)) = self.table.next() else { return Ok(None) };
        let data = match self.stream.read_boxed_slice_exact(bytes as usize) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            data => data?,
        };
        let start = Timestamp::new(i64::try_from(self.position).unwrap_or(i64::MAX));
        self.position = self.position.saturating_add(samples);
        Ok(Some(Packet::new(0, start, Duration::new(samples), data)))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.stream
    }
}
