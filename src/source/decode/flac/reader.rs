//! Demuxer of native FLAC.

use std::io;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::errors::{Error, Result, SeekErrorKind, decode_error, seek_error, unsupported_error};
use symphonia::core::formats::well_known::FORMAT_ID_FLAC;
use symphonia::core::formats::{
    FormatInfo, FormatOptions, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track,
};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use super::frame::{FlacHeader, FrameNumber, FrameWalker, MAX_SAMPLES, ParseResult};
use super::input::FlacInput;
use super::metadata::{BlockHeader, STREAM_INFO_LENGTH, StreamInfo, comments};
use super::wide;

pub(super) const MARKER: &[u8] = b"fLaC";

pub(super) const FORMAT: FormatInfo =
    FormatInfo { format: FORMAT_ID_FLAC, short_name: "flac", long_name: "Free Lossless Audio Codec Native" };

/// Longest frame of the common encoders, in samples per channel.
const COMMON_SAMPLES: u32 = 4608;

/// Budget of bytes parsed without result, per byte of input and initially. Data with a possible
/// frame start at every byte must not cost quadratic time.
const VAIN_PER_BYTE: u64 = 8;
const VAIN_AT_START: u64 = 4 << 20;

/// Demuxer of native FLAC.
pub(in crate::source::decode) struct FlacReader<'s> {
    input: FlacInput<'s>,
    /// Parsing state of the frame at the head of the input.
    walker: Option<FrameWalker>,
    /// Parameters stated by the latest STREAMINFO.
    stated: Option<StreamInfo>,
    /// Parameters of the current track.
    current: Option<StreamInfo>,
    /// True if a new stream header was read since the last frame.
    restarted: bool,
    /// Header of the last frame.
    last: Option<FlacHeader>,
    /// Timestamp of the next frame, in samples.
    position: i64,
    /// True if bytes were skipped since the last frame.
    skipped: bool,
    /// Packet that the next call delivers.
    ready: Option<Packet>,
    /// Number of bytes parsed without result.
    fruitless: u64,
    tracks: Vec<Track>,
    media_info: MediaInfo,
    metadata: MetadataLog,
}

/// Content at the head of the input.
enum HeadContent {
    /// Frame of this length.
    Frame(FlacHeader, usize),
    /// Stream header.
    Marker,
    /// Unknown; more bytes are needed.
    More,
    /// Neither, as found after parsing this many bytes.
    Nothing(usize),
}

impl<'s> FlacReader<'s> {
    /// Opens a stream at its marker, at a frame, or before one, and finds the first frame.
    pub(super) fn try_new(mss: MediaSourceStream<'s>, options: FormatOptions) -> Result<Self> {
        let mut reader = Self {
            input: FlacInput::new(mss),
            walker: None,
            stated: None,
            current: None,
            restarted: false,
            last: None,
            position: 0,
            skipped: false,
            ready: None,
            fruitless: 0,
            tracks: Vec::new(),
            media_info: MediaInfo::default(),
            metadata: options.external_data.metadata.unwrap_or_default(),
        };
        if reader.input.holds(MARKER.len())? && reader.input.data().starts_with(MARKER) {
            reader.read_stream_header()?;
        }
        match reader.next_frame()? {
            Some(packet) => {
                reader.ready = Some(packet);
                reader.fit_track();
            }
            None => match reader.stated {
                Some(stated) if stated.rate > 0 => reader.set_track(stated),
                _ => return unsupported_error("flac: no frame found"),
            },
        }
        reader.restarted = false;
        reader.skipped = false;
        Ok(reader)
    }

    /// Extracts the next frame; sets up the track if its parameters have changed.
    fn next_frame(&mut self) -> Result<Option<Packet>> {
        loop {
            match self.examine() {
                HeadContent::Frame(header, length) => return Ok(Some(self.cut(header, length))),
                HeadContent::Marker => {
                    self.read_stream_header()?;
                    self.restarted = true;
                }
                HeadContent::More => {
                    if !self.input.fill()? {
                        if self.input.data().is_empty() {
                            return Ok(None);
                        }
                        self.skip(1);
                    }
                }
                HeadContent::Nothing(parsed) => self.skip_past(parsed),
            }
        }
    }

    /// Examines the head of the input for a frame or a stream header.
    fn examine(&mut self) -> HeadContent {
        let data = self.input.data();
        if data.len() < MARKER.len() && MARKER.starts_with(data) {
            return HeadContent::More;
        }
        if data.starts_with(MARKER) {
            return match BlockHeader::parse(&data[MARKER.len()..]) {
                None => HeadContent::More,
                Some(block)
                    if block.kind == BlockHeader::STREAM_INFO && block.length == STREAM_INFO_LENGTH =>
                {
                    HeadContent::Marker
                }
                Some(_) => HeadContent::Nothing(0),
            };
        }
        let mut walker = match self.walker.take() {
            Some(walker) => walker,
            None => match FlacHeader::parse(data) {
                ParseResult::Complete(header) => {
                    let stated = self.stated;
                    let rate = header.rate.or(stated.map(|stated| stated.rate).filter(|rate| *rate > 0));
                    let bits = header.bits.or(stated.map(|stated| stated.bits));
                    match (rate, bits) {
                        (Some(rate), Some(bits)) => FrameWalker::new(header.with(rate, bits), bits),
                        _ => return HeadContent::Nothing(0),
                    }
                }
                ParseResult::Incomplete => return HeadContent::More,
                ParseResult::Invalid => return HeadContent::Nothing(0),
            },
        };
        match walker.advance(data) {
            ParseResult::Complete(length) => HeadContent::Frame(walker.header, length),
            ParseResult::Incomplete => {
                self.walker = Some(walker);
                HeadContent::More
            }
            ParseResult::Invalid => HeadContent::Nothing(data.len()),
        }
    }

    /// Skips to the next byte that may begin a frame or a stream header, after `parsed` bytes were
    /// parsed without result.
    fn skip_past(&mut self, parsed: usize) {
        self.fruitless += parsed as u64;
        let budget = VAIN_AT_START + VAIN_PER_BYTE * self.input.consumed;
        let least = if self.fruitless > budget { parsed.max(1) } else { 1 };
        let data = self.input.data();
        let next = data[least..].iter().position(|byte| matches!(byte, 0xff | b'f'));
        let count = next.map_or(data.len(), |next| least + next);
        self.skip(count);
    }

    fn skip(&mut self, count: usize) {
        self.input.consume(count);
        self.walker = None;
        self.skipped = true;
    }

    /// Removes a frame from the input.
    fn cut(&mut self, header: FlacHeader, length: usize) -> Packet {
        let lost = match (self.last.map(|last| (last.next(), last.samples)), header.sequence) {
            _ if self.restarted => 0,
            (Some((FrameNumber::Frame(due), samples)), FrameNumber::Frame(index)) => {
                index.saturating_sub(due).saturating_mul(u64::from(samples))
            }
            (Some((FrameNumber::Sample(due), _)), FrameNumber::Sample(index)) => index.saturating_sub(due),
            _ => 0,
        };
        let start = self.position.saturating_add_unsigned(lost);
        self.position = start.saturating_add_unsigned(u64::from(header.samples));
        self.last = Some(header);
        let frame = &self.input.data()[..length];
        let wide = if header.side().is_some() && header.bits == Some(32) {
            wide::rewrite(frame, &header)
        } else {
            None
        };
        let data = wide.unwrap_or_else(|| frame.to_vec());
        self.input.consume(length);
        Packet::new(0, Timestamp::new(start), Duration::new(u64::from(header.samples)), data)
    }

    /// Creates a new track if the last frame does not fit the current one. Returns true in that
    /// case.
    fn fit_track(&mut self) -> bool {
        let Some(FlacHeader { rate: Some(rate), bits: Some(bits), channels, samples, sequence, .. }) =
            self.last
        else {
            return false;
        };
        let fits = |current: StreamInfo| {
            (current.rate, current.channels, current.bits) == (rate, channels, bits)
                && samples <= current.max_samples
        };
        if self.current.is_some_and(fits) && !self.restarted {
            return false;
        }
        let stated = match (self.stated, sequence) {
            (Some(stated), _) => stated.max_samples,
            (None, FrameNumber::Frame(_)) => COMMON_SAMPLES,
            (None, FrameNumber::Sample(_)) => MAX_SAMPLES,
        };
        // A frame longer than stated invalidates the stated maximum.
        let max_samples = if samples <= stated { stated } else { MAX_SAMPLES };
        self.set_track(StreamInfo { max_samples, rate, channels, bits });
        true
    }

    fn set_track(&mut self, info: StreamInfo) {
        let mut params = AudioCodecParameters::new();
        params
            .for_codec(CODEC_ID_FLAC)
            .with_extra_data(Box::new(info.to_block()))
            .with_sample_rate(info.rate)
            .with_bits_per_sample(info.bits);
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(params));
        if let Some(base) = TimeBase::try_new(1, info.rate) {
            track.with_time_base(base);
        }
        self.media_info = MediaInfo::from_track(&track);
        self.tracks = vec![track];
        self.current = Some(info);
    }

    /// Reads the marker and the metadata blocks after it.
    ///
    /// Stops where no block can follow; the search for frames continues there.
    fn read_stream_header(&mut self) -> io::Result<()> {
        self.input.consume(MARKER.len());
        self.stated = None;
        while self.input.holds(BlockHeader::LENGTH)? {
            let Some(block) = BlockHeader::parse(self.input.data()) else { break };
            // A writer that marks no block as the last is followed by a frame.
            if !block.is_known() {
                break;
            }
            let end = BlockHeader::LENGTH + block.length;
            if !self.input.holds(end)? {
                // The length is wrong or the file truncated. The content may hold frames.
                self.input.consume(BlockHeader::LENGTH);
                break;
            }
            let content = &self.input.data()[BlockHeader::LENGTH..end];
            match block.kind {
                BlockHeader::STREAM_INFO if self.stated.is_none() => {
                    self.stated = StreamInfo::parse(content);
                }
                BlockHeader::VORBIS_COMMENT => {
                    if let Some(revision) = comments(content) {
                        self.metadata.push(revision);
                    }
                }
                _ => {}
            }
            self.input.consume(end);
            if block.is_last {
                break;
            }
        }
        self.walker = None;
        Ok(())
    }
}

impl FormatReader for FlacReader<'_> {
    fn format_info(&self) -> &FormatInfo {
        &FORMAT
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media_info
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn seek(&mut self, _: SeekMode, _: SeekTo) -> Result<SeekedTo> {
        seek_error(SeekErrorKind::Unseekable)
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        if let Some(packet) = self.ready.take() {
            return Ok(Some(packet));
        }
        let Some(packet) = self.next_frame()? else { return Ok(None) };
        let (replaced, damaged) = (self.fit_track(), self.skipped && !self.restarted);
        (self.skipped, self.restarted) = (false, false);
        if !replaced && !damaged {
            return Ok(Some(packet));
        }
        self.ready = Some(packet);
        if replaced { Err(Error::ResetRequired) } else { decode_error("flac: bytes between frames") }
    }

    fn into_inner<'a>(self: Box<Self>) -> MediaSourceStream<'a>
    where
        Self: 'a,
    {
        self.input.into_inner()
    }
}

#[cfg(test)]
mod tests;
