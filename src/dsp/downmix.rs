//! Sanitising and downmix of the input. All later stages receive finite samples.

use multiversion::multiversion;

/// Largest magnitude accepted as a sample; full scale is 1. Larger values, NaN and infinity count
/// as 0.
pub const SAMPLE_LIMIT: f32 = 65_536.0;

/// Smallest magnitude that is not silence, −200 dB below full scale. A fading tail ends here,
/// before later stages compute with denormal numbers, which are a hundred times slower.
const SAMPLE_FLOOR: f32 = 1e-10;

/// Returns `sample`, or 0 if it is not a plausible sample.
#[inline(always)]
#[allow(clippy::manual_range_contains, reason = "`&` keeps the loop free of branches, so that it vectorises")]
pub(super) fn sanitised(sample: f32) -> f32 {
    // NaN fails the comparison too.
    let magnitude = sample.abs();
    if (magnitude <= SAMPLE_LIMIT) & (magnitude >= SAMPLE_FLOOR) { sample } else { 0.0 }
}

/// Copies the sanitised `samples` to the start of `out`, which is at least as long.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn sanitise_into(samples: &[f32], out: &mut [f32]) {
    for (slot, &sample) in out.iter_mut().zip(samples) {
        *slot = sanitised(sample);
    }
}

/// Replaces `out` by the sanitised `samples`.
pub(super) fn sanitise(samples: &[f32], out: &mut Vec<f32>) {
    out.resize(samples.len(), 0.0);
    sanitise_into(samples, out);
}

/// Replaces `out` by the mean over the channels, one value per `channels` of `interleaved`.
pub(super) fn downmix(interleaved: &[f32], channels: usize, out: &mut Vec<f32>) {
    out.clear();
    match channels {
        1 => out.extend_from_slice(interleaved),
        2 => out.extend(interleaved.as_chunks::<2>().0.iter().map(|[left, right]| 0.5 * (left + right))),
        _ => {
            let factor = 1.0 / channels as f32;
            out.extend(interleaved.chunks_exact(channels).map(|all| factor * all.iter().sum::<f32>()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sound_comes_through_the_door() {
        let mut out = Vec::new();
        sanitise(&[0.5, f32::NAN, f32::INFINITY, -f32::INFINITY, -1e30, -2.0, 1e-11], &mut out);
        assert_eq!(out, [0.5, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0]);
    }

    #[test]
    fn downmix_is_the_mean() {
        let mut out = Vec::new();
        for (channels, expected) in
            [(1, vec![1.0, 3.0, 2.0, -2.0, 4.0, 4.0]), (2, vec![2.0, 0.0, 4.0]), (3, vec![2.0, 2.0])]
        {
            downmix(&[1.0, 3.0, 2.0, -2.0, 4.0, 4.0], channels, &mut out);
            assert_eq!(out, expected);
        }
    }
}
