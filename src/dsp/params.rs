//! Parameters of a log-mel front end.

use serde::Deserialize;

use super::error::DspError;
use crate::audio::SampleRate;

/// Maximum FFT size, in samples.
const MAX_FFT: usize = 65_536;

/// Curve by which each frame is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taper {
    /// Periodic Hann: 0.5 − 0.5 cos(2πn / N), as `scipy.signal.get_window("hann", N)`.
    Hann,
}

/// Position of a taper that is shorter than the FFT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaperPadding {
    /// Centred, with zeros on both sides: a frame spans `fft_size` samples (librosa).
    #[default]
    Both,
    /// At the start, followed by zeros: a frame spans `taper_length` samples (`tf.signal.stft`).
    End,
}

/// Quantity computed from each FFT bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spectrum {
    /// Magnitude, |X| (librosa's `power=1`).
    Magnitude,
    /// Power, |X|² (librosa's `power=2`).
    Power,
}

/// Pitch scale on which the bands are evenly spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelScale {
    /// Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above (librosa's default).
    Slaney,
    /// HTK: 2595 log10(1 + f / 700).
    Htk,
}

/// Scale on which a band's triangle has straight sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelSlope {
    /// Hertz (librosa).
    #[default]
    Hertz,
    /// Mel (`tf.signal.linear_to_mel_weight_matrix`).
    Mel,
}

/// Normalisation of the bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelNorm {
    /// Equal area: each triangle is scaled by 2 / its width in Hz.
    Slaney,
    /// Each triangle's peak is 1.
    None,
}

/// Zero of a decibel scale.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// Fixed power.
    Value(f64),
    /// Largest power of the whole signal; offline only.
    Max,
}

/// Conversion of band energies to the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// log10(1 + scale · x).
    Log10OnePlus {
        /// Factor before the logarithm, more than 0.
        scale: f64,
    },
    /// librosa's `power_to_db`: 10 log10(max(x, amin)) − 10 log10(max(reference, amin)), limited to
    /// `top_db` below its maximum.
    PowerToDb {
        /// Zero of the scale.
        reference: Reference,
        /// Smallest power distinguished from silence, more than 0.
        amin: f64,
        /// Range below the signal's maximum in decibels; offline only.
        top_db: Option<f64>,
    },
    /// ln(x + offset).
    LnPlus {
        /// Offset before the logarithm, more than 0.
        offset: f64,
    },
}

impl Compression {
    /// Returns true if a frame's value depends on that frame alone.
    pub fn is_streaming(&self) -> bool {
        !matches!(
            self,
            Self::PowerToDb { reference: Reference::Max, .. } | Self::PowerToDb { top_db: Some(_), .. }
        )
    }
}

/// Complete description of a log-mel front end.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMelParams {
    /// Sample rate of the model.
    pub sample_rate: SampleRate,
    /// Length of the Fourier transform in samples: even, 2 to 65 536.
    pub fft_size: usize,
    /// Samples from one frame to the next, at most a frame's length.
    pub hop_length: usize,
    /// Length of the taper in samples, at most `fft_size`.
    pub taper_length: usize,
    /// Curve of the taper.
    pub taper: Taper,
    /// Position of a short taper.
    pub taper_padding: TaperPadding,
    /// True if frame `k` is centred on sample `k · hop_length`, with zeros before the first and
    /// after the last sample (librosa's `center=True, pad_mode="constant"`); false if it starts
    /// there.
    pub centred: bool,
    /// Quantity computed from each FFT bin.
    pub spectrum: Spectrum,
    /// Number of mel bands, 1 to 1024.
    pub bands: usize,
    /// Spacing of the bands.
    pub mel_scale: MelScale,
    /// Shape of the bands.
    pub mel_slope: MelSlope,
    /// Normalisation of the bands.
    pub mel_norm: MelNorm,
    /// Lower edge of the lowest band, in Hz.
    pub f_min: f64,
    /// Upper edge of the highest band in Hz, at most half the sample rate.
    pub f_max: f64,
    /// Conversion of the band energies.
    pub compression: Compression,
}

impl LogMelParams {
    /// Front end of MusiCNN (Pons and Serra, 2019): librosa's `melspectrogram` at 16 kHz, FFT 512,
    /// hop 256, 96 bands, then log10(1 + 10 000 x).
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

    /// Front end of YAMNet (Plakal and Ellis, `tensorflow/models/research/audioset/yamnet`): 25 ms
    /// taper, 10 ms hop, magnitudes, 64 HTK bands from 125 to 7500 Hz, ln(x + 0.001).
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

    /// Number of samples in one frame.
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

    /// Number of frames of a whole signal of `samples`: 1 + samples / hop for a centred front end,
    /// as in librosa; 0 for an empty signal.
    pub fn frames(&self, samples: u64) -> u64 {
        let padded = samples + 2 * self.padding() as u64;
        let length = self.frame_length() as u64;
        if samples == 0 || padded < length { 0 } else { 1 + (padded - length) / self.hop_length as u64 }
    }

    /// Number of samples required to complete `frames` frames.
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
    /// Names the first parameter that is out of range, and its accepted values.
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

/// Checks for a number that is normal and positive in single precision.
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
