//! Compressed and uncompressed containers to blocks of samples. The only file that knows `symphonia`.
//!
//! Input is untrusted: a packet that does not decode is skipped and counted, a
//! decoder that panics ends its stream only, and absurd parameters are refused.

mod aac;
mod ahead;
mod edits;
mod flac;
mod fragments;
mod titles;
mod watched;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::common::Tier;
use symphonia::core::errors::{Error, Result as Decoded};
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use super::SourceError;
use crate::audio::{Block, SampleRate, Span};
use crate::thread::Stop;
#[cfg(feature = "net")]
pub(super) use aac::core_config;
use ahead::Ahead;
use edits::Edit;
use fragments::Fragments;
use watched::Watched;

/// What people are told can be read.
const KNOWN: &str = if cfg!(feature = "opus") {
    "known are wav, flac, mp3, ogg (vorbis, opus, flac), m4a and aac (LC), aiff"
} else {
    "known are wav, flac, mp3, ogg (vorbis, flac), m4a and aac (LC), aiff"
};

/// Blocks are this long, in seconds: short enough for pacing, long enough to be cheap.
const BLOCK_SECONDS: f64 = 0.04;

/// Failures in a row, without a packet between them, after which a stream is taken to have ended.
const MAX_FAULTS: u32 = 64;

/// Failures in a row after which the codec is built anew: it may hold on to parameters that have changed.
const REBUILD_AFTER: u32 = 2;

/// A jump of timestamps by more than this many seconds is taken for damage, not for loss.
const MAX_LEAP_SECONDS: f64 = 600.0;

/// Timestamps of Ogg wander by up to this many samples (the longest block of Vorbis) without any loss; a page that is lost is longer.
const MAX_WANDER: i64 = 8192;

/// Rates that are taken for real, in hertz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=SampleRate::MAX;

/// Channels that are taken for real.
const MAX_CHANNELS: usize = 64;

/// Stands in until the first packet says the rate.
pub(super) const ANY_RATE: SampleRate = SampleRate::HZ_48000;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    #[cfg(feature = "opus")]
    registry.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    registry
});

static PROBE: LazyLock<Probe> = LazyLock::new(|| {
    let mut probe = Probe::new();
    // Before symphonia's demuxer, which delivers a frame only once the next one has been read.
    probe.register_format_at_tier::<flac::Reader<'_>>(Tier::Preferred);
    symphonia::default::register_enabled_formats(&mut probe);
    probe
});

/// Decodes the default audio track of one container, front to back.
pub(super) struct Decoder {
    name: String,
    packets: Ahead,
    edits: Vec<Edit>,
    track: Selected,
    /// Samples of the packet in hand, interleaved, and how many of them were handed over.
    packet: Vec<f32>,
    taken: usize,
    rate: SampleRate,
    channels: u16,
    /// Index of the next sample that is handed over.
    position: u64,
    /// Whether continuity is broken just before it.
    gap: bool,
    /// Packets that did not decode.
    corrupt: u64,
    faults: u32,
    ended: bool,
    /// Whether the container has said anything about itself yet.
    described: bool,
}

/// The track that is decoded, and what of it is to be heard.
struct Selected {
    id: u32,
    codec: Box<dyn AudioDecoder>,
    params: AudioCodecParameters,
    time_base: Option<TimeBase>,
    /// Samples decoded so far, those that are cut off included.
    raw: u64,
    /// Samples still to be cut off at the start (encoder delay).
    skip: u64,
    /// Where what is to be heard ends, as a count of decoded samples.
    end: Option<u64>,
    /// The timestamp that the next packet should have, in samples.
    due: Option<i64>,
    /// From this timestamp on, the length that the header states no longer holds: more was appended.
    stated_end: Option<i64>,
    /// Whether that point was passed.
    appended: bool,
    /// Samples in the last packet that decoded.
    usual: u64,
}

impl Decoder {
    /// Opens a regular file, reading of which fails once `stop` is set.
    ///
    /// # Errors
    /// Permanent ones that name the file: it holds no audio that can be decoded.
    pub(super) fn from_file(
        name: String,
        file: File,
        extension: Option<&str>,
        stop: Option<&Stop>,
    ) -> Result<Self, SourceError> {
        let mut file = Watched::new(file, stop);
        let mut again = file.try_clone().map_err(|error| unreadable(&name, &error))?;
        let edits = edits::read(&mut file).unwrap_or_default();
        file.rewind().map_err(|error| unreadable(&name, &error))?;
        Self::new(name.clone(), probe(file, extension), edits.clone()).or_else(|error| {
            // Containers that look for an index behind the sound give up on a file that was
            // cut short; read front to back they do not look.
            again.rewind().map_err(|error| unreadable(&name, &error))?;
            Self::new(name, probe(ReadOnlySource::new(again), extension), edits).map_err(|_| error)
        })
    }

    /// Decodes from a stream that cannot be seeked.
    ///
    /// # Errors
    /// As [`Decoder::from_file`]. It blocks until the first packet has been decoded.
    pub(super) fn from_stream(
        name: String,
        stream: impl Read + Send + Sync + 'static,
    ) -> Result<Self, SourceError> {
        Self::new(name, probe(ReadOnlySource::new(stream), None), Vec::new())
    }

    fn new(
        name: String,
        format: Decoded<Box<dyn FormatReader>>,
        edits: Vec<Edit>,
    ) -> Result<Self, SourceError> {
        let format = format.map_err(|error| undecodable(&name, &error))?;
        let track = Selected::new(&*format, &edits).map_err(|error| undecodable(&name, &error))?;
        let mut decoder = Self {
            name,
            packets: Ahead::new(format),
            edits,
            track,
            packet: Vec::new(),
            taken: 0,
            rate: ANY_RATE,
            channels: 1,
            position: 0,
            gap: false,
            corrupt: 0,
            faults: 0,
            ended: false,
            described: false,
        };
        if !decoder.decode_next()? {
            return Err(SourceError::Permanent(match decoder.corrupt {
                0 => format!("`{}` holds no sound: its audio track has no samples", decoder.name),
                count => format!(
                    "nothing in `{}` could be decoded ({count} corrupt packets); is it damaged? {KNOWN}",
                    decoder.name
                ),
            }));
        }
        Ok(decoder)
    }

    /// Refills `block` with the next 40 ms (less before a gap, a change of parameters and the end); false at the end.
    ///
    /// A changed sample rate renumbers the samples, so that `span.start` over `rate` stays the time.
    ///
    /// # Errors
    /// What reading the stream reports, as a permanent error.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        block.interleaved.clear();
        block.anchor = None;
        loop {
            if self.taken == self.packet.len() {
                if self.decode_next()? {
                    continue;
                }
                return Ok(!block.interleaved.is_empty());
            }
            if block.interleaved.is_empty() {
                block.rate = self.rate;
                block.channels = self.channels;
                block.gap = std::mem::take(&mut self.gap);
                block.span = Span { start: self.position, end: self.position };
            } else if self.gap || block.rate != self.rate || block.channels != self.channels {
                return Ok(true);
            }
            let channels = usize::from(self.channels);
            let target = self.rate.samples(BLOCK_SECONDS).max(1) as usize * channels;
            let left = &self.packet[self.taken..];
            let count = left.len().min(target - block.interleaved.len());
            block.interleaved.extend_from_slice(&left[..count]);
            self.taken += count;
            self.position += (count / channels) as u64;
            block.span.end = self.position;
            if block.interleaved.len() == target {
                return Ok(true);
            }
        }
    }

    /// Packets that could not be decoded so far.
    pub(super) fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// What is being played, where the container has said so since the last call.
    pub(super) fn new_title(&mut self) -> Option<String> {
        titles::newest(&mut *self.packets.format, &mut self.described)
    }

    /// Decodes packets until one brings samples; false at the end.
    fn decode_next(&mut self) -> Result<bool, SourceError> {
        self.packet.clear();
        self.taken = 0;
        while !self.ended {
            match self.packets.next(self.track.id) {
                Ok(Some(packet)) => {
                    if self.decode(packet) {
                        return Ok(true);
                    }
                }
                Ok(None) => self.ended = true,
                Err(Error::ResetRequired) => match Selected::new(&*self.packets.format, &self.edits) {
                    Ok(track) => {
                        self.track = track;
                        self.gap = self.position > 0;
                    }
                    Err(error) => {
                        tracing::warn!(source = self.name, %error, "the stream goes on with a track that cannot be decoded: ended there");
                        self.ended = true;
                    }
                },
                // Containers that state their length end like this when they are cut short.
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.ended = true
                }
                Err(Error::IoError(error)) => return Err(unreadable(&self.name, &error)),
                Err(error) => {
                    tracing::debug!(source = self.name, %error, "a damaged stretch is skipped");
                    self.corrupt += 1;
                    self.faults += 1;
                    self.gap = self.position > 0;
                    self.ended = self.faults > MAX_FAULTS || matches!(error, Error::Unsupported(PANICKED));
                }
            }
        }
        Ok(false)
    }

    /// Decodes one packet into `self.packet`; whether it brought samples.
    fn decode(&mut self, mut packet: Packet) -> bool {
        let track = &mut self.track;
        let [mut head, mut tail, mut whole] =
            [packet.trim_start, packet.trim_end, packet.block_dur()].map(|duration| track.samples(duration));
        let mut at = track.timestamp(packet.pts);
        if track.stated_end.is_some_and(|end| at >= end) {
            // Of an appended file nothing is known; the trims are wrong, and with them the duration.
            (head, tail, whole) = (0, 0, track.usual);
            self.gap |= !std::mem::replace(&mut track.appended, true);
        }
        let mut lost = track.due.map_or(0, |due| at.saturating_sub(due));
        if self.packets.paged {
            // Counting goes on through what wanders, so that it does not add up; a stream whose
            // first page is a little late begins at zero all the same.
            let expected = track.due.unwrap_or(0_i64.saturating_sub_unsigned(head));
            let off = at.saturating_sub(expected);
            if (track.due.is_some() && off.abs() <= MAX_WANDER) || (0..=MAX_WANDER).contains(&off) {
                (at, lost) = (expected, 0);
            }
            let past = |end| at.saturating_add_unsigned(whole).saturating_sub(track.timestamp(end));
            tail = self.packets.end().map_or(0, |end| u64::try_from(past(end)).unwrap_or(0));
        }
        track.due = Some(at.saturating_add_unsigned(whole));
        if lost > track.tick() {
            // A damaged timestamp is no reason to leap by hours.
            let believed =
                u64::try_from(lost).ok().filter(|lost| *lost < self.rate.samples(MAX_LEAP_SECONDS));
            self.position += believed.unwrap_or(0);
            self.gap = self.position > 0;
        }
        // Codecs differ in whether they trim; with nothing to trim all of them are alike.
        packet.trim_start = Duration::ZERO;
        packet.trim_end = Duration::ZERO;
        if self.faults > 0
            && self.faults.is_multiple_of(REBUILD_AFTER)
            && let Ok(codec) = make_codec(&track.params)
        {
            track.codec = codec;
        }
        let buffer = match guarded(|| track.codec.decode(&packet).map(|_| ())) {
            Ok(()) => track.codec.last_decoded(),
            Err(error) => {
                tracing::debug!(source = self.name, %error, "a damaged packet is skipped");
                self.corrupt += 1;
                self.faults += 1;
                self.ended = matches!(error, Error::Unsupported(PANICKED));
                let kept = track.cut(whole, head, tail);
                self.position += kept.end - kept.start;
                self.gap = self.position > 0;
                return false;
            }
        };
        let (mut rate, channels, samples) =
            (buffer.spec().rate(), buffer.spec().channels().count(), buffer.frames());
        if track.params.codec == CODEC_ID_FLAC {
            // Its decoder accepts rates up to 655,350 Hz only, the format 1,048,575 Hz.
            rate = track.params.sample_rate.unwrap_or(rate);
        }
        if samples == 0 {
            return false;
        }
        let (Some(rate), Ok(channels @ 1..=64)) =
            (SampleRate::new(rate).filter(|rate| RATES.contains(&rate.hertz())), u16::try_from(channels))
        else {
            tracing::debug!(source = self.name, rate, channels, "a packet with absurd parameters is skipped");
            self.corrupt += 1;
            self.faults += 1;
            self.ended = self.faults > MAX_FAULTS;
            return false;
        };
        self.faults = 0;
        track.usual = samples as u64;
        if whole == 0 {
            // Matroska need not state durations.
            track.due = Some(at.saturating_add_unsigned(samples as u64));
        }
        buffer.copy_to_vec_interleaved::<f32>(&mut self.packet);
        let kept = track.cut(samples as u64, head, tail);
        self.packet.truncate(kept.end as usize * usize::from(channels));
        self.taken = kept.start as usize * usize::from(channels);
        if (rate, channels) != (self.rate, self.channels) {
            self.gap = self.position > 0;
            self.position = rate.samples(self.rate.seconds(self.position));
            (self.rate, self.channels) = (rate, channels);
        }
        if self.taken == self.packet.len() {
            self.packet.clear();
            self.taken = 0;
            return false;
        }
        true
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        if self.corrupt > 0 {
            tracing::warn!(source = self.name, packets = self.corrupt, "corrupt packets were skipped");
        }
    }
}

impl Selected {
    fn new(format: &dyn FormatReader, edits: &[Edit]) -> Decoded<Self> {
        let track = format
            .default_track(TrackType::Audio)
            .ok_or(Error::Unsupported("there is no audio track in it"))?;
        let mut params = track
            .codec_params
            .as_ref()
            .and_then(|params| params.audio())
            .ok_or(Error::Unsupported("the audio track is of an unknown kind"))?
            .clone();
        if params.sample_rate.is_some_and(|rate| !RATES.contains(&rate)) {
            return Err(Error::Unsupported("its sample rate is not within 1000 to 768000 Hz"));
        }
        // Codecs make room for as many as are stated, before any is there.
        if params.channels.as_ref().is_some_and(|channels| channels.count() > MAX_CHANNELS) {
            return Err(Error::Unsupported("it has more than 64 channels"));
        }
        if let (CODEC_ID_AAC, Some((config, rate))) =
            (params.codec, params.extra_data.as_deref().and_then(aac::core_config))
        {
            params.with_extra_data(Box::new(config)).with_sample_rate(rate).profile = None;
        }
        let mut skip = 0;
        if params.codec == CODEC_ID_OPUS {
            // The codec would apply the pre-skip to its first packet only; RFC 7845 lets it span several.
            skip = params.extra_data.take().map_or(0, |head| opus_pre_skip(&head));
        }
        let mut end = None;
        if let (Some(edit), Some(rate)) =
            (edits.iter().find(|edit| edit.track == track.id), params.sample_rate)
        {
            skip = skip.max(edit.start_at(rate));
            end = edit.end_at(rate);
        }
        let stated_end = matches!(params.codec, CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3)
            .then(|| stated_end(track))
            .flatten();
        let codec = make_codec(&params)?;
        Ok(Self {
            id: track.id,
            codec,
            params,
            time_base: track.time_base,
            raw: 0,
            skip,
            end,
            due: None,
            stated_end,
            appended: false,
            usual: 0,
        })
    }

    /// `duration` in samples.
    fn samples(&self, duration: Duration) -> u64 {
        let samples = i128::from(duration.get()) * self.samples_of_tick().0 / self.samples_of_tick().1;
        u64::try_from(samples).unwrap_or(0)
    }

    /// `timestamp` in samples.
    fn timestamp(&self, timestamp: Timestamp) -> i64 {
        let samples = i128::from(timestamp.get()) * self.samples_of_tick().0 / self.samples_of_tick().1;
        i64::try_from(samples).unwrap_or(0)
    }

    /// How exact timestamps are, in samples.
    fn tick(&self) -> i64 {
        let (samples, ticks) = self.samples_of_tick();
        i64::try_from(2 * samples / ticks).unwrap_or(i64::MAX)
    }

    /// A tick of the time base in samples, as a fraction.
    fn samples_of_tick(&self) -> (i128, i128) {
        match (self.time_base, self.params.sample_rate) {
            (Some(base), Some(rate)) => {
                (i128::from(base.numer.get()) * i128::from(rate), i128::from(base.denom.get()))
            }
            _ => (1, 1),
        }
    }

    /// Which of the next `count` decoded samples are to be heard, when `head` and `tail` are cut off by the packet itself.
    fn cut(&mut self, count: u64, head: u64, tail: u64) -> Span {
        let skipped = self.skip.min(count);
        self.skip -= skipped;
        let late = self.end.map_or(0, |end| (self.raw + count).saturating_sub(end));
        self.raw += count;
        let start = head.max(skipped).min(count);
        Span { start, end: count.saturating_sub(tail.max(late)).max(start) }
    }
}

fn probe(source: impl MediaSource + 'static, extension: Option<&str>) -> Decoded<Box<dyn FormatReader>> {
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    let (source, without_fragments) = Fragments::new(source);
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let format =
        guarded(|| PROBE.probe(&hint, stream, FormatOptions::default(), MetadataOptions::default()))?;
    without_fragments.store(format.format_info().format != FORMAT_ID_ISOMP4, Ordering::Relaxed);
    Ok(format)
}

fn make_codec(params: &AudioCodecParameters) -> Decoded<Box<dyn AudioDecoder>> {
    guarded(|| CODECS.make_audio_decoder(params, &AudioDecoderOptions::default()))
}

/// The pre-skip of an `OpusHead` packet in samples at 48 kHz (RFC 7845, section 5.1).
fn opus_pre_skip(head: &[u8]) -> u64 {
    match (head.starts_with(b"OpusHead"), head.get(10..12)) {
        (true, Some(&[low, high])) => u64::from(u16::from_le_bytes([low, high])),
        _ => 0,
    }
}

/// The timestamp at which an MPEG audio file ends by its header; files put end to end go on after it.
fn stated_end(track: &Track) -> Option<i64> {
    i64::try_from(track.num_frames?.checked_add(u64::from(track.padding.unwrap_or(0)))?).ok()
}

/// Marks an error that a panic was turned into.
const PANICKED: &str = "the decoder failed badly";

/// Runs foreign parsing code; its panic is an error of the stream, not of the process.
fn guarded<T>(call: impl FnOnce() -> Decoded<T>) -> Decoded<T> {
    // What the call leaves behind is dropped, not used: the stream ends at this error.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Error::Unsupported(PANICKED)))
}

fn undecodable(name: &str, error: &Error) -> SourceError {
    match error {
        Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => unreadable(name, error),
        Error::IoError(_) => SourceError::Permanent(format!(
            "`{name}` ends before any sound was found in it: it is cut short, or not audio; {KNOWN}"
        )),
        Error::Unsupported(what) if what.starts_with("core (probe)") => SourceError::Permanent(format!(
            "`{name}` is not in a sound format that is known here; {KNOWN}; convert others first, as in `ffmpeg -i IN OUT.wav`"
        )),
        error => SourceError::Permanent(format!(
            "`{name}` cannot be decoded ({error}); {KNOWN}; convert others first, as in `ffmpeg -i IN OUT.wav`"
        )),
    }
}

fn unreadable(name: &str, error: &io::Error) -> SourceError {
    SourceError::Permanent(format!("`{name}` cannot be read: {error}"))
}

/// The extension of `path` in lower case, as a hint for probing.
pub(super) fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}
