//! Framing of the analysis: sample rate, frames, bins and bands.

use super::super::params::{
    Compression, LogMelParams, MelNorm, MelScale, MelSlope, Reference, Spectrum, Taper, TaperPadding,
};
use crate::audio::SampleRate;

/// Sample rate of the analysis: librosa's default.
pub const RATE: SampleRate = match SampleRate::new(22_050) {
    Some(rate) => rate,
    None => unreachable!(),
};

/// Frame length in samples.
pub(super) const FRAME: usize = 2048;

/// Samples from one frame to the next.
pub(super) const HOP: usize = 512;

/// Number of bins of a frame's spectrum.
pub(super) const BINS: usize = FRAME / 2 + 1;

/// Number of mel bands for the MFCCs and the tempo.
pub(super) const BANDS: usize = 128;

/// Number of frames of a centred analysis of `samples`.
pub(super) fn frame_count(samples: usize) -> usize {
    1 + samples / HOP
}

/// Samples covered by frame `frame` of a centred analysis of `samples`.
pub(super) fn covered(frame: usize, samples: usize) -> std::ops::Range<usize> {
    let end = (frame * HOP + FRAME / 2).min(samples);
    (frame * HOP).saturating_sub(FRAME / 2).min(end)..end
}

/// Frequency of bin `bin`, in Hz.
pub(super) fn bin_hertz(bin: usize) -> f64 {
    bin as f64 * f64::from(RATE.hertz()) / FRAME as f64
}

/// librosa's `melspectrogram` and `power_to_db` with their defaults.
pub(super) fn parameters() -> LogMelParams {
    LogMelParams {
        sample_rate: RATE,
        fft_size: FRAME,
        hop_length: HOP,
        taper_length: FRAME,
        taper: Taper::Hann,
        taper_padding: TaperPadding::Both,
        centred: true,
        spectrum: Spectrum::Power,
        bands: BANDS,
        mel_scale: MelScale::Slaney,
        mel_slope: MelSlope::Hertz,
        mel_norm: MelNorm::Slaney,
        f_min: 0.0,
        f_max: f64::from(RATE.hertz()) / 2.0,
        compression: Compression::PowerToDb {
            reference: Reference::Value(1.0),
            amin: 1e-10,
            top_db: Some(80.0),
        },
    }
}
