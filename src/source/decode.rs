//! Decoding of containers and codecs to blocks of samples. Only this folder uses `symphonia`.
//!
//! Input is untrusted: a packet that cannot be decoded is skipped and counted, a decoder that
//! panics ends only its stream, and implausible parameters are rejected.

mod aac;
pub(super) mod adts;
mod ahead;
mod arrived;
mod bits;
mod boxes;
mod codec_names;
mod detect;
mod edits;
mod flac;
mod fragments;
mod matroska;
mod moov;
mod mpeg;
mod ogg_opus;
mod open;
#[cfg(feature = "opus")]
mod opus;
mod pcm;
mod refusal;
mod skip;
mod start;
mod timeline;
mod titles;
mod track;
mod watched;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::errors::{Error, Result as Decoded};
use symphonia::core::io::ReadOnlySource;
use symphonia::core::packet::Packet;
use symphonia::core::units::Duration;

use super::SourceError;
use crate::audio::{Block, SampleRate, Span};
use crate::permits;
use crate::thread::Stop;
#[cfg(feature = "net")]
pub(super) use aac::core_config;
#[cfg(feature = "net")]
pub use adts::Runs;
use ahead::Ahead;
use detect::Kind;
use matroska::Paddings;
use open::{Opened, SharedRuns, open};
use refusal::{KNOWN, Refusal, unreadable};
use track::{Facts, Selected, make_codec};
use watched::Watched;

/// Block length in seconds: short enough for pacing, long enough for low overhead.
const BLOCK_SECONDS: f64 = 0.04;

/// Number of consecutive failures after which a stream counts as ended.
const MAX_FAULTS: u32 = 64;

/// Number of consecutive failures after which the codec is rebuilt, because it may hold outdated
/// parameters.
const REBUILD_AFTER: u32 = 2;

/// Largest timestamp jump in seconds that counts as a loss; a larger one counts as damage.
const MAX_LEAP_SECONDS: f64 = 600.0;

/// Deviation of Ogg timestamps in samples that is not a loss: the longest Vorbis block. A lost page
/// is longer.
const MAX_WANDER: i64 = 8192;

/// Accepted sample rates, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=SampleRate::MAX;

/// Maximum number of channels.
const MAX_CHANNELS: usize = 64;

/// Placeholder until the first packet states the rate.
pub(super) const ANY_RATE: SampleRate = SampleRate::HZ_48000;

/// Decoder of the default audio track of one container, from front to back.
pub(super) struct Decoder {
    name: String,
    packets: Ahead,
    facts: Facts,
    track: Selected,
    /// Remaining sections of an AAC stream, whose parameters may change.
    runs: Option<SharedRuns>,
    /// Interleaved samples of the current packet, of which `taken` have been returned.
    packet: Vec<f32>,
    taken: usize,
    rate: SampleRate,
    channels: u16,
    /// Index of the next sample to return.
    position: u64,
    /// True if the next sample follows a discontinuity.
    gap: bool,
    /// Number of undecodable packets.
    corrupt: u64,
    faults: u32,
    ended: bool,
    /// True once metadata of the container has been read.
    described: bool,
    /// Number of packets that may fail after a skip, because codecs depend on earlier packets.
    pre_roll: u32,
    /// True if each packet is decoded with a compute permit.
    with_permits: bool,
}

impl Decoder {
    /// Opens a regular file, whose reads fail once `stop` is set.
    ///
    /// # Errors
    /// Permanent, with the path: the file holds no decodable audio.
    pub(super) fn from_file(
        name: String,
        file: File,
        extension: Option<&str>,
        stop: Option<&Stop>,
    ) -> Result<Self, SourceError> {
        let mut file = Watched::new(file, stop);
        let mut again = file.try_clone().map_err(|error| unreadable(&name, &error))?;
        file.rewind().map_err(|error| unreadable(&name, &error))?;
        Self::new(name.clone(), open(file, extension)).or_else(|error| {
            // Containers with an index behind the audio reject a truncated file; without seeking
            // they do not look for it.
            again.rewind().map_err(|error| unreadable(&name, &error))?;
            Self::new(name, open(ReadOnlySource::new(again), extension)).map_err(|_| error)
        })
    }

    /// Opens a stream that cannot be seeked. Blocks until the first packet has been decoded.
    ///
    /// # Errors
    /// See [`Decoder::from_file`].
    pub(super) fn from_stream(
        name: String,
        stream: impl Read + Send + Sync + 'static,
    ) -> Result<Self, SourceError> {
        Self::new(name, open(ReadOnlySource::new(stream), None))
    }

    fn new(name: String, opened: Result<Opened, Refusal>) -> Result<Self, SourceError> {
        let Opened { format, facts, paddings, runs } = opened.map_err(|refusal| refusal.of(&name))?;
        let track = Selected::new(&*format, &facts).map_err(|refusal| refusal.of(&name))?;
        let mut decoder = Self {
            name,
            packets: Ahead::new(format, paddings),
            facts,
            track,
            runs,
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
            pre_roll: 0,
            with_permits: false,
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

    /// Refills `block` with the next 40 ms (less before a gap, a change of parameters and the end).
    /// Returns false at the end.
    ///
    /// A changed sample rate renumbers the samples, so that `span.start` divided by `rate` stays
    /// the time.
    ///
    /// # Errors
    /// Read errors, as permanent errors.
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

    /// Number of undecodable packets so far.
    pub(super) fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// Title stated by the container since the last call.
    pub(super) fn new_title(&mut self) -> Option<String> {
        titles::newest(&mut *self.packets.format, &mut self.described)
    }

    /// Decodes packets until one yields samples. Returns false at the end.
    fn decode_next(&mut self) -> Result<bool, SourceError> {
        self.packet.clear();
        self.taken = 0;
        while let Some(packet) = self.next_packet()? {
            if self.decode(packet) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next packet of the track; `None` at the end.
    fn next_packet(&mut self) -> Result<Option<Packet>, SourceError> {
        while !self.ended {
            match self.packets.next(self.track.id) {
                Ok(Some(packet)) => return Ok(Some(packet)),
                Ok(None) => self.ended = !self.begin_run(),
                Err(Error::ResetRequired) => match Selected::new(&*self.packets.format, &self.facts) {
                    Ok(track) => {
                        self.track = track;
                        self.gap = self.position > 0;
                    }
                    Err(error) => {
                        tracing::warn!(source = self.name, %error, "the stream goes on with a track that cannot be decoded: ended there");
                        self.ended = true;
                    }
                },
                // Truncated containers that state their length end like this.
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.ended = !self.begin_run();
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
        Ok(None)
    }

    /// Continues with the next decodable section of an AAC stream. Returns false if there is none.
    fn begin_run(&mut self) -> bool {
        let Some(runs) = self.runs.clone() else { return false };
        loop {
            // Skips the rest of an abandoned section.
            if io::copy(&mut adts::Run(runs.clone()), &mut io::sink()).is_err() || !adts::lock(&runs).begin()
            {
                return false;
            }
            let kind = adts::lock(&runs).description().map_or(Kind::Adts, detect::of_adts);
            let begun = match kind {
                Kind::Unsupported(unsupported) => Err(unsupported.into()),
                _ => open::run(&runs).and_then(|format| Ok((Selected::new(&*format, &self.facts)?, format))),
            };
            match begun {
                Ok((track, format)) => {
                    tracing::debug!(source = self.name, "the stream goes on with other frames");
                    (self.track, self.packets) = (track, Ahead::new(format, Paddings::default()));
                    self.gap = self.position > 0;
                    return true;
                }
                Err(error) => {
                    tracing::warn!(source = self.name, %error, "frames that cannot be decoded are skipped");
                    self.corrupt += 1;
                }
            }
        }
    }

    /// Decodes one packet into `self.packet`. Returns true if it yields samples.
    fn decode(&mut self, mut packet: Packet) -> bool {
        let track = &mut self.track;
        let stamp = packet.pts;
        let [mut head, mut tail, mut whole] =
            [packet.trim_start, packet.trim_end, packet.block_dur()].map(|duration| track.samples(duration));
        let mut at = track.timestamp(stamp);
        if !self.packets.paged && !track.counts_samples() && track.usual > 0 {
            // Durations stated in ticks are rounded.
            whole = track.usual;
        }
        if track.stated_end.is_some_and(|end| at >= end) {
            // Nothing is known about an appended file; the trims, and thus the duration, are wrong.
            (head, tail, whole) = (0, 0, track.usual);
            self.gap |= !std::mem::replace(&mut track.appended, true);
        }
        let limit = i64::try_from(self.rate.samples(MAX_LEAP_SECONDS)).unwrap_or(i64::MAX);
        let missing = if self.packets.paged {
            // The sample count ignores small deviations, so that they do not add up. A stream whose
            // first page is slightly late still begins at zero.
            let due = track.timeline.due;
            let expected = due.unwrap_or(0_i64.saturating_sub_unsigned(head));
            let off = at.saturating_sub(expected);
            let mut lost = due.map_or(0, |due| at.saturating_sub(due));
            if (due.is_some() && off.abs() <= MAX_WANDER) || (0..=MAX_WANDER).contains(&off) {
                (at, lost) = (expected, 0);
            }
            let past = |end| at.saturating_add_unsigned(whole).saturating_sub(track.timestamp(end));
            tail = self.packets.end().map_or(0, |end| u64::try_from(past(end)).unwrap_or(0));
            track.timeline.due = Some(at);
            // A damaged timestamp must not move the position by hours.
            (lost > track.two_ticks()).then(|| if lost < limit { lost.unsigned_abs() } else { 0 })
        } else {
            let padding = u128::from(self.packets.padding(track.id)) * u128::from(track.rate());
            tail = tail.max(u64::try_from(padding / 1_000_000_000).unwrap_or(0));
            track.timeline.missing(stamp, at, track.tolerance(), limit)
        };
        if let Some(missing) = missing {
            self.position += missing;
            self.gap = self.position > 0;
        }
        // Codecs differ in whether they trim; without trims, all behave alike.
        packet.trim_start = Duration::ZERO;
        packet.trim_end = Duration::ZERO;
        if self.faults > 0
            && self.faults.is_multiple_of(REBUILD_AFTER)
            && let Ok(codec) = make_codec(&track.params)
        {
            track.codec = codec;
        }
        track.follow_layer(&packet.data);
        let decoded = {
            let _permit = self.with_permits.then(permits::acquire);
            guarded(|| track.codec.decode(&packet).map(|_| ()))
        };
        let pre_rolls = self.pre_roll > 0;
        self.pre_roll = self.pre_roll.saturating_sub(1);
        let buffer = match decoded {
            Ok(()) => track.codec.last_decoded(),
            Err(error) if pre_rolls && !matches!(error, Error::Unsupported(PANICKED)) => {
                track.timeline.advance(whole);
                let kept = track.cut(whole, head, tail);
                self.position += kept.end - kept.start;
                return false;
            }
            Err(error) => {
                tracing::debug!(source = self.name, %error, "a damaged packet is skipped");
                self.corrupt += 1;
                self.faults += 1;
                self.ended = matches!(error, Error::Unsupported(PANICKED));
                track.timeline.advance(whole);
                let kept = track.cut(whole, head, tail);
                self.position += kept.end - kept.start;
                self.gap = self.position > 0;
                return false;
            }
        };
        let (mut rate, channels, samples) =
            (buffer.spec().rate(), buffer.spec().channels().count(), buffer.frames());
        if track.params.codec == CODEC_ID_FLAC {
            // The decoder accepts rates up to 655,350 Hz only, the format 1,048,575 Hz.
            rate = track.params.sample_rate.unwrap_or(rate);
        }
        if samples == 0 {
            track.timeline.advance(if self.packets.paged { whole } else { 0 });
            return false;
        }
        let (Some(rate), Ok(channels @ 1..=64)) =
            (SampleRate::new(rate).filter(|rate| RATES.contains(&rate.hertz())), u16::try_from(channels))
        else {
            tracing::debug!(source = self.name, rate, channels, "a packet with absurd parameters is skipped");
            self.corrupt += 1;
            self.faults += 1;
            self.ended = self.faults > MAX_FAULTS;
            track.timeline.advance(whole);
            return false;
        };
        self.faults = 0;
        buffer.copy_to_vec_interleaved::<f32>(&mut self.packet);
        track.decoded(stamp, samples as u64, rate.hertz());
        // Matroska need not state durations.
        let counted = if self.packets.paged && whole > 0 { whole } else { samples as u64 };
        track.timeline.advance(counted);
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

/// Marks an error that was a panic.
const PANICKED: &str = "the decoder failed badly";

/// Runs third-party parsing code and turns its panic into an error of the stream.
fn guarded<T>(call: impl FnOnce() -> Decoded<T>) -> Decoded<T> {
    // State left behind by a panic is dropped, not used: the stream ends at this error.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Error::Unsupported(PANICKED)))
}

/// Extension of `path` in lower case, as a hint for probing.
pub(super) fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}
