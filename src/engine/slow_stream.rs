//! Detection of streams that deliver audio slower than real time. Pure: times are passed in.
//!
//! The model is the playout buffer of a listener's player. Its level rises by the audio that
//! arrives and falls by the time spent waiting for it. The level of a healthy stream varies by its
//! bursts and its jitter; the level of a slow stream falls without end, until the player stutters.
//!
//! ```text
//! steady ──▶ slow     the level has fallen by 10 s
//! slow ──▶ steady     the level has not fallen for 30 s
//! ```
//!
//! Only time spent waiting for the source counts. A daemon that cannot keep up never waits, because
//! its input is already there, so its own slowness does not count.

use std::time::{Duration, Instant};

/// Fall of the level, in seconds, that makes a stream slow. Segments and bursts of up to 10 s,
/// which arrive four times faster than real time, move it by less.
const FALL: f64 = 10.0;

/// Slowness that is tolerated, as a share of real time: clocks differ, and live sources correct
/// theirs.
const TOLERANCE: f64 = 0.02;

/// Longest single wait that counts, in seconds. A longer one is an outage, which is reported as
/// such.
const LONGEST_WAIT: f64 = 4.0;

/// Time without a new minimum of the level after which a stream is steady again, in seconds.
const STEADY_AFTER: f64 = 30.0;

/// Depth of a new minimum, in seconds: less is jitter.
const DEPTH: f64 = 0.25;

/// A change of pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// The stream is slower than real time. `rate` is seconds of audio per second: 0.5 for a
    /// stream at half its rate.
    Slow {
        /// Seconds of audio per second.
        rate: f32,
    },
    /// The stream keeps up with real time again.
    Steady,
}

impl Pace {
    /// Seconds of audio per second of a slow stream.
    pub(crate) fn slow(self) -> Option<f32> {
        match self {
            Self::Slow { rate } => Some(rate),
            Self::Steady => None,
        }
    }

    /// Health reason of a stream at `rate`.
    pub(crate) fn reason(rate: f32) -> String {
        format!("audio arrives at {rate:.2} times real time")
    }
}

/// Pace of one connection to a source.
#[derive(Debug, Default)]
pub(super) struct PaceMonitor {
    /// Total waiting time at the last block.
    waited: Duration,
    /// Seconds waited that counted.
    time: f64,
    /// Level of the playout buffer in seconds, with the tolerance added.
    level: f64,
    /// Highest level while steady, lowest while slow.
    extreme: f64,
    /// `time` of the last new minimum.
    fell_at: f64,
    slow: bool,
    /// Audio so far, in seconds.
    audio: f64,
    /// Time at which the level began to fall, and `audio` then.
    peak: Option<(Instant, f64)>,
    /// `audio` at the last block, and when it was read.
    last: Option<(Instant, f64)>,
}

impl PaceMonitor {
    /// Records `seconds` of audio that were read at `now`; `waited` is the total time spent waiting
    /// for the source.
    pub(crate) fn on_audio(&mut self, now: Instant, seconds: f64, waited: Duration) -> Option<Pace> {
        self.audio += seconds;
        let before = self.last.replace((now, self.audio));
        let wait = waited.saturating_sub(self.waited).as_secs_f64().min(LONGEST_WAIT);
        // The wait before the first block is the connection.
        let wait = if self.audio > seconds { wait } else { 0.0 };
        self.waited = waited;
        self.time += wait;
        self.level += seconds - wait * (1.0 - TOLERANCE);
        if !self.slow {
            if self.level >= self.extreme {
                (self.extreme, self.peak) = (self.level, Some((now, self.audio)));
            }
            if self.extreme - self.level < FALL {
                return None;
            }
            (self.slow, self.extreme, self.fell_at) = (true, self.level, self.time);
            return Some(Pace::Slow { rate: rate(self.peak, before) });
        }
        if self.level < self.extreme - DEPTH {
            (self.extreme, self.fell_at) = (self.level, self.time);
        }
        if self.time - self.fell_at < STEADY_AFTER {
            return None;
        }
        (self.slow, self.extreme, self.peak) = (false, self.level, Some((now, self.audio)));
        Some(Pace::Steady)
    }

    /// Starts over, as with a new connection. Returns true if the stream was slow.
    pub(crate) fn reset(&mut self) -> bool {
        std::mem::take(self).slow
    }
}

/// Seconds of audio per second from the end of one burst to that of another.
fn rate(from: Option<(Instant, f64)>, to: Option<(Instant, f64)>) -> f32 {
    let (Some((begun, before)), Some((ended, after))) = (from, to) else { return 0.0 };
    let time = ended.saturating_duration_since(begun).as_secs_f64();
    if time > 0.0 { ((after - before) / time) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speed of decoding, in times real time.
    const DECODING: f64 = 400.0;

    /// A stream by the way it arrives.
    struct SimulatedStream {
        monitor: PaceMonitor,
        begun: Instant,
        /// Seconds since `begun`, and seconds waited.
        now: f64,
        waited: f64,
        /// Changes, with the second of each.
        changes: Vec<(f64, Pace)>,
    }

    impl SimulatedStream {
        fn new() -> Self {
            let monitor = PaceMonitor::default();
            Self { monitor, begun: Instant::now(), now: 0.0, waited: 0.0, changes: Vec::new() }
        }

        fn waits(&mut self, seconds: f64) {
            self.now += seconds;
            self.waited += seconds;
        }

        /// `seconds` of audio in blocks of 40 ms, as fast as they are decoded.
        fn arrives(&mut self, seconds: f64) {
            for _ in 0..(seconds / 0.04).round() as usize {
                self.now += 0.04 / DECODING;
                let now = self.begun + Duration::from_secs_f64(self.now);
                let change = self.monitor.on_audio(now, 0.04, Duration::from_secs_f64(self.waited));
                self.changes.extend(change.map(|change| (self.now, change)));
            }
        }

        /// Audio at `rate` of real time up to second `until`, `piece` seconds of it at once.
        fn runs(&mut self, rate: f64, piece: f64, until: f64) -> &mut Self {
            while self.now < until {
                self.waits(piece / rate - piece / DECODING);
                self.arrives(piece);
            }
            self
        }

        fn slow_at(&self) -> (f64, f32) {
            match self.changes[..] {
                [(at, Pace::Slow { rate })] => (at, rate),
                ref other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn half_and_a_tenth_of_real_time_are_slow_within_half_a_minute() {
        for (rate, piece) in [(0.5, 0.04), (0.5, 1.0), (0.1, 0.04), (0.1, 0.2), (0.25, 1.0), (0.7, 0.04)] {
            let mut stream = SimulatedStream::new();
            stream.runs(rate, piece, 60.0);
            let (at, measured) = stream.slow_at();
            assert!((10.0..40.0).contains(&at), "{rate} {piece}: at {at}");
            assert!(rate > 0.5 || at < 27.0, "{rate} {piece}: at {at}");
            assert!((f64::from(measured) - rate).abs() < 0.08, "{rate}: {measured}");
        }
        // After the burst of a server, too.
        let mut stream = SimulatedStream::new();
        stream.arrives(20.0);
        stream.runs(0.5, 0.24, 60.0);
        assert!((20.0..35.0).contains(&stream.slow_at().0));
        // A small deficit is detected in the end.
        assert!(SimulatedStream::new().runs(0.95, 0.24, 600.0).slow_at().0 > 60.0);
    }

    #[test]
    fn steady_streams_are_not_slow_however_they_arrive() {
        for rate in [0.995, 1.0, 1.005] {
            for piece in [0.04, 0.24, 1.0, 4.0, 6.0, 10.0] {
                let mut stream = SimulatedStream::new();
                stream.runs(rate, piece, 24.0 * 3600.0 / 4.0);
                assert_eq!(stream.changes, [], "{rate} {piece}");
            }
        }
        // Jitter, with occasional pauses that are made up for.
        let mut stream = SimulatedStream::new();
        let mut state = 1_u32;
        for _ in 0..5000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let pause = if state >> 28 == 0 { 3.0 } else { f64::from(state >> 24) / 256.0 };
            stream.waits(pause);
            stream.arrives(pause + 0.02);
        }
        assert_eq!(stream.changes, []);
    }

    #[test]
    fn an_outage_is_no_slowness() {
        let mut stream = SimulatedStream::new();
        stream.runs(1.0, 0.24, 60.0);
        stream.waits(40.0);
        stream.runs(1.0, 0.24, 200.0);
        stream.waits(40.0);
        stream.arrives(40.0);
        stream.runs(1.0, 0.24, 400.0);
        assert_eq!(stream.changes, []);
    }

    #[test]
    fn a_busy_machine_is_no_slow_stream() {
        // Reading takes twice as long as the audio lasts, and no time is spent waiting for it.
        let mut stream = SimulatedStream::new();
        for _ in 0..3000 {
            stream.now += 0.07;
            stream.arrives(0.04);
        }
        assert_eq!(stream.changes, []);
    }

    #[test]
    fn a_stream_that_keeps_up_again_is_steady_and_stays_so() {
        for piece in [0.04, 1.0, 2.0] {
            let mut stream = SimulatedStream::new();
            stream.runs(0.5, piece, 120.0).runs(1.0, piece, 600.0);
            let [(_, Pace::Slow { .. }), (at, Pace::Steady)] = stream.changes[..] else {
                panic!("{piece}: {:?}", stream.changes);
            };
            assert!((145.0..180.0).contains(&at), "{piece}: {at}");
        }
        // Slow for an hour: reported once.
        SimulatedStream::new().runs(0.9, 1.0, 3600.0).slow_at();
        assert!(!PaceMonitor::default().reset());
    }
}
