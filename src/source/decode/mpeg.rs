//! MPEG audio that the usual demuxer rejects: free format, and layer II bit rates that it considers
//! invalid.
//!
//! A stream of free format (ISO/IEC 11172-3, 2.4.2.3) states no bit rate: the length of a frame is
//! the distance to the next header. Such streams are framed and decoded here; this demuxer outputs
//! PCM.

pub(super) mod header;

use std::io::{self, Read as _};

use nanomp3_core::{Decoder, MAX_SAMPLES_PER_FRAME};
use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_F32LE;
use symphonia::core::errors::{Error, Result as Decoded, SeekErrorKind};
use symphonia::core::formats::well_known::FORMAT_ID_MP3;
use symphonia::core::formats::{FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

/// Bytes buffered ahead of the decoder, which verifies a header by the following ones.
const AHEAD: usize = 16 << 10;

static FORMAT: FormatInfo =
    FormatInfo { format: FORMAT_ID_MP3, short_name: "mpeg", long_name: "MPEG audio of any bit rate" };

/// Framing and decoding of an elementary stream.
pub(super) struct MpegReader {
    stream: MediaSourceStream<'static>,
    decoder: Decoder,
    /// Bytes read, of which `taken` have been decoded.
    buffer: Vec<u8>,
    taken: usize,
    ended: bool,
    samples: Vec<f32>,
    media: MediaInfo,
    tracks: Vec<Track>,
    /// Sample rate in Hz and channels of the track.
    shape: Option<(u32, u8)>,
    metadata: MetadataLog,
    /// Packet after a change of rate or channels.
    pending: Option<Packet>,
    position: i64,
    /// Samples still to be trimmed at the start, and the number of audible ones left.
    skip: usize,
    left: Option<usize>,
}

impl MpegReader {
    /// Decodes `stream` as far as the first frame.
    ///
    /// # Errors
    /// There is no frame, or reading fails.
    pub(super) fn new(stream: MediaSourceStream<'static>) -> Decoded<Self> {
        let mut reader = Self {
            stream,
            decoder: Decoder::new(),
            buffer: Vec::new(),
            taken: 0,
            ended: false,
            samples: vec![0.0; MAX_SAMPLES_PER_FRAME],
            media: MediaInfo::new(),
            tracks: Vec::new(),
            shape: None,
            metadata: MetadataLog::default(),
            pending: None,
            position: 0,
            skip: 0,
            left: None,
        };
        match reader.next_packet() {
            Err(Error::ResetRequired) => Ok(reader),
            Err(error) => Err(error),
            Ok(_) => Err(Error::Unsupported("it holds no MPEG audio frame")),
        }
    }

    /// Reads until enough bytes are buffered, or to the end.
    fn fill(&mut self) -> io::Result<()> {
        if self.buffer.len() - self.taken >= AHEAD / 2 {
            return Ok(());
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        while self.buffer.len() < AHEAD && !self.ended {
            let before = self.buffer.len();
            self.buffer.resize(AHEAD, 0);
            let read = self.stream.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        Ok(())
    }
}

/// Tag that LAME writes into the first frame of a file.
struct LameTag {
    /// Number of frames without this one.
    frames: usize,
    /// Samples before the first audible one, the decoder's own delay included.
    delay: usize,
    /// Trimmed samples at both ends.
    trimmed: usize,
}

/// Tag in a frame (LAME, "Mp3 Info Tag rev 1"), if it states a number of frames and a delay.
fn tag(frame: &[u8]) -> Option<LameTag> {
    /// Delay of a layer III decoder, in samples.
    const DECODER: usize = 529;
    let at = [13, 21, 36, 38]
        .into_iter()
        .find(|at| frame.get(*at..at + 4).is_some_and(|magic| magic == b"Info" || magic == b"Xing"))?;
    let word = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?) as usize);
    let flags = word(at + 4)?;
    let frames = word(at + 8).filter(|_| flags & 1 != 0)?;
    let sizes = [(1, 4), (2, 4), (4, 100), (8, 4)];
    let optional: usize = sizes.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, size)| size).sum();
    let trims = frame.get(at + 8 + optional + 21..)?;
    let &[first, second, third, ..] = trims else { return None };
    let delay = usize::from(first) << 4 | usize::from(second) >> 4;
    let padding = usize::from(second & 15) << 8 | usize::from(third);
    Some(LameTag { frames, delay: delay + DECODER, trimmed: delay + padding })
}

/// PCM track.
fn track(rate: u32, channels: u8) -> Track {
    let mut params = AudioCodecParameters::new();
    params
        .for_codec(CODEC_ID_PCM_F32LE)
        .with_sample_rate(rate)
        .with_channels(if channels == 1 { CHANNEL_LAYOUT_MONO } else { CHANNEL_LAYOUT_STEREO })
        .with_max_frames_per_packet(MAX_SAMPLES_PER_FRAME as u64);
    let mut track = Track::new(0);
    track.with_codec_params(CodecParameters::Audio(params));
    if let Some(rate) = std::num::NonZero::new(rate) {
        track.with_time_base(TimeBase::from_recip(rate));
    }
    track
}

impl FormatReader for MpegReader {
    fn format_info(&self) -> &FormatInfo {
        &FORMAT
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn seek(&mut self, _: SeekMode, _: SeekTo) -> Decoded<SeekedTo> {
        Err(Error::SeekError(SeekErrorKind::Unseekable))
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next_packet(&mut self) -> Decoded<Option<Packet>> {
        if let Some(packet) = self.pending.take() {
            return Ok(Some(packet));
        }
        loop {
            self.fill().map_err(Error::IoError)?;
            let bytes = &self.buffer[self.taken..];
            if bytes.is_empty() {
                return Ok(None);
            }
            let (count, decoded) = self.decoder.decode(bytes, &mut self.samples);
            let count = count.clamp(1, bytes.len());
            let tag = tag(&bytes[..count]).filter(|_| self.shape.is_none());
            self.taken += count;
            let Ok(frame) = decoded else { continue };
            if let Some(tag) = tag {
                // The frame that holds the tag is silent.
                self.skip = tag.delay;
                let all = tag.frames.checked_mul(frame.samples_produced);
                self.left = all.and_then(|all| all.checked_sub(tag.trimmed)).filter(|left| *left > 0);
                continue;
            }
            let channels = frame.channels.num();
            let skipped = self.skip.min(frame.samples_produced);
            self.skip -= skipped;
            let mut end = frame.samples_produced;
            if let Some(left) = &mut self.left {
                end = end.min(skipped + *left);
                *left -= end - skipped;
            }
            let samples = &self.samples[skipped * usize::from(channels)..end * usize::from(channels)];
            if samples.is_empty() {
                continue;
            }
            let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let changed =
                self.shape.replace((frame.sample_rate, channels)) != Some((frame.sample_rate, channels));
            if changed {
                self.position = 0;
            }
            let count = (end - skipped) as u64;
            let packet = Packet::new(0, Timestamp::new(self.position), Duration::new(count), data);
            self.position = self.position.saturating_add_unsigned(count);
            if changed {
                self.tracks = vec![track(frame.sample_rate, channels)];
                self.pending = Some(packet);
                return Err(Error::ResetRequired);
            }
            return Ok(Some(packet));
        }
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.stream
    }
}
