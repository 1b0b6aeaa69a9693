//! Blocks of samples, and the units that describe them.

use std::fmt;

/// Sample rate in Hz, 1 to 768 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// Highest accepted rate, in Hz.
    pub const MAX: u32 = 768_000;
    /// 16 kHz, the rate of most models.
    pub const HZ_16000: Self = Self(16_000);
    /// 48 kHz, the rate of most devices.
    pub const HZ_48000: Self = Self(48_000);

    /// Returns `None` for zero and above [`SampleRate::MAX`].
    pub const fn new(hertz: u32) -> Option<Self> {
        if hertz == 0 || hertz > Self::MAX { None } else { Some(Self(hertz)) }
    }

    /// Rate in Hz.
    pub const fn hertz(self) -> u32 {
        self.0
    }

    /// Duration of `samples` per channel, in seconds.
    pub fn seconds(self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.0)
    }

    /// Samples per channel in `seconds`, rounded to the nearest.
    pub fn samples(self, seconds: f64) -> u64 {
        (seconds * f64::from(self.0)).round().max(0.0) as u64
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// Half-open range of sample indices per channel, counted from the start of the source, lost
/// samples included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Index of the first sample.
    pub start: u64,
    /// Index after the last sample.
    pub end: u64,
}

impl Span {
    /// Number of samples per channel.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Returns true if the span holds no sample.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Piece of audio at the source's native rate. Buffers are reused across calls.
#[derive(Debug, Clone)]
pub struct Block {
    /// Interleaved samples, nominally −1 to 1: `channels × span.len()` values. May hold NaN or
    /// infinity; the front end sanitises them.
    pub interleaved: Vec<f32>,
    /// Number of interleaved channels, at least 1.
    pub channels: u16,
    /// Native sample rate.
    pub rate: SampleRate,
    /// Position in the source. `start` divided by `rate` is the time, also after a change of rate.
    /// At a gap, `start` includes the lost samples if the source knows their number.
    pub span: Span,
    /// True if samples were lost or continuity is otherwise broken just before this block.
    pub gap: bool,
    /// Wall-clock time of the first sample. Set at the first block, after a gap, and about once per
    /// minute for live sources.
    pub anchor: Option<jiff::Timestamp>,
}

impl Block {
    /// Creates an empty block with room for `samples` per channel.
    pub fn with_capacity(rate: SampleRate, channels: u16, samples: usize) -> Self {
        Self {
            interleaved: Vec::with_capacity(samples * usize::from(channels)),
            channels,
            rate,
            span: Span::default(),
            gap: false,
            anchor: None,
        }
    }

    /// Number of samples per channel.
    pub fn samples(&self) -> usize {
        self.interleaved.len() / usize::from(self.channels.max(1))
    }
}

/// Level of the audio at the end of a patch, and other properties measured without a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// EBU R128 short-term loudness (last 3 s) in LUFS, at least [`Level::FLOOR`].
    pub lufs_s: f32,
    /// EBU R128 momentary loudness (last 0.4 s) in LUFS, at least [`Level::FLOOR`].
    pub lufs_m: f32,
    /// True peak of the last 3 s in dBTP, at least [`Level::PEAK_FLOOR`]; `None` if it is not
    /// measured.
    pub true_peak_db: Option<f32>,
    /// Level of the first of two channels relative to the second, over the last 3 s, in dB, −60 to
    /// 60. `None` for any other number of channels, and in silence.
    pub balance_db: Option<f32>,
    /// Seconds for which the audio has repeated itself bit by bit.
    pub repeated_s: f32,
    /// Seconds for which the audio has been one pure tone of constant pitch and level.
    pub tone_s: f32,
}

impl Level {
    /// Lowest reported loudness, in LUFS; digital silence has it too.
    pub const FLOOR: f32 = -70.0;
    /// Lowest reported true peak, in dBTP.
    pub const PEAK_FLOOR: f32 = -120.0;

    /// Level of which only the short-term loudness is known.
    pub const fn of_loudness(lufs_s: f32) -> Self {
        Self { lufs_s, lufs_m: lufs_s, true_peak_db: None, balance_db: None, repeated_s: 0.0, tone_s: 0.0 }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::of_loudness(Self::FLOOR)
    }
}
