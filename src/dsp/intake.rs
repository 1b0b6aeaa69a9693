//! From blocks at the source's rate to mono samples at the model's, and the source's time.

use super::downmix::{downmix, sanitise};
use super::loudness::{Loudness, MAX_CHANNELS};
use super::resample::Resampler;
use super::{DspError, params::LogMelParams};
use crate::audio::{Block, Level, SampleRate};

/// Samples (a channel) that go through the stages at once: they stay in the cache,
/// and a long block needs no more memory than a short one.
const PIECE: usize = 1024;

/// What a block is to the signal so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It follows what was heard.
    Follows,
    /// A segment starts with it: the first block, a gap, or a change of format.
    Starts,
}

/// What is measured of the sound on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measures {
    /// Nothing.
    Nothing,
    /// All of the [`Level`] that costs little.
    Level,
    /// The true peak, too.
    LevelAndPeak,
}

/// Sanitise, loudness, downmix and resample, and where the current segment lies in the source.
pub(super) struct Intake {
    model_rate: SampleRate,
    measures: Measures,
    format: Option<Format>,
    /// First sample of the segment. A source whose rate changes numbers its samples anew, as if it had had the new one all along.
    origin: u64,
    /// Samples heard of the segment.
    heard: u64,
    /// Whether the segment was finished.
    ended: bool,
}

/// The stages for one rate and channel count.
struct Format {
    rate: SampleRate,
    channels: u16,
    resampler: Resampler,
    loudness: Option<Loudness>,
    clean: Vec<f32>,
    mono: Vec<f32>,
}

impl Intake {
    /// An intake that has heard nothing.
    pub(super) fn new(params: &LogMelParams, measures: Measures) -> Self {
        Self { model_rate: params.sample_rate, measures, format: None, origin: 0, heard: 0, ended: false }
    }

    /// Makes ready for `block`, and says whether a segment starts with it.
    ///
    /// A span that doesn't follow the last one is a gap even where the block doesn't say so.
    pub(super) fn accept(&mut self, block: &Block) -> Result<Continuity, DspError> {
        let expected = self.origin + self.heard;
        match &mut self.format {
            Some(format) if format.rate == block.rate && format.channels == block.channels => {
                if !block.gap && !self.ended && block.span.start == expected {
                    return Ok(Continuity::Follows);
                }
                format.resampler.reset();
                if let Some(loudness) = &mut format.loudness {
                    loudness.reset();
                }
            }
            _ => {
                self.format = Some(Format::new(block, self.model_rate, self.measures)?);
            }
        }
        self.origin = block.span.start;
        self.heard = 0;
        self.ended = false;
        Ok(Continuity::Starts)
    }

    /// The pieces that `block` is fed in.
    pub(super) fn pieces(block: &Block) -> impl Iterator<Item = &[f32]> {
        let channels = usize::from(block.channels.max(1));
        let whole = block.interleaved.len() / channels * channels;
        block.interleaved[..whole].chunks(PIECE * channels)
    }

    /// Hears one piece of the accepted block and replaces `out` by the samples that it completes.
    pub(super) fn feed(&mut self, piece: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let Some(format) = &mut self.format else { return };
        sanitise(piece, &mut format.clean);
        downmix(&format.clean, usize::from(format.channels), &mut format.mono);
        if let Some(loudness) = &mut format.loudness {
            loudness.push(&format.clean, &format.mono);
        }
        self.heard += format.mono.len() as u64;
        format.resampler.push(&format.mono, out);
    }

    /// The source has ended: replaces `out` by the segment's last samples.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        out.clear();
        self.ended = true;
        if let Some(format) = &mut self.format {
            format.resampler.finish(out);
        }
    }

    /// The most samples that one piece can give in the current format.
    pub(super) fn max_output(&self) -> usize {
        self.format.as_ref().map_or(0, |format| format.resampler.max_output(PIECE))
    }

    /// Samples (a channel) heard of the current segment.
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// How far the source has been heard, in seconds since its first sample.
    pub(super) fn heard_to(&self) -> f64 {
        self.seconds_at(self.origin + self.heard)
    }

    /// Time of the segment's first sample, in seconds since the source's first one.
    pub(super) fn origin_seconds(&self) -> f64 {
        self.seconds_at(self.origin)
    }

    /// Time of sample `sample` of the source, in seconds since its first one.
    fn seconds_at(&self, sample: u64) -> f64 {
        self.format.as_ref().map_or(0.0, |format| format.rate.seconds(sample))
    }

    /// The level where `samples` of the model's samples of the segment end.
    pub(super) fn level_at(&self, samples: u64) -> Level {
        let Some(Format { rate, loudness: Some(loudness), .. }) = &self.format else {
            return Level::default();
        };
        loudness.at(samples * u64::from(rate.hertz()) / u64::from(self.model_rate.hertz()))
    }
}

impl Format {
    fn new(block: &Block, model_rate: SampleRate, measures: Measures) -> Result<Self, DspError> {
        if block.channels == 0 || block.channels > MAX_CHANNELS {
            return Err(DspError::Channels(block.channels));
        }
        let meter = |true_peak| Loudness::new(block.rate, block.channels, true_peak).map(Some);
        let loudness = match measures {
            Measures::Nothing => None,
            Measures::Level => meter(false)?,
            Measures::LevelAndPeak => meter(true)?,
        };
        Ok(Self {
            rate: block.rate,
            channels: block.channels,
            resampler: Resampler::new(block.rate, model_rate)?,
            loudness,
            clean: Vec::with_capacity(PIECE * usize::from(block.channels)),
            mono: Vec::with_capacity(PIECE),
        })
    }
}
