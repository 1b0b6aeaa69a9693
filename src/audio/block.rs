//! Blocks of samples, and the units that describe them.

use std::fmt;

/// A sample rate in hertz, 1 to 768 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// The highest rate that is accepted, in hertz.
    pub const MAX: u32 = 768_000;
    /// 16 kHz, that of most models.
    pub const HZ_16000: Self = Self(16_000);
    /// 48 kHz, that of most devices.
    pub const HZ_48000: Self = Self(48_000);

    /// `None` for zero and for more than [`SampleRate::MAX`].
    pub const fn new(hertz: u32) -> Option<Self> {
        if hertz == 0 || hertz > Self::MAX { None } else { Some(Self(hertz)) }
    }

    /// The rate in hertz.
    pub const fn hertz(self) -> u32 {
        self.0
    }

    /// Seconds that `samples` (a channel) last.
    pub fn seconds(self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.0)
    }

    /// Samples (a channel) in `seconds`, rounded to the nearest.
    pub fn samples(self, seconds: f64) -> u64 {
        (seconds * f64::from(self.0)).round().max(0.0) as u64
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// A half-open range of sample indices (a channel), counted from the start of
/// the source, lost samples included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Index of the first sample.
    pub start: u64,
    /// Index after the last sample.
    pub end: u64,
}

impl Span {
    /// Number of samples (a channel).
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether the span holds no sample.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// A piece of audio at the source's native rate, reused from call to call.
#[derive(Debug, Clone)]
pub struct Block {
    /// Interleaved samples, nominally −1 to 1, `channels × span.len()` values.
    /// May hold NaN or infinity: the front end sanitises at its door.
    pub interleaved: Vec<f32>,
    /// Number of interleaved channels, at least 1.
    pub channels: u16,
    /// Native sample rate.
    pub rate: SampleRate,
    /// Which samples of the source these are: `start` over `rate` is their time, also where the rate was another before. At a gap, `start`
    /// counts the lost ones where the source knows their number.
    pub span: Span,
    /// Whether samples were lost, or continuity otherwise broken, just before this block.
    pub gap: bool,
    /// Wall-clock time of the first sample, where the source took it anew:
    /// at its first block, after a gap, and about once a minute when live.
    pub anchor: Option<jiff::Timestamp>,
}

impl Block {
    /// An empty block with room for `samples` samples a channel.
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

    /// Samples a channel.
    pub fn samples(&self) -> usize {
        self.interleaved.len() / usize::from(self.channels.max(1))
    }
}

/// How loud the sound is at the end of a patch, and what else is told without a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// EBU R128 short-term loudness (the last 3 s) in LUFS, at least [`Level::FLOOR`].
    pub lufs_s: f32,
    /// EBU R128 momentary loudness (the last 0.4 s) in LUFS, at least [`Level::FLOOR`].
    pub lufs_m: f32,
    /// True peak of the last 3 s in dB of full scale (dBTP), at least [`Level::PEAK_FLOOR`]; where it was asked for.
    pub true_peak_db: Option<f32>,
    /// By how many dB the first of two channels is louder than the second, over the last 3 s, −60 to 60; absent of any
    /// other number of channels, and in silence.
    pub balance_db: Option<f32>,
    /// For how many seconds the sound has repeated itself to the bit.
    pub repeated_s: f32,
    /// For how many seconds it has been one pure tone of the same pitch and level.
    pub tone_s: f32,
}

impl Level {
    /// The lowest loudness that is reported, in LUFS: digital silence too.
    pub const FLOOR: f32 = -70.0;
    /// The lowest true peak that is reported, in dBTP.
    pub const PEAK_FLOOR: f32 = -120.0;

    /// Sound of which the short-term loudness alone is known.
    pub const fn of_loudness(lufs_s: f32) -> Self {
        Self { lufs_s, lufs_m: lufs_s, true_peak_db: None, balance_db: None, repeated_s: 0.0, tone_s: 0.0 }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::of_loudness(Self::FLOOR)
    }
}
