//! EBU R128 short-term loudness at the source's own rate, before the downmix.

use super::DspError;
use super::k_weighting::KWeighting;
use super::resample::MIN_RATE;
use crate::audio::{Level, SampleRate};

/// The most channels that are measured.
pub(super) const MAX_CHANNELS: u16 = 64;

/// Tenths of a second in the short-term window of 3 s.
const WINDOW: usize = 30;

/// Tenths of a second that can be looked back to.
const HISTORY: usize = 64;

/// Short-term loudness, taken every tenth of a second by the count of samples.
///
/// The 3 s window is kept as 30 energies of 100 ms, which is the same mean at a thirtieth
/// of the cost; before 3 s have been heard, it is the mean over what there is, so that a
/// short file isn't measured as if silence came before it.
pub struct Loudness {
    filter: KWeighting,
    rate: u64,
    channels: usize,
    /// Samples (a channel) that were heard.
    heard: u64,
    /// Whole tenths of a second that were heard.
    tenths: u64,
    /// Mean squares of the last tenths, K-weighted, by tenth modulo its length.
    energies: [f64; WINDOW],
    /// Short-term loudness in LUFS at the end of the last tenths, by tenth modulo its length.
    history: [f32; HISTORY],
}

impl Loudness {
    /// A meter that has heard nothing.
    ///
    /// # Errors
    /// Without a channel, with more than 64, and below 4 kHz, where K-weighting has no filter.
    pub fn new(rate: SampleRate, channels: u16) -> Result<Self, DspError> {
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(DspError::Channels(channels));
        }
        if rate.hertz() < MIN_RATE {
            return Err(DspError::Rate(rate));
        }
        Ok(Self {
            filter: KWeighting::new(rate, usize::from(channels)),
            rate: u64::from(rate.hertz()),
            channels: usize::from(channels),
            heard: 0,
            tenths: 0,
            energies: [0.0; WINDOW],
            history: [Level::FLOOR; HISTORY],
        })
    }

    /// Hears `interleaved`: finite, and a whole number of samples a channel.
    pub fn push(&mut self, interleaved: &[f32]) {
        let mut rest = interleaved;
        while !rest.is_empty() {
            let edge = (self.tenths + 1) * self.rate / 10;
            let wanted = (edge - self.heard) as usize * self.channels;
            let (now, later) = rest.split_at(rest.len().min(wanted));
            self.filter.hear(now);
            self.heard += (now.len() / self.channels) as u64;
            rest = later;
            if self.heard == edge {
                self.close_tenth();
            }
        }
    }

    /// The level at sample `end`, counted from the first one: the short-term loudness at the
    /// last tenth of a second that was complete there. Of less than a tenth: of what there is.
    pub fn at(&self, end: u64) -> Level {
        // The largest k for which ⌊k · rate / 10⌋ ≤ end.
        let tenth = ((10 * (end + 1) - 1) / self.rate).min(self.tenths);
        if tenth > 0 {
            let oldest = self.tenths.saturating_sub(HISTORY as u64 - 1).max(1);
            return Level { lufs_s: self.history[tenth.max(oldest) as usize % HISTORY] };
        }
        Level {
            lufs_s: if self.heard > 0 {
                lufs(self.filter.energy() / self.heard as f64)
            } else {
                Level::FLOOR
            },
        }
    }

    /// Forgets what it heard.
    pub fn reset(&mut self) {
        self.filter.reset();
        (self.heard, self.tenths) = (0, 0);
        self.history = [Level::FLOOR; HISTORY];
    }

    fn close_tenth(&mut self) {
        let samples = self.heard - self.tenths * self.rate / 10;
        self.energies[self.tenths as usize % WINDOW] = self.filter.energy() / samples as f64;
        self.filter.settle();
        self.tenths += 1;
        let counted = WINDOW.min(self.tenths as usize);
        // Summed in the order of the slots, which depends on the tenth alone.
        let mean = self.energies[..counted].iter().sum::<f64>() / counted as f64;
        self.history[self.tenths as usize % HISTORY] = lufs(mean);
    }
}

/// The constant of ITU-R BS.1770: loudness is 10 log10(energy) − 0.691.
const OFFSET: f64 = 0.691;

/// Loudness of a K-weighted mean square, at least [`Level::FLOOR`] and never NaN.
fn lufs(energy: f64) -> f32 {
    // `max` prefers the number where the other side is NaN.
    ((10.0 * energy.log10() - OFFSET) as f32).max(Level::FLOOR)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use ebur128::{EbuR128, Mode};

    use super::*;

    fn rate(hertz: u32) -> SampleRate {
        SampleRate::new(hertz).unwrap()
    }

    /// A 997 Hz sine of peak `gain` on every channel.
    fn tone(hertz: u32, channels: u16, seconds: f64, gain: f64) -> Vec<f32> {
        let samples = (seconds * f64::from(hertz)) as usize;
        (0..samples)
            .flat_map(|n| {
                let x = gain * (TAU * 997.0 * n as f64 / f64::from(hertz)).sin();
                std::iter::repeat_n(x as f32, usize::from(channels))
            })
            .collect()
    }

    fn level(hertz: u32, channels: u16, signal: &[f32]) -> f32 {
        let mut meter = Loudness::new(rate(hertz), channels).unwrap();
        meter.push(signal);
        meter.at(u64::MAX / 100).lufs_s
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
        let expected = reference.loudness_shortterm().unwrap() as f32;
        let read = level(44_100, 2, &signal);
        assert!((read - expected).abs() < 0.01, "{read} {expected}");
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
                let mut meter = Loudness::new(rate(hertz), channels).unwrap();
                assert_eq!(meter.at(0).lufs_s, Level::FLOOR);
                meter.push(&vec![0.0; usize::from(channels) * 1000]);
                assert_eq!(meter.at(1000).lufs_s, Level::FLOOR);
            }
        }
        assert!(Loudness::new(rate(48_000), 65).is_err() && Loudness::new(rate(48_000), 0).is_err());
    }

    #[test]
    fn pieces_give_the_same_bits_as_the_whole() {
        let signal = tone(11_025, 3, 4.0, 0.2);
        let mut whole = Loudness::new(rate(11_025), 3).unwrap();
        whole.push(&signal);
        for piece in [3, 999, 30_000] {
            let mut meter = Loudness::new(rate(11_025), 3).unwrap();
            signal.chunks(piece).for_each(|piece| meter.push(piece));
            assert_eq!(meter.history, whole.history);
        }
    }
}
