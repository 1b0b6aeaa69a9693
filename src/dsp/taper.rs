//! Tapers.

use std::f64::consts::TAU;

use super::params::{LogMelParams, Taper, TaperPadding};

/// Taper over a frame: [`LogMelParams::frame_length`] values, computed in double precision.
pub(super) fn taper(params: &LogMelParams) -> Vec<f32> {
    let length = params.taper_length;
    let curve = (0..length).map(|n| match params.taper {
        Taper::Hann => 0.5 - 0.5 * (TAU * n as f64 / length as f64).cos(),
    });
    let mut over_frame = vec![0.0; params.frame_length()];
    let before = match params.taper_padding {
        // librosa's `util.pad_center` puts the odd zero last.
        TaperPadding::Both => (params.fft_size - length) / 2,
        TaperPadding::End => 0,
    };
    for (slot, value) in over_frame[before..].iter_mut().zip(curve) {
        *slot = value as f32;
    }
    over_frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hann_is_periodic() {
        let curve = taper(&LogMelParams::musicnn());
        assert_eq!((curve.len(), curve[0], curve[256]), (512, 0.0, 1.0));
        assert_eq!(curve[1], curve[511]);
        // Copies half a period apart add up to 1, unlike in the symmetric form.
        assert!((0..256).all(|n| (curve[n] + curve[n + 256] - 1.0).abs() < 1e-6));
    }

    #[test]
    fn a_short_taper_lies_where_its_convention_says() {
        let mut params = LogMelParams::yamnet();
        assert_eq!(taper(&params).len(), 400);
        params.taper_padding = TaperPadding::Both;
        let curve = taper(&params);
        assert_eq!((curve.len(), curve[56], curve[57] > 0.0, curve[256]), (512, 0.0, true, 1.0));
    }
}
