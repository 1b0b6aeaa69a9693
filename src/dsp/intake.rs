//! Conversion of blocks at the source's rate to mono samples at the model's, with the source's
//! time.

use super::downmix::{downmix, sanitise};
use super::error::DspError;
use super::limits::MAX_CHANNELS;
use super::loudness::Loudness;
use super::params::LogMelParams;
use super::resample::Resampler;
use crate::audio::{Block, Level, SampleRate};

/// Samples per channel processed at once. They stay in the cache, and long blocks need no more
/// memory than short ones.
const PIECE: usize = 1024;

/// Relation of a block to the signal so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuity {
    /// Contiguous.
    Follows,
    /// Start of a segment: the first block, a gap, or a change of format.
    Starts,
}

/// Measurements taken from the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measures {
    /// Nothing.
    Nothing,
    /// [`Level`] without the true peak.
    Level,
    /// [`Level`] with the true peak.
    LevelAndPeak,
}

/// Sanitising, loudness, downmix and resampling, and the position of the current segment in the
/// source.
pub(super) struct Intake {
    model_rate: SampleRate,
    measures: Measures,
    format: Option<IntakeStages>,
    /// First sample of the segment. A source whose rate changes renumbers its samples, as if it had
    /// always had the new rate.
    origin: u64,
    /// Number of samples received of the segment.
    received: u64,
    /// True if the segment was finished.
    ended: bool,
}

/// Stages for one rate and channel count.
struct IntakeStages {
    rate: SampleRate,
    channels: u16,
    resampler: Resampler,
    loudness: Option<Loudness>,
    clean: Vec<f32>,
    mono: Vec<f32>,
}

impl Intake {
    /// Creates an empty intake.
    pub(super) fn new(params: &LogMelParams, measures: Measures) -> Self {
        Self { model_rate: params.sample_rate, measures, format: None, origin: 0, received: 0, ended: false }
    }

    /// Prepares for `block`, and returns its continuity.
    ///
    /// A span that does not follow the previous one is a gap even if the block does not say so.
    pub(super) fn accept(&mut self, block: &Block) -> Result<Continuity, DspError> {
        let expected = self.origin + self.received;
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
                self.format = Some(IntakeStages::new(block, self.model_rate, self.measures)?);
            }
        }
        self.origin = block.span.start;
        self.received = 0;
        self.ended = false;
        Ok(Continuity::Starts)
    }

    /// Pieces in which `block` is processed.
    pub(super) fn pieces(block: &Block) -> impl Iterator<Item = &[f32]> {
        let channels = usize::from(block.channels.max(1));
        let whole = block.interleaved.len() / channels * channels;
        block.interleaved[..whole].chunks(PIECE * channels)
    }

    /// Processes one piece of the accepted block and replaces `out` by the completed samples.
    pub(super) fn feed(&mut self, piece: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let Some(format) = &mut self.format else { return };
        sanitise(piece, &mut format.clean);
        downmix(&format.clean, usize::from(format.channels), &mut format.mono);
        if let Some(loudness) = &mut format.loudness {
            loudness.push(&format.clean, &format.mono);
        }
        self.received += format.mono.len() as u64;
        format.resampler.push(&format.mono, out);
    }

    /// Ends the segment and replaces `out` by its last samples.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        out.clear();
        self.ended = true;
        if let Some(format) = &mut self.format {
            format.resampler.finish(out);
        }
    }

    /// Maximum number of samples that one piece yields in the current format.
    pub(super) fn max_output(&self) -> usize {
        self.format.as_ref().map_or(0, |format| format.resampler.max_output(PIECE))
    }

    /// Number of samples per channel received of the current segment.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// End of the received input, in seconds since the source's first sample.
    pub(super) fn received_to_s(&self) -> f64 {
        self.seconds_at(self.origin + self.received)
    }

    /// Time of the segment's first sample, in seconds since the source's first one.
    pub(super) fn origin_seconds(&self) -> f64 {
        self.seconds_at(self.origin)
    }

    /// Time of sample `sample` of the source, in seconds since its first one.
    fn seconds_at(&self, sample: u64) -> f64 {
        self.format.as_ref().map_or(0.0, |format| format.rate.seconds(sample))
    }

    /// Level at the end of `samples` model-rate samples of the segment.
    pub(super) fn level_at(&self, samples: u64) -> Level {
        let Some(IntakeStages { rate, loudness: Some(loudness), .. }) = &self.format else {
            return Level::default();
        };
        loudness.at(samples * u64::from(rate.hertz()) / u64::from(self.model_rate.hertz()))
    }
}

impl IntakeStages {
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
