//! Level at the source's own rate, before the downmix: EBU R128 loudness, balance, true peak,
//! repetition.

use super::error::DspError;
use super::k_weighting::KWeighting;
use super::limits::{MAX_CHANNELS, MIN_RATE};
use super::repetition::RepetitionDetector;
use super::true_peak::TruePeakMeter;
use crate::audio::{Level, SampleRate};

/// Tenths of a second in the short-term window of 3 s.
const WINDOW: usize = 30;

/// Tenths of a second in the momentary window of 0.4 s.
const MOMENT: usize = 4;

/// Tenths of a second kept in the history.
const HISTORY: usize = 64;

/// Maximum balance between two channels, in dB.
const MAX_BALANCE: f32 = 60.0;

/// Level meter, evaluated every tenth of a second by the count of samples.
///
/// The 3 s window is kept as 30 energies of 100 ms, which yields the same mean at a thirtieth of
/// the cost. Before 3 s have been received, the mean covers the available audio, so that a short
/// file is not measured as if silence preceded it.
pub struct Loudness {
    filter: KWeighting,
    repetition: RepetitionDetector,
    true_peak: Option<TruePeakMeter>,
    rate: u64,
    channels: usize,
    /// Number of samples received per channel.
    received: u64,
    /// Number of complete tenths of a second.
    tenths: u64,
    /// Last tenths, by tenth modulo its length.
    window: [Tenth; WINDOW],
    /// Level at the end of the last tenths, by tenth modulo its length.
    history: [Level; HISTORY],
}

/// Measurements of one tenth of a second.
#[derive(Debug, Clone, Copy, Default)]
struct Tenth {
    /// K-weighted mean square.
    energy: f64,
    /// K-weighted mean square of each of two channels.
    sides: [f64; 2],
    /// Largest interpolated magnitude.
    peak: f32,
}

impl Loudness {
    /// Creates an empty meter; `true_peak` also enables the true peak.
    ///
    /// # Errors
    /// No channel, more than 64 channels, or a rate below 4 kHz, where the K-weighting filter does
    /// not exist.
    pub fn new(rate: SampleRate, channels: u16, true_peak: bool) -> Result<Self, DspError> {
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(DspError::Channels(channels));
        }
        if rate.hertz() < MIN_RATE {
            return Err(DspError::Rate(rate));
        }
        Ok(Self {
            filter: KWeighting::new(rate, usize::from(channels)),
            repetition: RepetitionDetector::new(rate),
            true_peak: true_peak.then(|| TruePeakMeter::new(rate, channels)).transpose()?,
            rate: u64::from(rate.hertz()),
            channels: usize::from(channels),
            received: 0,
            tenths: 0,
            window: [Tenth::default(); WINDOW],
            history: [Level::default(); HISTORY],
        })
    }

    /// Processes `interleaved`, finite and a whole number of samples per channel; `mono` is its
    /// downmix.
    pub fn push(&mut self, interleaved: &[f32], mono: &[f32]) {
        let (mut rest, mut mono) = (interleaved, mono);
        while !rest.is_empty() {
            let edge = (self.tenths + 1) * self.rate / 10;
            let wanted = (edge - self.received) as usize;
            let count = wanted.min(rest.len() / self.channels).min(mono.len());
            if count == 0 {
                return;
            }
            let now;
            (now, rest) = rest.split_at(count * self.channels);
            self.filter.push(now);
            if let Some(meter) = &mut self.true_peak {
                meter.push(now);
            }
            let now;
            (now, mono) = mono.split_at(count);
            self.repetition.push(now);
            self.received += count as u64;
            if self.received == edge {
                self.close_tenth();
            }
        }
    }

    /// Level at sample `end`, counted from the first one: the level at the last tenth of a second
    /// that was complete there. Before the first tenth, the level of the available audio.
    pub fn at(&self, end: u64) -> Level {
        // Largest k for which ⌊k · rate / 10⌋ ≤ end.
        let tenth = ((10 * (end + 1) - 1) / self.rate).min(self.tenths);
        if tenth > 0 {
            let oldest = self.tenths.saturating_sub(HISTORY as u64 - 1).max(1);
            return self.history[tenth.max(oldest) as usize % HISTORY];
        }
        match self.received {
            0 => Level::default(),
            received => Level::of_loudness(lufs(self.filter.energy() / received as f64)),
        }
    }

    /// Returns to the initial state.
    pub fn reset(&mut self) {
        self.filter.reset();
        self.repetition.reset();
        if let Some(meter) = &mut self.true_peak {
            meter.reset();
        }
        (self.received, self.tenths) = (0, 0);
        self.history = [Level::default(); HISTORY];
    }

    fn close_tenth(&mut self) {
        let samples = (self.received - self.tenths * self.rate / 10) as f64;
        self.window[self.tenths as usize % WINDOW] = Tenth {
            energy: self.filter.energy() / samples,
            sides: self.filter.energies().unwrap_or_default().map(|energy| energy / samples),
            peak: self.true_peak.as_mut().map_or(0.0, TruePeakMeter::take),
        };
        self.filter.restart_sums();
        self.tenths += 1;
        let counted = &self.window[..WINDOW.min(self.tenths as usize)];
        // Summed in slot order, which depends on the tenth alone.
        let mean = |of: &dyn Fn(&Tenth) -> f64| counted.iter().map(of).sum::<f64>() / counted.len() as f64;
        let moment = MOMENT.min(counted.len());
        let last = (0..moment).map(|back| &self.window[(self.tenths as usize - 1 - back) % WINDOW]);
        let lufs_s = lufs(mean(&|tenth| tenth.energy));
        self.history[self.tenths as usize % HISTORY] = Level {
            lufs_s,
            lufs_m: lufs(last.map(|tenth| tenth.energy).sum::<f64>() / moment as f64),
            true_peak_db: self.true_peak.is_some().then(|| {
                let peak = counted.iter().map(|tenth| tenth.peak).fold(0.0, f32::max);
                (20.0 * peak.log10()).max(Level::PEAK_FLOOR)
            }),
            balance_db: (self.channels == 2 && lufs_s > Level::FLOOR)
                .then(|| balance(mean(&|tenth| tenth.sides[0]), mean(&|tenth| tenth.sides[1]))),
            repeated_s: self.repetition.seconds(),
            tone_s: 0.0,
        };
    }
}

/// Level of the first energy relative to the second, in dB.
fn balance(first: f64, second: f64) -> f32 {
    let ratio = (10.0 * (first / second).log10()) as f32;
    // 0 over 0 is NaN.
    if ratio.is_nan() { 0.0 } else { ratio.clamp(-MAX_BALANCE, MAX_BALANCE) }
}

/// Offset of ITU-R BS.1770: loudness is 10 log10(energy) − 0.691.
const OFFSET: f64 = 0.691;

/// Loudness of a K-weighted mean square, at least [`Level::FLOOR`] and never NaN.
fn lufs(energy: f64) -> f32 {
    // `max` returns the number if the other operand is NaN.
    ((10.0 * energy.log10() - OFFSET) as f32).max(Level::FLOOR)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use ebur128::{EbuR128, Mode};

    use super::*;
    use crate::dsp::downmix::downmix;

    fn rate(hertz: u32) -> SampleRate {
        SampleRate::new(hertz).unwrap()
    }

    /// 997 Hz sine of peak `gain` on every channel.
    fn tone(hertz: u32, channels: u16, seconds: f64, gain: f64) -> Vec<f32> {
        let samples = (seconds * f64::from(hertz)) as usize;
        (0..samples)
            .flat_map(|n| {
                let x = gain * (TAU * 997.0 * n as f64 / f64::from(hertz)).sin();
                std::iter::repeat_n(x as f32, usize::from(channels))
            })
            .collect()
    }

    /// Reading of a meter with true peak at the end of `signal`.
    fn reading(hertz: u32, channels: u16, signal: &[f32]) -> Level {
        let mut meter = Loudness::new(rate(hertz), channels, true).unwrap();
        push_all(&mut meter, channels, signal);
        meter.at(u64::MAX / 100)
    }

    fn push_all(meter: &mut Loudness, channels: u16, signal: &[f32]) {
        let mut mono = Vec::new();
        downmix(signal, channels.into(), &mut mono);
        meter.push(signal, &mono);
    }

    fn level(hertz: u32, channels: u16, signal: &[f32]) -> f32 {
        reading(hertz, channels, signal).lufs_s
    }

    #[test]
    fn a_reference_tone_reads_its_level() {
        // EBU Tech 3341, case 1: a stereo 1 kHz sine at −23 dBFS reads −23 LUFS ± 0.1.
        let gain = 10_f64.powf(-23.0 / 20.0);
        for hertz in [44_100, 48_000, 96_000, 192_000] {
            let read = level(hertz, 2, &tone(hertz, 2, 5.0, gain));
            assert!((read + 23.0).abs() < 0.1, "{hertz}: {read}");
        }
        // One channel carries half the energy, eight carry four times as much.
        let (mono, eight) =
            (level(48_000, 1, &tone(48_000, 1, 5.0, gain)), level(48_000, 8, &tone(48_000, 8, 5.0, gain)));
        assert!((mono + 26.01).abs() < 0.1 && (eight + 16.98).abs() < 0.1, "{mono} {eight}");
    }

    #[test]
    fn agrees_with_the_meters_own_short_term_value() {
        let mut signal = tone(44_100, 2, 4.0, 0.3);
        signal.extend(tone(44_100, 2, 3.35, 0.01));
        let mut reference = EbuR128::new(2, 44_100, Mode::S).unwrap();
        reference.add_frames_f32(&signal[..2 * 44_100 * 73 / 10]).unwrap();
        let expected = [reference.loudness_shortterm().unwrap(), reference.loudness_momentary().unwrap()];
        let read = reading(44_100, 2, &signal);
        for (read, expected) in [read.lufs_s, read.lufs_m].into_iter().zip(expected) {
            assert!((read - expected as f32).abs() < 0.01, "{read} {expected}");
        }
    }

    #[test]
    fn the_true_peak_lies_between_the_samples() {
        // EBU Tech 3341, case 17: a sine of a quarter of the rate, sampled at 45°, 135° …; its peak
        // is −6 dBTP.
        let signal: Vec<f32> = (0..96_000)
            .flat_map(|n| [(0.5 * (TAU * (f64::from(n) / 4.0 + 0.125)).sin()) as f32; 2])
            .collect();
        let peak = reading(48_000, 2, &signal).true_peak_db.unwrap();
        assert!((-6.4..=-5.8).contains(&peak), "{peak}");
        let highest = signal.iter().copied().fold(0.0, f32::max);
        assert!((20.0 * highest.log10() + 9.03).abs() < 0.01, "its samples are 3 dB below");
        // It covers the last 3 s, and is measured only if enabled.
        let faded = [signal, vec![0.0; 2 * 48_000 * 33 / 10]].concat();
        assert_eq!(reading(48_000, 2, &faded).true_peak_db, Some(Level::PEAK_FLOOR));
        let mut meter = Loudness::new(rate(48_000), 2, false).unwrap();
        push_all(&mut meter, 2, &faded);
        assert_eq!(meter.at(96_000).true_peak_db, None);
    }

    #[test]
    fn the_louder_channel_is_reported() {
        let of = |left: f64, right: f64| {
            let pairs = tone(48_000, 1, 4.0, 1.0);
            let signal: Vec<f32> = pairs.iter().flat_map(|x| [x * left as f32, x * right as f32]).collect();
            reading(48_000, 2, &signal).balance_db
        };
        assert!(of(0.1, 0.1).unwrap().abs() < 1e-6);
        assert!((of(0.1, 0.05).unwrap() - 6.02).abs() < 0.01 && (of(0.01, 0.1).unwrap() + 20.0).abs() < 0.01);
        assert_eq!((of(0.1, 0.0), of(0.0, 0.1), of(0.0, 0.0)), (Some(60.0), Some(-60.0), None));
        assert_eq!(reading(48_000, 1, &tone(48_000, 1, 4.0, 0.1)).balance_db, None);
    }

    #[test]
    fn a_short_sound_is_not_diluted() {
        let long = level(44_100, 2, &tone(44_100, 2, 5.0, 0.1));
        for seconds in [2.0, 0.35, 0.05] {
            let short = level(44_100, 2, &tone(44_100, 2, seconds, 0.1));
            assert!((short - long).abs() < 0.3, "{seconds} s: {short} {long}");
        }
    }

    #[test]
    fn silence_is_the_floor_at_every_rate_and_width() {
        for hertz in [4000, 8000, 11_025, 44_100, 192_000, 768_000] {
            for channels in [1, 2, 3, 5, 6, 8, 64] {
                let mut meter = Loudness::new(rate(hertz), channels, false).unwrap();
                assert_eq!(meter.at(0), Level::default());
                push_all(&mut meter, channels, &vec![0.0; usize::from(channels) * 1000]);
                assert_eq!(meter.at(1000), Level::default());
            }
        }
        assert!(
            Loudness::new(rate(48_000), 65, false).is_err() && Loudness::new(rate(48_000), 0, false).is_err()
        );
    }

    #[test]
    fn pieces_give_the_same_bits_as_the_whole() {
        let signal = tone(11_025, 2, 0.25, 0.2).repeat(20);
        let mut whole = Loudness::new(rate(11_025), 2, true).unwrap();
        push_all(&mut whole, 2, &signal);
        assert!(whole.at(u64::MAX / 100).repeated_s > 4.0);
        for piece in [2, 998, 30_000] {
            let mut meter = Loudness::new(rate(11_025), 2, true).unwrap();
            signal.chunks(piece).for_each(|piece| push_all(&mut meter, 2, piece));
            assert_eq!(meter.history, whole.history);
        }
    }
}
