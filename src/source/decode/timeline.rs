//! Sample count of a track, compared with the timestamps of its container.
//!
//! Time is the sample count. Timestamps only reveal missing packets, because they are coarse
//! (millisecond ticks), rounded, or absent (frames of one laced Matroska block share one, RFC 9559,
//! section 10.3). A deviation of half a packet or of a few ticks is rounding. It is never added to
//! the count, so that such errors do not add up.

use symphonia::core::units::Timestamp;

/// Number of consecutive packets with early timestamps after which the container's clock counts as
/// set back.
const SET_BACK_AFTER: u32 = 8;

/// Inverse of the share of a deviation that counts as drift of the container's clock.
const DRIFT_SHARE: i64 = 8;

/// Expected timestamps of a track's packets.
#[derive(Debug, Default)]
pub(super) struct SampleTimeline {
    /// Expected timestamp of the next packet, in samples.
    pub(super) due: Option<i64>,
    /// Samples by which timestamps lead the count although nothing is missing.
    drift: i64,
    /// Timestamp of the latest packet, in ticks.
    last: Option<Timestamp>,
    /// Number of consecutive packets with early timestamps.
    early: u32,
}

impl SampleTimeline {
    /// Number of samples missing before a packet with timestamp `stamp`, which is `at` in samples;
    /// `None` if it is contiguous.
    ///
    /// Deviations of up to `tolerance` samples are rounding. At most `limit` samples can be
    /// missing: a timestamp further ahead is damaged, and causes a gap without moving the track.
    pub(super) fn missing(&mut self, stamp: Timestamp, at: i64, tolerance: i64, limit: i64) -> Option<u64> {
        let repeated = self.last.replace(stamp) == Some(stamp);
        let Some(due) = self.due else {
            self.due = Some(at);
            return None;
        };
        if repeated {
            return None;
        }
        let off = at.saturating_sub(due).saturating_sub(self.drift);
        if off < -tolerance {
            self.early += 1;
            if self.early >= SET_BACK_AFTER {
                (self.early, self.drift) = (0, self.drift.saturating_add(off));
            }
            return None;
        }
        self.early = 0;
        if off <= tolerance {
            self.drift = self.drift.saturating_add(off / DRIFT_SHARE);
            return None;
        }
        if off > limit {
            self.drift = self.drift.saturating_add(off);
            return Some(0);
        }
        self.due = Some(due.saturating_add(off));
        u64::try_from(off).ok()
    }

    /// Counts the `samples` of a packet.
    pub(super) fn advance(&mut self, samples: u64) {
        self.due = self.due.map(|due| due.saturating_add_unsigned(samples));
    }

    /// Restarts at timestamp `at`, in samples of another rate.
    pub(super) fn restart(&mut self, at: i64) {
        (self.due, self.drift, self.early) = (Some(at), 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: i64 = 1 << 24;

    /// Samples missing before each packet of 1024 samples at 44.1 kHz, by timestamps in ticks of
    /// 1/`scale` s.
    fn missing(scale: i64, stamps: impl IntoIterator<Item = i64>) -> Vec<(usize, u64)> {
        let mut timeline = SampleTimeline::default();
        let tolerance = 512.max(2 * 44_100 / scale);
        let mut found = Vec::new();
        for (number, stamp) in stamps.into_iter().enumerate() {
            let at = stamp * 44_100 / scale;
            if let Some(samples) = timeline.missing(Timestamp::new(stamp), at, tolerance, LIMIT) {
                found.push((number, samples));
            }
            timeline.advance(1024);
        }
        found
    }

    /// Timestamp of packet `number`, rounded to ticks.
    fn rounded(scale: i64, number: i64) -> i64 {
        (number * 1024 * scale + 22_050) / 44_100
    }

    #[test]
    fn rounding_is_no_loss() {
        // One hour of AAC in ticks of a sample, a millisecond, and 1/600 s (QuickTime).
        for scale in [44_099, 1000, 600, 50] {
            assert_eq!(missing(scale, (0..155_000).map(|number| rounded(scale, number))), []);
        }
    }

    #[test]
    fn laced_frames_share_a_timestamp() {
        for laced in [2, 8, 16] {
            assert_eq!(missing(1000, (0..20_000).map(|number| rounded(1000, number / laced * laced))), []);
        }
    }

    #[test]
    fn a_clock_of_another_speed_is_no_loss() {
        // Every packet is stated as 23 ms, and as 24 ms, instead of 23.22 ms.
        assert_eq!(missing(1000, (0..50_000).map(|number| number * 23)), []);
        assert_eq!(missing(1000, (0..50_000).map(|number| number * 24)), []);
    }

    #[test]
    fn missing_packets_are_found() {
        let exact = |number| rounded(44_100, number);
        assert_eq!(missing(44_100, (0..100).chain(101..200).map(exact)), [(100, 1024)]);
        let lost = missing(1000, (0..100).chain(250..300).map(|number| rounded(1000, number)));
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].0, 100);
        assert!(lost[0].1.abs_diff(150 * 1024) <= 45, "{lost:?}");
        // A loss after a long drift is still found.
        let drifted = (0..5000).chain(5004..6000).map(|number| number * 23);
        assert_eq!(missing(1000, drifted).len(), 1);
    }

    #[test]
    fn damaged_timestamps_do_not_move_the_track() {
        let far = LIMIT + 1024 * 60;
        let stamps = (0..50).map(|number| number * 1024).chain((50..100).map(|number| number * 1024 + far));
        assert_eq!(missing(44_100, stamps), [(50, 0)]);
        // A clock that is set back, and a single early timestamp.
        let back = (0..50).chain(0..50).map(|number| number * 1024);
        assert_eq!(missing(44_100, back), []);
        let single = (0..50).map(|number| if number == 20 { 0 } else { number * 1024 });
        assert_eq!(missing(44_100, single), []);
    }
}
