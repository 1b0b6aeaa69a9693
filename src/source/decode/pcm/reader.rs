//! Packets of a container whose audio lies in extents of bytes.

use std::io::{self, Read};

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_ADPCM_IMA_WAV;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::errors::{Error, Result as Decoded, SeekErrorKind};
use symphonia::core::formats::{
    FormatInfo, FormatOptions, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track,
};
use symphonia::core::io::{MediaSourceStream, ReadBytes, ReadOnlySource};
use symphonia::core::meta::{Metadata, MetadataLog, MetadataRevision};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::formats::{AdtsReader, MpaReader};

use super::super::arrived_reader;
use super::super::detect::DetectedFormat;
use super::super::mpeg::MpegReader;
use super::super::stream_start::StreamStart;
use super::layout::PcmLayout;

/// Packets per second of uncompressed audio.
const PACKETS_A_SECOND: u32 = 50;

/// Minimum number of samples per channel in a packet of blocks.
const PACKET_SAMPLES: u64 = 512;

/// Consecutive audio bytes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AudioExtent {
    /// Length; `None` if it extends to the end of the stream.
    pub(super) bytes: Option<u64>,
    /// True if it continues the frame in which the previous extent ended.
    pub(super) joined: bool,
}

/// Locates the audio in a container.
pub(super) trait AudioExtents: Send + Sync {
    /// Moves `stream` to the next extent; `None` at the end of the audio.
    ///
    /// # Errors
    /// Read and seek errors.
    fn next(&mut self, stream: &mut MediaSourceStream<'static>) -> io::Result<Option<AudioExtent>>;
}

/// Reader of a container's audio bytes, front to back.
pub(super) struct ExtentReader {
    stream: MediaSourceStream<'static>,
    extents: Box<dyn AudioExtents>,
    /// Bytes left of the current extent.
    left: u64,
    ended: bool,
}

/// Result of [`ExtentReader::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FillEnd {
    Full,
    /// The next bytes begin a new frame.
    Break,
    End,
}

impl ExtentReader {
    pub(super) fn new(stream: MediaSourceStream<'static>, extents: impl AudioExtents + 'static) -> Self {
        Self { stream, extents: Box::new(extents), left: 0, ended: false }
    }

    /// Appends to `bytes` until they are `target`, or a frame breaks off.
    fn fill(&mut self, bytes: &mut Vec<u8>, target: usize) -> io::Result<FillEnd> {
        while bytes.len() < target {
            if self.left == 0 && !self.advance(bytes.is_empty())? {
                return Ok(if self.ended { FillEnd::End } else { FillEnd::Break });
            }
            let at = bytes.len();
            let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(target - at);
            bytes.resize(at + count, 0);
            let read = self.read_some(&mut bytes[at..]);
            bytes.truncate(at + *read.as_ref().unwrap_or(&0));
            if read? == 0 && count > 0 {
                return Ok(FillEnd::End);
            }
        }
        Ok(FillEnd::Full)
    }

    /// Advances to the next extent. Returns false at the end, and before one that is not joined
    /// unless `anywhere` is set.
    fn advance(&mut self, anywhere: bool) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let Some(next) = self.extents.next(&mut self.stream)? else {
            self.ended = true;
            return Ok(false);
        };
        self.left = next.bytes.unwrap_or(u64::MAX);
        Ok(anywhere || next.joined)
    }

    /// Reads from the current extent; 0 ends the audio.
    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = arrived_reader::read(&mut self.stream, buffer)?;
        self.left -= (count as u64).min(self.left);
        self.ended |= count == 0 && !buffer.is_empty();
        if self.ended {
            self.left = 0;
        }
        Ok(count)
    }
}

impl Read for ExtentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if self.ended || !self.advance(true)? {
                return Ok(0);
            }
        }
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        self.read_some(&mut buffer[..count])
    }
}

/// Encoding of the audio in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AudioCoding {
    Pcm(PcmLayout),
    Adpcm(AdpcmBlocks),
    /// MPEG audio frames of any layer.
    Mpeg,
    /// AAC frames with ADTS headers.
    Adts,
}

/// Compressed blocks of constant size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdpcmBlocks {
    pub(super) codec: AudioCodecId,
    /// Bytes per block.
    pub(super) bytes: usize,
    /// Samples per channel and block.
    pub(super) samples: u64,
}

/// Description of the audio in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AudioFormat {
    pub(super) coding: AudioCoding,
    /// Stated sample rate, in Hz.
    pub(super) rate: u32,
    /// Stated number of channels.
    pub(super) channels: u16,
}

/// Creates the demuxer for located audio.
///
/// # Errors
/// MPEG audio or AAC is stated but absent.
pub(super) fn demuxer(
    body: ExtentReader,
    format: AudioFormat,
    track: u32,
    info: FormatInfo,
    tags: Option<MetadataRevision>,
) -> Decoded<Box<dyn FormatReader>> {
    let nested = |body| MediaSourceStream::new(Box::new(ReadOnlySource::new(body)), Default::default());
    let (codec, bytes, samples, count) = match &format.coding {
        AudioCoding::Mpeg => return mpeg(nested(body)),
        AudioCoding::Adts => {
            return Ok(Box::new(AdtsReader::try_new(nested(body), FormatOptions::default())?));
        }
        AudioCoding::Pcm(layout) => {
            let frame = layout.width * usize::from(format.channels);
            (layout.codec, frame, 1, u64::from(format.rate / PACKETS_A_SECOND).max(1))
        }
        // Blocks with surplus bytes must begin a packet each.
        AudioCoding::Adpcm(blocks) if blocks.is_tight(format.channels) => {
            (blocks.codec, blocks.bytes, blocks.samples, (PACKET_SAMPLES / blocks.samples).max(1))
        }
        AudioCoding::Adpcm(blocks) => (blocks.codec, blocks.bytes, blocks.samples, 1),
    };
    if format.rate == 0 {
        return Err(Error::Unsupported("its sample rate is not within 1000 to 768000 Hz"));
    }
    if bytes == 0 {
        return Err(Error::Unsupported("it states no channels"));
    }
    // More channels are rejected when the codec is opened; nothing is allocated before.
    let channels = Channels::Discrete(format.channels);
    let mut params = AudioCodecParameters::new();
    params
        .for_codec(codec)
        .with_sample_rate(format.rate)
        .with_channels(channels)
        .with_max_frames_per_packet(count * samples)
        .with_frames_per_block(samples);
    let mut described = Track::new(track);
    described.with_codec_params(CodecParameters::Audio(params));
    let mut metadata = MetadataLog::default();
    if let Some(tags) = tags {
        metadata.push(tags);
    }
    Ok(Box::new(ExtentDemuxer {
        body,
        layout: if let AudioCoding::Pcm(layout) = format.coding { Some(layout) } else { None },
        unit: PacketUnit { bytes, samples, count },
        info,
        media: MediaInfo::from_track(&described),
        tracks: vec![described],
        metadata,
        pending: Vec::new(),
        position: 0,
    }))
}

impl AdpcmBlocks {
    /// Returns true if the samples of a block fill it completely.
    fn is_tight(&self, channels: u16) -> bool {
        let channels = usize::from(channels);
        self.codec != CODEC_ID_ADPCM_IMA_WAV || self.bytes.is_multiple_of(4 * channels.max(1))
    }
}

/// Creates the demuxer for MPEG audio frames.
fn mpeg(stream: MediaSourceStream<'static>) -> Decoded<Box<dyn FormatReader>> {
    let (start, mut stream) = StreamStart::of(stream)?;
    Ok(match start.kind {
        DetectedFormat::Mpeg { start: junk } => {
            stream.ignore_bytes(start.tags + junk as u64)?;
            Box::new(MpegReader::new(stream)?)
        }
        _ => Box::new(MpaReader::try_new(stream, FormatOptions::default())?),
    })
}

/// Unit of which packets consist.
struct PacketUnit {
    /// Bytes that can be decoded independently: a PCM frame, or a block.
    bytes: usize,
    /// Samples per channel in a unit.
    samples: u64,
    /// Units per packet.
    count: u64,
}

struct ExtentDemuxer {
    body: ExtentReader,
    /// `None` for blocks.
    layout: Option<PcmLayout>,
    unit: PacketUnit,
    info: FormatInfo,
    media: MediaInfo,
    tracks: Vec<Track>,
    metadata: MetadataLog,
    /// Bytes that are not in a packet yet.
    pending: Vec<u8>,
    /// Samples per channel so far.
    position: u64,
}

impl FormatReader for ExtentDemuxer {
    fn format_info(&self) -> &FormatInfo {
        &self.info
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
        let PacketUnit { bytes, samples, count } = self.unit;
        loop {
            let filled = self.body.fill(&mut self.pending, bytes * count as usize)?;
            let units = self.pending.len() / bytes;
            if units == 0 {
                // An incomplete frame or block is dropped.
                self.pending.clear();
                match filled {
                    FillEnd::End => return Ok(None),
                    _ => continue,
                }
            }
            let mut data = std::mem::take(&mut self.pending);
            data.truncate(units * bytes);
            if let Some(layout) = &self.layout {
                layout.reduce(&mut data);
            }
            let length = units as u64 * samples;
            let start = Timestamp::new(i64::try_from(self.position).unwrap_or(i64::MAX));
            self.position += length;
            return Ok(Some(Packet::new(self.tracks[0].id, start, Duration::new(length), data)));
        }
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.body.stream
    }
}
