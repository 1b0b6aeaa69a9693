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

/// Sanitise, loudness, downmix and resample, and where the current segment lies in the source.
pub(super) struct Intake {
    model_rate: SampleRate,
    measures: bool,
    format: Option<Format>,
    /// Time of sample `base_sample`, in seconds since the source's first one. The base
    /// moves when the rate changes, because indices are counted at the rate of their time.
    base_seconds: f64,
    base_sample: u64,
    /// First sample of the segment.
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
    /// An intake that has heard nothing; `measures`: whether it keeps the loudness.
    pub(super) fn new(params: &LogMelParams, measures: bool) -> Self {
        Self {
            model_rate: params.sample_rate,
            measures,
            format: None,
            base_seconds: 0.0,
            base_sample: 0,
            origin: 0,
            heard: 0,
            ended: false,
        }
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
                let format = Format::new(block, self.model_rate, self.measures)?;
                if self.format.is_some() {
                    self.base_seconds = self.seconds_at(expected);
                    self.base_sample = expected;
                }
                self.format = Some(format);
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
        if let Some(loudness) = &mut format.loudness {
            loudness.push(&format.clean);
        }
        downmix(&format.clean, usize::from(format.channels), &mut format.mono);
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
    pub(super) fn seconds_at(&self, sample: u64) -> f64 {
        let Some(format) = &self.format else { return 0.0 };
        let rate = format.rate;
        if sample >= self.base_sample {
            self.base_seconds + rate.seconds(sample - self.base_sample)
        } else {
            self.base_seconds - rate.seconds(self.base_sample - sample)
        }
    }

    /// Loudness where `samples` of the model's samples of the segment end.
    pub(super) fn level_at(&self, samples: u64) -> Level {
        let silence = Level { lufs_s: Level::FLOOR };
        let Some(Format { rate, loudness: Some(loudness), .. }) = &self.format else { return silence };
        loudness.at(samples * u64::from(rate.hertz()) / u64::from(self.model_rate.hertz()))
    }
}

impl Format {
    fn new(block: &Block, model_rate: SampleRate, measures: bool) -> Result<Self, DspError> {
        if block.channels == 0 || block.channels > MAX_CHANNELS {
            return Err(DspError::Channels(block.channels));
        }
        Ok(Self {
            rate: block.rate,
            channels: block.channels,
            resampler: Resampler::new(block.rate, model_rate)?,
            loudness: measures.then(|| Loudness::new(block.rate, block.channels)).transpose()?,
            clean: Vec::with_capacity(PIECE * usize::from(block.channels)),
            mono: Vec::with_capacity(PIECE),
        })
    }
}
