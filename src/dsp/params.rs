//! What a log-mel front end is made of.

use serde::Deserialize;

use super::DspError;
use crate::audio::SampleRate;

/// The highest FFT size that is accepted, in samples.
const MAX_FFT: usize = 65_536;

/// The curve that each frame is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taper {
    /// Periodic Hann: 0.5 − 0.5 cos(2πn / N), as `scipy.signal.get_window("hann", N)`.
    Hann,
}

/// Where a taper that is shorter than the FFT lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaperPadding {
    /// In the middle, zeros on both sides: a frame spans `fft_size` samples (librosa).
    #[default]
    Both,
    /// At the start, zeros after it: a frame spans `taper_length` samples (`tf.signal.stft`).
    End,
}

/// What is taken of each FFT bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spectrum {
    /// The magnitude, |X| (librosa's `power=1`).
    Magnitude,
    /// The power, |X|² (librosa's `power=2`).
    Power,
}

/// The pitch scale that the bands are evenly spaced on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelScale {
    /// Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above (librosa's default).
    Slaney,
    /// HTK: 2595 log10(1 + f / 700).
    Htk,
}

/// The scale on which a band's triangle has straight sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelSlope {
    /// Straight in hertz (librosa).
    #[default]
    Hertz,
    /// Straight in mel (`tf.signal.linear_to_mel_weight_matrix`).
    Mel,
}

/// How the bands are weighted against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelNorm {
    /// Each triangle has the same area: times 2 / its width in hertz.
    Slaney,
    /// Each triangle's peak is 1.
    None,
}

/// The zero of a decibel scale.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// This power.
    Value(f64),
    /// The largest power of the whole signal: offline only.
    Max,
}

/// How band energies become the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// log10(1 + scale · x).
    Log10OnePlus {
        /// Factor before the logarithm, more than 0.
        scale: f64,
    },
    /// librosa's `power_to_db`: 10 log10(max(x, amin)) − 10 log10(max(reference, amin)),
    /// and not below its maximum − `top_db`.
    PowerToDb {
        /// The zero of the scale.
        reference: Reference,
        /// The smallest power that is told from silence, more than 0.
        amin: f64,
        /// Range below the signal's maximum in decibels: offline only.
        top_db: Option<f64>,
    },
    /// ln(x + offset).
    LnPlus {
        /// Added before the logarithm, more than 0.
        offset: f64,
    },
}

impl Compression {
    /// Whether a frame's value depends on that frame alone.
    pub fn is_streaming(&self) -> bool {
        !matches!(
            self,
            Self::PowerToDb { reference: Reference::Max, .. } | Self::PowerToDb { top_db: Some(_), .. }
        )
    }
}

/// A log-mel front end, wholly described.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMelParams {
    /// The model's sample rate.
    pub sample_rate: SampleRate,
    /// Length of the Fourier transform in samples: even, 2 to 65 536.
    pub fft_size: usize,
    /// Samples from one frame to the next, at most a frame's length.
    pub hop_length: usize,
    /// Length of the taper in samples, at most `fft_size`.
    pub taper_length: usize,
    /// The taper's curve.
    pub taper: Taper,
    /// Where a short taper lies.
    pub taper_padding: TaperPadding,
    /// Whether frame `k` is centred on sample `k · hop_length`, with zeros before the first
    /// and after the last sample (librosa's `center=True, pad_mode="constant"`); else it starts there.
    pub centred: bool,
    /// What is taken of each FFT bin.
    pub spectrum: Spectrum,
    /// Number of mel bands, 1 to 1024.
    pub bands: usize,
    /// The bands' spacing.
    pub mel_scale: MelScale,
    /// The bands' shape.
    pub mel_slope: MelSlope,
    /// The bands' weights.
    pub mel_norm: MelNorm,
    /// Lower edge of the lowest band in hertz.
    pub f_min: f64,
    /// Upper edge of the highest band in hertz, at most half the sample rate.
    pub f_max: f64,
    /// What is done to the band energies.
    pub compression: Compression,
}

impl LogMelParams {
    /// The front end of MusiCNN (Pons and Serra, 2019): librosa's `melspectrogram` at
    /// 16 kHz, FFT 512, hop 256, 96 bands, then log10(1 + 10 000 x).
    pub fn musicnn() -> Self {
        Self {
            sample_rate: SampleRate::HZ_16000,
            fft_size: 512,
            hop_length: 256,
            taper_length: 512,
            taper: Taper::Hann,
            taper_padding: TaperPadding::Both,
            centred: true,
            spectrum: Spectrum::Power,
            bands: 96,
            mel_scale: MelScale::Slaney,
            mel_slope: MelSlope::Hertz,
            mel_norm: MelNorm::Slaney,
            f_min: 0.0,
            f_max: 8000.0,
            compression: Compression::Log10OnePlus { scale: 10_000.0 },
        }
    }

    /// The front end of YAMNet (Plakal and Ellis, `tensorflow/models/research/audioset/yamnet`):
    /// 25 ms taper, 10 ms hop, magnitudes, 64 HTK bands from 125 to 7500 Hz, ln(x + 0.001).
    pub fn yamnet() -> Self {
        Self {
            sample_rate: SampleRate::HZ_16000,
            fft_size: 512,
            hop_length: 160,
            taper_length: 400,
            taper: Taper::Hann,
            taper_padding: TaperPadding::End,
            centred: false,
            spectrum: Spectrum::Magnitude,
            bands: 64,
            mel_scale: MelScale::Htk,
            mel_slope: MelSlope::Mel,
            mel_norm: MelNorm::None,
            f_min: 125.0,
            f_max: 7500.0,
            compression: Compression::LnPlus { offset: 0.001 },
        }
    }

    /// Seconds from one frame to the next.
    pub fn frame_seconds(&self) -> f64 {
        self.hop_length as f64 / f64::from(self.sample_rate.hertz())
    }

    /// Samples that one frame looks at.
    pub fn frame_length(&self) -> usize {
        match self.taper_padding {
            TaperPadding::Both => self.fft_size,
            TaperPadding::End => self.taper_length,
        }
    }

    /// Zeros before the first sample and after the last.
    pub(super) fn padding(&self) -> usize {
        if self.centred { self.frame_length() / 2 } else { 0 }
    }

    /// Frames of a whole signal of `samples` samples: for a centred front end
    /// 1 + samples / hop, as librosa; 0 for an empty one.
    pub fn frames(&self, samples: u64) -> u64 {
        let padded = samples + 2 * self.padding() as u64;
        let length = self.frame_length() as u64;
        if samples == 0 || padded < length { 0 } else { 1 + (padded - length) / self.hop_length as u64 }
    }

    /// Samples that must be heard before `frames` frames are complete.
    pub fn samples_for(&self, frames: usize) -> usize {
        if frames == 0 {
            0
        } else {
            ((frames - 1) * self.hop_length + self.frame_length()).saturating_sub(self.padding())
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// Names the first parameter that is out of its range, and what it may be.
    pub fn validate(&self) -> Result<(), DspError> {
        let nyquist = f64::from(self.sample_rate.hertz()) / 2.0;
        check(
            (2..=MAX_FFT).contains(&self.fft_size) && self.fft_size.is_multiple_of(2),
            "fft_size",
            self.fft_size,
            "use an even number from 2 to 65536",
        )?;
        check(
            (1..=self.fft_size).contains(&self.taper_length),
            "taper_length",
            self.taper_length,
            format_args!("use 1 to `fft_size` ({})", self.fft_size),
        )?;
        check(
            (1..=self.frame_length()).contains(&self.hop_length),
            "hop_length",
            self.hop_length,
            format_args!("use 1 to a frame's length ({})", self.frame_length()),
        )?;
        check((1..=1024).contains(&self.bands), "bands", self.bands, "use 1 to 1024")?;
        check(
            self.f_max > 0.0 && self.f_max <= nyquist,
            "f_max",
            self.f_max,
            format_args!("use more than 0 and at most half the sample rate ({nyquist})"),
        )?;
        check(
            self.f_min >= 0.0 && self.f_min < self.f_max,
            "f_min",
            self.f_min,
            format_args!("use at least 0 and less than `f_max` ({})", self.f_max),
        )?;
        self.compression.validate()
    }
}

impl Compression {
    fn validate(&self) -> Result<(), DspError> {
        match *self {
            Self::Log10OnePlus { scale } => positive("scale", scale),
            Self::LnPlus { offset } => positive("offset", offset),
            Self::PowerToDb { reference, amin, top_db } => {
                positive("amin", amin)?;
                if let Reference::Value(value) = reference {
                    check(
                        value.is_finite() && value >= 0.0,
                        "reference",
                        value,
                        "use a finite power of at least 0",
                    )?;
                }
                match top_db {
                    Some(range) => {
                        check(range.is_finite() && range >= 0.0, "top_db", range, "use at least 0")
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// A number that stays a normal, positive one in single precision.
fn positive(name: &'static str, value: f64) -> Result<(), DspError> {
    let range = f64::from(f32::MIN_POSITIVE)..=1e30;
    check(range.contains(&value), name, value, "use a number from 1.2e-38 to 1e30")
}

pub(super) fn check(
    holds: bool,
    name: &'static str,
    value: impl ToString,
    fix: impl ToString,
) -> Result<(), DspError> {
    if holds {
        Ok(())
    } else {
        Err(DspError::Parameter { name, value: value.to_string(), fix: fix.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_front_ends_are_valid() {
        LogMelParams::musicnn().validate().unwrap();
        LogMelParams::yamnet().validate().unwrap();
    }

    #[test]
    fn frames_follow_the_published_counts() {
        let musicnn = LogMelParams::musicnn();
        assert_eq!([0, 1, 255, 256, 16_000].map(|n| musicnn.frames(n)), [0, 1, 1, 2, 63]);
        assert_eq!(musicnn.samples_for(187), 187 * 256);
        let yamnet = LogMelParams::yamnet();
        assert_eq!([399, 400, 559, 560, 15_600].map(|n| yamnet.frames(n)), [0, 1, 1, 2, 96]);
        assert_eq!(yamnet.samples_for(96), 15_600);
    }

    #[test]
    fn a_bad_parameter_is_named_with_what_it_may_be() {
        let message = |change: fn(&mut LogMelParams)| {
            let mut params = LogMelParams::musicnn();
            change(&mut params);
            params.validate().unwrap_err().to_string()
        };
        assert_eq!(
            message(|p| p.f_max = 9000.0),
            "front end: `f_max` is 9000; use more than 0 and at most half the sample rate (8000)"
        );
        assert!(message(|p| p.fft_size = 511).contains("`fft_size` is 511"));
        assert!(message(|p| p.hop_length = 0).contains("`hop_length` is 0"));
        assert!(message(|p| p.taper_length = 513).contains("`taper_length` is 513"));
        assert!(message(|p| p.bands = 0).contains("`bands` is 0"));
        assert!(message(|p| p.f_min = f64::NAN).contains("`f_min` is NaN"));
        assert!(message(|p| p.compression = Compression::LnPlus { offset: 0.0 }).contains("`offset` is 0"));
    }
}
