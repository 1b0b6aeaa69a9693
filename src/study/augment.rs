//! Alterations of sound as they happen on its way to the daemon: another speed, level and tone, a
//! small loudspeaker, noise.
//!
//! A head that is trained on such copies also recognises music that was altered like this. Filters
//! are second-order sections after Bristow-Johnson, "Cookbook formulae for audio equalizer biquad
//! filter coefficients".

use sha2::{Digest, Sha256};

use crate::audio::{Block, SampleRate};

/// Rates are rounded to this many hertz: those without a common factor resample slowly.
const RATE_STEP: f64 = 100.0;

/// Corners of a small loudspeaker, in hertz.
const SPEAKER: (f64, f64) = (250.0, 7000.0);

/// Alteration of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Alteration {
    /// Playing speed; pitch goes with it.
    speed: f64,
    /// Gain, in decibels.
    gain: f64,
    /// One band of an equaliser: centre in hertz, height in decibels, quality.
    band: Option<(f64, f64, f64)>,
    /// True if it is played through a small loudspeaker.
    speaker: bool,
    /// White noise, in decibels below the sound so far.
    noise: Option<f64>,
    /// Seed of the noise.
    seed: u64,
}

impl Alteration {
    /// The `copy`-th alteration of the track `id`: the same each time, and unlike any other.
    ///
    /// Speed ±6 %, gain −30 to +6 dB; with a chance of 0.7 a band of ±8 dB between 100 Hz and 6
    /// kHz, of 0.25 a small loudspeaker, of 0.5 noise 15 to 45 dB below.
    pub fn draw(id: &str, copy: usize, seed: u64) -> Self {
        let digest = Sha256::digest(format!("{seed} {copy} {id}"));
        let seed = digest.first_chunk::<8>().map_or(seed, |bytes| u64::from_le_bytes(*bytes));
        let mut random = fastrand::Rng::with_seed(seed);
        let mut between = |low: f64, high: f64| low + (high - low) * random.f64();
        Self {
            speed: between(0.94, 1.06),
            gain: between(-30.0, 6.0),
            band: (between(0.0, 1.0) < 0.7)
                .then(|| (100.0 * 60f64.powf(between(0.0, 1.0)), between(-8.0, 8.0), between(0.7, 2.0))),
            speaker: between(0.0, 1.0) < 0.25,
            noise: (between(0.0, 1.0) < 0.5).then(|| between(15.0, 45.0)),
            seed,
        }
    }

    /// Application of an alteration to the blocks of one recording, in order.
    pub fn start(&self) -> impl FnMut(&mut Block) {
        let alteration = self.clone();
        let mut random = fastrand::Rng::with_seed(self.seed);
        // One chain of filters per channel, created at the first block, which has the rate.
        let mut chains: Vec<Vec<Section>> = Vec::new();
        let (mut squares, mut count) = (0.0, 0.0);
        move |block| {
            let channels = usize::from(block.channels.max(1));
            let rate = f64::from(block.rate.hertz());
            if chains.len() != channels {
                chains = vec![alteration.chain(rate); channels];
            }
            let gain = 10f64.powf(alteration.gain / 20.0);
            for frame in block.interleaved.chunks_mut(channels) {
                for (sample, chain) in frame.iter_mut().zip(&mut chains) {
                    // A value that is not a number would stay in the filters.
                    let mut x = if sample.is_finite() { f64::from(*sample) } else { 0.0 };
                    for section in chain {
                        x = section.run(x);
                    }
                    squares += x * x;
                    count += 1.0;
                    if let Some(below) = alteration.noise {
                        let level = (squares / count).sqrt() * 10f64.powf(-below / 20.0);
                        // Uniform noise has the root mean square 1/√3.
                        x += 3f64.sqrt() * level * (2.0 * random.f64() - 1.0);
                    }
                    *sample = (gain * x) as f32;
                }
            }
            let played = ((rate * alteration.speed / RATE_STEP).round() * RATE_STEP) as u32;
            block.rate = SampleRate::new(played).unwrap_or(block.rate);
        }
    }

    fn chain(&self, rate: f64) -> Vec<Section> {
        let mut chain = Vec::new();
        if let Some((hertz, decibels, quality)) = self.band
            && hertz < 0.45 * rate
        {
            chain.push(Section::peak(rate, hertz, decibels, quality));
        }
        if self.speaker {
            chain.push(Section::pass(rate, SPEAKER.0, true));
            if SPEAKER.1 < 0.45 * rate {
                chain.push(Section::pass(rate, SPEAKER.1, false));
            }
        }
        chain
    }
}

/// A second-order section, transposed direct form II.
#[derive(Debug, Clone)]
struct Section {
    b: [f64; 3],
    a: [f64; 2],
    state: [f64; 2],
}

impl Section {
    fn new(b: [f64; 3], a: [f64; 3]) -> Self {
        Self { b: b.map(|b| b / a[0]), a: [a[1] / a[0], a[2] / a[0]], state: [0.0; 2] }
    }

    fn peak(rate: f64, hertz: f64, decibels: f64, quality: f64) -> Self {
        let amplitude = 10f64.powf(decibels / 40.0);
        let (alpha, cosine) = bend(rate, hertz, quality);
        Self::new(
            [1.0 + alpha * amplitude, -2.0 * cosine, 1.0 - alpha * amplitude],
            [1.0 + alpha / amplitude, -2.0 * cosine, 1.0 - alpha / amplitude],
        )
    }

    /// A Butterworth high-pass, or low-pass.
    fn pass(rate: f64, hertz: f64, high: bool) -> Self {
        let (alpha, cosine) = bend(rate, hertz, std::f64::consts::FRAC_1_SQRT_2);
        let (middle, sign) = if high { (1.0 + cosine, -1.0) } else { (1.0 - cosine, 1.0) };
        Self::new([middle / 2.0, sign * middle, middle / 2.0], [1.0 + alpha, -2.0 * cosine, 1.0 - alpha])
    }

    fn run(&mut self, x: f64) -> f64 {
        let y = self.b[0] * x + self.state[0];
        self.state = [self.b[1] * x - self.a[0] * y + self.state[1], self.b[2] * x - self.a[1] * y];
        y
    }
}

/// `alpha` and `cos ω` of the cookbook.
fn bend(rate: f64, hertz: f64, quality: f64) -> (f64, f64) {
    let omega = std::f64::consts::TAU * hertz / rate;
    (omega.sin() / (2.0 * quality), omega.cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Span;

    const PLAIN: Alteration =
        Alteration { speed: 1.0, gain: 0.0, band: None, speaker: false, noise: None, seed: 1 };

    /// Two channels, the second silent, in blocks of 1000 samples; returns what becomes of the
    /// first, and the rate.
    fn alter(alteration: &Alteration, sound: &[f32]) -> (Vec<f32>, u32) {
        let mut apply = alteration.start();
        let mut heard = Vec::new();
        let mut rate = 0;
        for piece in sound.chunks(1000) {
            let mut block = Block::with_capacity(SampleRate::HZ_48000, 2, 1000);
            block.interleaved.extend(piece.iter().flat_map(|sample| [*sample, 0.0]));
            block.span = Span { start: 0, end: piece.len() as u64 };
            apply(&mut block);
            rate = block.rate.hertz();
            heard.extend(block.interleaved.chunks(2).map(|frame| frame[0]));
        }
        (heard, rate)
    }

    fn sine(hertz: f64) -> Vec<f32> {
        (0..48_000)
            .map(|at| (0.1 * (std::f64::consts::TAU * hertz * f64::from(at) / 48_000.0).sin()) as f32)
            .collect()
    }

    /// Level of the second half, in decibels relative to the sine.
    fn decibels(sound: &[f32]) -> f64 {
        let half = &sound[sound.len() / 2..];
        let mean = half.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / half.len() as f64;
        10.0 * (mean / 0.005).log10()
    }

    fn gain_at(alteration: &Alteration, hertz: f64) -> f64 {
        decibels(&alter(alteration, &sine(hertz)).0)
    }

    #[test]
    fn nothing_changes_nothing() {
        let sound = sine(440.0);
        assert_eq!(alter(&PLAIN, &sound), (sound, 48_000));
    }

    /// By the definitions: the height at the centre and none far away; 3 dB at a corner, and 40 dB
    /// a decade below it.
    #[test]
    fn filters_have_the_gains_that_define_them() {
        let check = |alteration: &Alteration, hertz: f64, expected: f64, tolerance: f64| {
            let found = gain_at(alteration, hertz);
            assert!((found - expected).abs() < tolerance, "{found} dB at {hertz} Hz, not {expected}");
        };
        let band = Alteration { band: Some((1000.0, -6.0, 1.0)), ..PLAIN };
        check(&band, 1000.0, -6.0, 0.01);
        check(&band, 30.0, 0.0, 0.05);
        let speaker = Alteration { speaker: true, ..PLAIN };
        check(&speaker, 250.0, -3.01, 0.05);
        check(&speaker, 1300.0, 0.0, 0.05);
        check(&speaker, 7000.0, -3.01, 0.05);
        // Butterworth, second order: 10·log₁₀(1 + 10⁴) at a tenth of the corner.
        check(&speaker, 25.0, -40.0, 0.1);
    }

    #[test]
    fn speed_gain_and_noise_are_as_named() {
        let (_, rate) = alter(&Alteration { speed: 1.03, ..PLAIN }, &sine(440.0));
        assert_eq!(rate, 49_400); // 49,440, to the hundred
        assert!((gain_at(&Alteration { gain: -20.0, ..PLAIN }, 440.0) + 20.0).abs() < 0.01);
        let sound = sine(440.0);
        let (noisy, _) = alter(&Alteration { noise: Some(20.0), ..PLAIN }, &sound);
        let noise: Vec<f32> = noisy.iter().zip(&sound).map(|(a, b)| a - b).collect();
        // The silent channel counts: 3 dB less.
        assert!((decibels(&noise) + 23.0).abs() < 0.2, "{}", decibels(&noise));
        let mut broken = sound.clone();
        broken[5] = f32::NAN;
        assert!(alter(&Alteration { speaker: true, ..PLAIN }, &broken).0.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn each_copy_of_each_track_is_another_and_always_the_same() {
        let draw = |id: &str, copy: usize, seed: u64| Alteration::draw(id, copy, seed);
        assert_eq!(draw("a", 0, 1), draw("a", 0, 1));
        let others = [draw("b", 0, 1), draw("a", 1, 1), draw("a", 0, 2)];
        assert!(others.iter().all(|other| *other != draw("a", 0, 1)));
        let many: Vec<Alteration> = (0..1000).map(|copy| draw("a", copy, 1)).collect();
        assert!(many.iter().all(|one| (0.94..1.06).contains(&one.speed) && (-30.0..6.0).contains(&one.gain)));
        let speakers = many.iter().filter(|one| one.speaker).count();
        // 250 ± 4 deviations of 13.7.
        assert!((195..305).contains(&speakers), "{speakers}");
    }
}
