//! Detector of audio that repeats bit by bit: a stuck buffer, or a player in a loop.
//!
//! A polynomial hash rolls over the last [`SPAN`] samples (Karp and Rabin, 1987). Small hashes are
//! stored with their position, so that repeated audio is found at any alignment. Repetitions at a
//! constant period are reported.

use crate::audio::SampleRate;

/// Number of samples covered by one hash.
const SPAN: usize = 2048;

/// One in this many hashes is stored: densely for a short time, to find short periods, and sparsely
/// for a long time.
const DENSE: u64 = 32;
const SPARSE: u64 = 1024;

/// Number of stored hashes of each kind: those of a third of a second and of 43 s at 48 kHz.
const DENSE_PLACES: usize = 512;
const SPARSE_PLACES: usize = 2048;

/// Longest and shortest accepted period, in seconds. Notes of synthesised music repeat faster.
const LONGEST: f64 = 10.0;
const SHORTEST: f64 = 0.01;

/// Longest interruption of a repetition in seconds, such as the joint of a decoded loop.
const GRACE: f64 = 0.5;

/// Odd number without a pattern (2^64 over the golden ratio).
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Detector state. All counts are samples of its single channel.
pub(super) struct RepetitionDetector {
    rate: SampleRate,
    /// `BASE` to the power of [`SPAN`], and the sum of all lower powers.
    leaving: u64,
    ones: u64,
    hash: u64,
    /// Bits of the last samples, by their number modulo [`SPAN`].
    samples: Box<[u32; SPAN]>,
    /// Number of the next sample.
    next: u64,
    dense: HashPlaces,
    sparse: HashPlaces,
    found: Option<HeldPeriod>,
}

/// Current period.
#[derive(Debug, Clone, Copy)]
struct HeldPeriod {
    period: u32,
    /// Positions of its first and latest repetition.
    since: u64,
    last: u64,
}

/// Latest positions of hashes: part of the hash and of the sample number, by another part of the
/// hash.
struct HashPlaces(Vec<(u32, u32)>);

impl HashPlaces {
    /// Stores that `hash` ends with sample `at`; returns the number of samples since its last
    /// occurrence, if known.
    fn store(&mut self, hash: u64, at: u64) -> Option<u32> {
        // Small hashes carry no information in their upper bits, and audio of few bits none in the
        // lower ones.
        let key = (hash ^ hash >> 29).wrapping_mul(BASE);
        let slot = (key >> 40) as usize % self.0.len();
        let (known, before) = std::mem::replace(&mut self.0[slot], (key as u32, at as u32));
        (known == key as u32).then(|| (at as u32).wrapping_sub(before))
    }
}

impl RepetitionDetector {
    /// Creates an empty detector.
    pub(super) fn new(rate: SampleRate) -> Self {
        let powers = |count| {
            (0..count).scan(1, |power: &mut u64, _| {
                let this = *power;
                *power = this.wrapping_mul(BASE);
                Some(this)
            })
        };
        Self {
            rate,
            leaving: powers(SPAN + 1).last().unwrap_or(1),
            ones: powers(SPAN).fold(0, u64::wrapping_add),
            hash: 0,
            samples: Box::new([0; SPAN]),
            next: 0,
            dense: HashPlaces(vec![(0, 0); DENSE_PLACES]),
            sparse: HashPlaces(vec![(0, 0); SPARSE_PLACES]),
            found: None,
        }
    }

    /// Seconds for which the audio has repeated itself, counted from the start of the first
    /// repetition; 0 if it does not.
    pub(super) fn seconds(&self) -> f32 {
        let grace = self.rate.samples(GRACE);
        let held = self.found.filter(|found| self.next - found.last <= grace);
        held.map_or(0.0, |found| self.rate.seconds(self.next - found.since) as f32)
    }

    /// Returns to the initial state.
    pub(super) fn reset(&mut self) {
        (self.hash, self.next, self.found) = (0, 0, None);
        self.samples.fill(0);
        self.dense.0.fill((0, 0));
        self.sparse.0.fill((0, 0));
    }

    /// Processes `samples` of one channel.
    pub(super) fn push(&mut self, samples: &[f32]) {
        let mut hash = self.hash;
        for sample in samples {
            let bits = sample.to_bits();
            let gone = std::mem::replace(&mut self.samples[self.next as usize % SPAN], bits);
            let in_and_out = u64::from(bits).wrapping_sub(u64::from(gone).wrapping_mul(self.leaving));
            hash = hash.wrapping_mul(BASE).wrapping_add(in_and_out);
            if hash < u64::MAX / DENSE {
                self.evaluate(hash, bits);
            }
            self.next += 1;
        }
        self.hash = hash;
    }

    /// Evaluates a small `hash` that ends with the newest sample, whose `bits` are given.
    fn evaluate(&mut self, hash: u64, bits: u32) {
        // Ignores short and constant signals: silence repeats itself too.
        if self.next < SPAN as u64 || hash == u64::from(bits).wrapping_mul(self.ones) {
            return;
        }
        let at = self.next;
        let mut period = self.dense.store(hash, at);
        if hash < u64::MAX / SPARSE {
            period = self.sparse.store(hash, at).or(period);
        }
        let range = self.rate.samples(SHORTEST)..=self.rate.samples(LONGEST);
        let Some(period) = period.filter(|period| range.contains(&u64::from(*period))) else { return };
        match &mut self.found {
            Some(found) if at - found.last <= self.rate.samples(GRACE) => {
                // Additional repetitions at another period do not end it.
                if found.period == period {
                    found.last = at;
                }
            }
            found => *found = Some(HeldPeriod { period, since: at, last: at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::samples::seeded_noise as noise;

    const RATE: SampleRate = SampleRate::HZ_16000;

    /// Seconds of repetition at the end of the concatenated `pieces`.
    fn repeated_s(pieces: &[&[f32]]) -> f32 {
        let mut repetition = RepetitionDetector::new(RATE);
        pieces.iter().for_each(|piece| repetition.push(piece));
        repetition.seconds()
    }

    #[test]
    fn a_loop_is_detected_by_its_first_repetition() {
        for period in [161, 799, 1000, 2047, 2048, 2049, 12_345, 48_000, 159_999] {
            let (before, looped) = (noise(16_000, 7), noise(period, period as u32));
            let mut pieces = vec![&before[..]];
            pieces.extend(vec![&looped[..]; 480_000 / period]);
            let length = (480_000 / period * period) as f32 / 16_000.0;
            let (seconds, expected) = (repeated_s(&pieces), length - period as f32 / 16_000.0);
            // The first repeated hash comes shortly after one span.
            assert!((expected - 0.4..=expected).contains(&seconds), "{period}: {seconds}, not {expected}");
        }
    }

    #[test]
    fn what_goes_on_ends_it_and_a_joint_does_not() {
        let (looped, joint, other) = (noise(20_000, 1), noise(3_000, 2), noise(9_000, 3));
        let mut pieces = vec![&looped[..]; 10];
        assert!(repeated_s(&pieces) > 11.0);
        // A different joint in each turn; all other audio repeats at a constant period.
        let joints: Vec<Vec<f32>> = (10..20).map(|seed| noise(3_000, seed)).collect();
        let with_joints: Vec<&[f32]> = joints.iter().flat_map(|joint| [&looped[..], &joint[..]]).collect();
        let seconds = repeated_s(&with_joints);
        assert!(seconds > 12.0, "{seconds}");
        pieces.push(&joint[..]);
        assert!(repeated_s(&pieces) > 11.0, "less than the grace");
        pieces.push(&other[..]);
        assert_eq!(repeated_s(&pieces), 0.0);
    }

    #[test]
    fn a_sound_that_comes_again_now_and_then_is_no_loop() {
        let (hit, mut sound) = (noise(4_000, 1), Vec::new());
        for seed in 0..20 {
            // The same sound after the same time, once in five seconds.
            sound.extend([&hit[..], &noise(12_000, 50 + seed), &hit, &noise(60_000, 100 + seed)].concat());
        }
        let mut repetition = RepetitionDetector::new(RATE);
        let longest = sound.chunks(1_000).map(|piece| {
            repetition.push(piece);
            repetition.seconds()
        });
        let longest = longest.fold(0.0, f32::max);
        assert!(longest < 1.0, "{longest}");
    }

    #[test]
    fn noise_silence_and_notes_do_not_repeat_themselves() {
        assert_eq!(repeated_s(&[&noise(800_000, 5)]), 0.0);
        assert_eq!(repeated_s(&[&[0.0; 160_000]]), 0.0);
        assert_eq!(repeated_s(&[&[0.5; 160_000]]), 0.0);
        let note: Vec<f32> = (0..160_000).map(|n| if n % 40 < 20 { 0.3 } else { -0.3 }).collect();
        assert_eq!(repeated_s(&[&note]), 0.0);
        // Words with digital silence between them.
        let words: Vec<Vec<f32>> = (20..40).map(|seed| noise(5_000, seed)).collect();
        let speech: Vec<&[f32]> = words.iter().flat_map(|word| [&word[..], &[0.0; 4_000][..]]).collect();
        assert_eq!(repeated_s(&speech), 0.0);
    }

    #[test]
    fn pieces_and_resets_change_nothing() {
        let looped = noise(9_999, 1);
        let sound = looped.repeat(20);
        let (mut whole, mut parts) = (RepetitionDetector::new(RATE), RepetitionDetector::new(RATE));
        parts.push(&noise(50_000, 9));
        parts.reset();
        whole.push(&sound);
        sound.chunks(777).for_each(|piece| parts.push(piece));
        assert!(whole.seconds() > 10.0);
        assert_eq!(whole.seconds().to_bits(), parts.seconds().to_bits());
    }
}
