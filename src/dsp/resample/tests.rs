use std::f64::consts::TAU;

use super::*;

fn rate(hertz: u32) -> SampleRate {
    SampleRate::new(hertz).unwrap()
}

fn tone(hertz: f64, rate: u32, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (TAU * hertz * n as f64 / f64::from(rate)).sin() as f32).collect()
}

fn converted(signal: &[f32], from: u32, piece: usize) -> Vec<f32> {
    let mut resampler = Resampler::new(rate(from), rate(16_000)).unwrap();
    let mut out = Vec::new();
    signal.chunks(piece).for_each(|piece| resampler.push(piece, &mut out));
    resampler.finish(&mut out);
    out
}

#[test]
fn time_is_kept_at_every_rate() {
    for from in
        [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000, 44_056]
    {
        let out = converted(&tone(997.0, from, from as usize), from, 1000);
        assert_eq!(out.len(), 16_000, "{from}");
        let expected = tone(997.0, 16_000, 16_000);
        let worst = (4000..12_000).map(|i| (out[i] - expected[i]).abs()).fold(0.0, f32::max);
        assert!(worst < 2e-5, "{from} Hz: {worst}");
    }
}

#[test]
fn the_number_of_samples_is_rounded_up() {
    for (samples, expected) in [(0, 0), (1, 1), (441, 160), (442, 161), (44_099, 16_000), (100_000, 36_282)] {
        assert_eq!(converted(&vec![0.1; samples], 44_100, 777).len(), expected);
    }
}

#[test]
fn pieces_give_the_same_bits_as_the_whole() {
    let signal = tone(3000.0, 44_100, 30_000);
    let whole = converted(&signal, 44_100, signal.len());
    for piece in [1, 100, 1411, 29_999] {
        assert_eq!(converted(&signal, 44_100, piece), whole);
    }
}

#[test]
fn odd_rates_have_a_plan_and_tiny_ones_a_message() {
    for from in [4000, 5512, 37_800, 47_999, 767_999, 768_000] {
        assert_eq!(converted(&[0.0; 10], from, 3).len(), (160_000_u32.div_ceil(from)) as usize, "{from}");
    }
    let message = Resampler::new(rate(100), rate(16_000)).err().map(|e| e.to_string());
    assert_eq!(message.as_deref(), Some("the sample rate is `100 Hz`; use at least 4000 Hz"));
}

const RATES: [u32; 11] =
    [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

/// Sine that sweeps linearly from one frequency to another in [`SWEEP`] seconds, at half of full
/// scale.
fn sweep(first: f64, last: f64, rate: u32) -> Vec<f32> {
    let samples = (SWEEP * f64::from(rate)) as usize;
    let phase = |t: f64| TAU * (first * t + (last - first) * t * t / (2.0 * SWEEP));
    (0..samples).map(|n| 0.5 * phase(n as f64 / f64::from(rate)).sin() as f32).collect()
}

const SWEEP: f64 = 4.0;

/// Fades both ends over 100 ms, because switching has components at all frequencies.
fn faded(mut signal: Vec<f32>, rate: u32) -> Vec<f32> {
    let (fade, length) = (rate as usize / 10, signal.len());
    for n in 0..fade {
        let gain = (0.5 - 0.5 * (0.5 * TAU * n as f64 / fade as f64).cos()) as f32;
        signal[n] *= gain;
        signal[length - 1 - n] *= gain;
    }
    signal
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// Largest deviation of the gain from 1 over the windows of a sweep, and the largest share of other
/// components (aliases, images, noise), both in decibels.
fn pass_band(from: u32, last: f64) -> (f64, f64) {
    let out = converted(&sweep(20.0, last, from), from, 4096);
    let expected = sweep(20.0, last, 16_000);
    let (mut ripple, mut rest) = (0.0_f64, f64::NEG_INFINITY);
    // Windows of 20 ms, without the ends, where the sweep is switched.
    for (y, x) in out.chunks_exact(320).zip(expected.chunks_exact(320)).skip(3).take(193) {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let gain = dot(y, x) / dot(x, x);
        let stray = y.iter().zip(x).map(|(y, x)| (f64::from(*y) - gain * f64::from(*x)).powi(2)).sum::<f64>();
        ripple = ripple.max(decibels(gain).abs());
        rest = rest.max(0.5 * decibels(stray / dot(x, x)));
    }
    (ripple, rest)
}

#[test]
fn the_pass_band_is_flat_and_clean_to_nine_tenths_of_nyquist() {
    for from in RATES {
        let lower = f64::from(from.min(16_000)) / 2.0;
        let (ripple, rest) = pass_band(from, 0.9 * lower);
        println!("{from:6} Hz: ripple {ripple:.5} dB, the rest {rest:.1} dB");
        assert!(ripple <= 0.1, "{from} Hz: {ripple} dB");
        assert!(rest <= -90.0, "{from} Hz: {rest} dB");
    }
}

#[test]
fn nothing_above_nyquist_comes_back_as_an_alias() {
    for from in RATES.into_iter().filter(|&from| from > 16_000) {
        let input = faded(sweep(8000.0, f64::from(from) / 2.0, from), from);
        let out = converted(&input, from, 4096);
        let loudest =
            out.chunks(320).map(|w| w.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / w.len() as f64);
        // Relative to the mean square of the sweep, 1/8.
        let alias = 0.5 * decibels(loudest.fold(0.0, f64::max) / 0.125);
        println!("{from:6} Hz: aliases {alias:.1} dB");
        assert!(alias <= -90.0, "{from} Hz: {alias} dB");
    }
}

#[test]
fn nothing_below_nyquist_leaves_an_image_above() {
    for from in RATES.into_iter().filter(|&from| from < 16_000) {
        let nyquist = f64::from(from) / 2.0;
        let input = faded(sweep(20.0, nyquist, from), from);
        let out = converted(&input, from, 4096);
        // Output of a steep band-pass above the source's Nyquist frequency.
        let (low, high) = (nyquist / 16_000.0, 0.5);
        let taps: Vec<f64> = (-600..=600)
            .map(|n| {
                let x = f64::from(n);
                let taper = 0.42 + 0.5 * (TAU * x / 1200.0).cos() + 0.08 * (2.0 * TAU * x / 1200.0).cos();
                let ideal =
                    |edge: f64| if n == 0 { 2.0 * edge } else { (TAU * edge * x).sin() / (0.5 * TAU * x) };
                // The Blackman taper needs 3 / 600 of the rate to fall.
                (ideal(high) - ideal(low + 0.005)) * taper
            })
            .collect();
        let worst = (1200..out.len())
            .step_by(7)
            .map(|end| {
                out[end - 1200..=end.min(out.len() - 1)]
                    .iter()
                    .zip(&taps)
                    .map(|(x, h)| f64::from(*x) * h)
                    .sum::<f64>()
                    .abs()
            })
            .fold(0.0, f64::max);
        let image = decibels(worst / 0.5);
        println!("{from:6} Hz: images {image:.1} dB");
        assert!(image <= -90.0, "{from} Hz: {image} dB");
    }
}
