//! Bayesian online change-point detection (Adams and MacKay, 2007) over the shares of patches.

use super::config::{Constants, DecisionConfig};
use super::shares::{Evidence, Shares};

/// Seconds of evidence that a patch which stands for `seconds` is.
pub(super) fn weighted(patch: &Shares, seconds: f64, noise_weight: f64) -> f64 {
    seconds * (1.0 - (1.0 - noise_weight) * patch.noise())
}

/// One hypothesis: the present segment began with patch `first`.
#[derive(Debug, Clone)]
struct Segment {
    first: u64,
    age_s: f64,
    /// Posterior probability of the hypothesis.
    weight: f64,
    evidence: Evidence,
}

/// Posterior over the beginning of the present segment, a stretch of sound that is one mixture of
/// states throughout.
///
/// A piece of music goes back and forth between labels, so a segment is described by its mixture
/// and not by one label. Each patch may begin a new segment, with the probability that a piece of
/// the expected length ends just there. A patch makes those hypotheses more probable whose mixture
/// predicts it. What is known of the present sound is the mean of their mixtures.
#[derive(Debug)]
pub(super) struct SegmentFilter {
    expected_piece_s: f64,
    constants: Constants,
    segments: Vec<Segment>,
    /// Those of `segments` that are in use.
    count: usize,
    /// Patches so far.
    patches: u64,
    /// Share of each state in the present sound.
    shares: Vec<f64>,
    /// Probability of the newest patch under the likeliest segment of before.
    fit: Option<f64>,
}

impl SegmentFilter {
    /// A filter that has seen nothing yet.
    pub fn new(labels: usize, config: &DecisionConfig) -> Self {
        let segment = Segment { first: 0, age_s: 0.0, weight: 0.0, evidence: Evidence::new(labels) };
        Self {
            expected_piece_s: config.expected_piece_s,
            constants: config.constants,
            segments: vec![segment; config.constants.max_segments as usize + 1],
            count: 0,
            patches: 0,
            shares: vec![0.0; labels + 2],
            fit: None,
        }
    }

    /// Continues with another expected length.
    pub fn configure(&mut self, config: &DecisionConfig) {
        self.expected_piece_s = config.expected_piece_s;
    }

    /// Takes in a patch that stands for `seconds`.
    pub fn update(&mut self, patch: &Shares, seconds: f64) {
        let Constants { prior_s, sharpness, noise_weight, memory_s, .. } = self.constants;
        let hazard = 1.0 - (-seconds / self.expected_piece_s).exp();
        self.fit = (self.count > 0).then(|| self.likeliest().evidence.predicts(patch, prior_s));
        for segment in &mut self.segments[..self.count] {
            segment.weight *= 1.0 - hazard;
        }
        let newborn = &mut self.segments[self.count];
        newborn.first = self.patches;
        newborn.age_s = 0.0;
        newborn.weight = if self.count == 0 { 1.0 } else { hazard };
        newborn.evidence.clear();
        self.count += 1;
        self.patches += 1;

        let evidence_s = weighted(patch, seconds, noise_weight);
        let kept = (-evidence_s / memory_s).exp();
        let (posteriors, music) = patch.music();
        let mut total = 0.0;
        for segment in &mut self.segments[..self.count] {
            segment.weight *= segment.evidence.predicts(patch, prior_s).powf(sharpness * evidence_s);
            total += segment.weight;
            segment.evidence.add(patch.states(), posteriors, music, evidence_s, kept);
            segment.age_s += seconds;
        }
        for segment in &mut self.segments[..self.count] {
            segment.weight /= total;
        }
        if self.count == self.segments.len() {
            self.drop_least();
        }
        for (state, share) in self.shares.iter_mut().enumerate() {
            let of = |segment: &Segment| segment.weight * segment.evidence.share(state, prior_s);
            *share = self.segments[..self.count].iter().map(of).sum();
        }
    }

    /// Share of each state in the present sound, 0–1; they sum to 1, or are all 0 before any patch.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Evidence of the likeliest segment.
    pub fn evidence(&self) -> &Evidence {
        &self.likeliest().evidence
    }

    /// Seconds since the likeliest segment began.
    pub fn age_s(&self) -> f64 {
        if self.count > 0 { self.likeliest().age_s } else { 0.0 }
    }

    /// Number of patches since the likeliest segment began.
    pub fn length(&self) -> u64 {
        self.patches - if self.count > 0 { self.likeliest().first } else { self.patches }
    }

    /// Probability of the newest patch, 0–1, under the segment that was likeliest before it.
    pub fn fit(&self) -> Option<f64> {
        self.fit
    }

    /// Probability that a segment began later than the likeliest one.
    pub fn changing(&self) -> f64 {
        let first = self.likeliest().first;
        let newer = self.segments[..self.count].iter().filter(|segment| segment.first > first);
        newer.map(|segment| segment.weight).sum()
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.count = 0;
        self.patches = 0;
        self.shares.fill(0.0);
        self.segments[0].evidence.clear();
        self.fit = None;
    }

    fn likeliest(&self) -> &Segment {
        let mut best = &self.segments[0];
        for segment in &self.segments[..self.count] {
            if segment.weight > best.weight {
                best = segment;
            }
        }
        best
    }

    /// Drops the least probable hypothesis but the newest, which has had one patch to prove itself.
    fn drop_least(&mut self) {
        let older = self.count - 1;
        let weights = self.segments[..older].iter().map(|segment| segment.weight);
        let least = weights.enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
        if let Some((least, _)) = least {
            self.segments[least..self.count].rotate_left(1);
            self.count -= 1;
            let total: f64 = self.segments[..self.count].iter().map(|segment| segment.weight).sum();
            self.segments[..self.count].iter_mut().for_each(|segment| segment.weight /= total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f32; 3] = [0.9, 0.05, 0.05];
    const B: [f32; 3] = [0.05, 0.9, 0.05];

    fn filter() -> SegmentFilter {
        SegmentFilter::new(3, &DecisionConfig::default())
    }

    fn feed(filter: &mut SegmentFilter, patches: &[[f32; 3]]) {
        let mut shares = Shares::new(3);
        for patch in patches {
            assert!(shares.set(patch, None));
            filter.update(&shares, 1.0);
        }
    }

    #[test]
    fn a_change_is_found_where_it_was() {
        let mut filter = filter();
        feed(&mut filter, &[A; 40]);
        assert_eq!((filter.age_s(), filter.length()), (40.0, 40));
        feed(&mut filter, &[B; 5]);
        assert_eq!((filter.age_s(), filter.length()), (5.0, 5));
        assert!(filter.shares()[1] > 0.5, "{:?}", filter.shares());
        assert!((filter.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_piece_that_alternates_is_one_segment() {
        let (one, other) = ([0.7, 0.2, 0.1], [0.2, 0.7, 0.1]);
        let patches: Vec<[f32; 3]> = (0..200).map(|index| if index % 7 < 4 { one } else { other }).collect();
        let mut filter = filter();
        feed(&mut filter, &patches);
        assert_eq!(filter.length(), 200);
        // A patch of neither is a worse fit, and does not end it alone.
        let fit = filter.fit().unwrap();
        feed(&mut filter, &[[0.02, 0.03, 0.95]]);
        assert!(filter.fit().unwrap() < 0.5 * fit);
        assert_eq!(filter.length(), 201);
        feed(&mut filter, &[[0.02, 0.03, 0.95]; 5]);
        assert_eq!(filter.length(), 6);
    }

    #[test]
    fn shorter_pieces_are_left_sooner() {
        let changing = |expected_piece_s: f64| {
            let config = DecisionConfig { expected_piece_s, ..DecisionConfig::default() };
            let mut filter = SegmentFilter::new(3, &config);
            feed(&mut filter, &[vec![A; 40], vec![B; 1]].concat());
            filter.changing()
        };
        assert!(changing(30.0) > 2.0 * changing(300.0), "{} {}", changing(30.0), changing(300.0));
    }

    #[test]
    fn what_is_dropped_leaves_a_distribution() {
        let mut filter = filter();
        for seed in 0..500_u32 {
            let p = (seed.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0;
            feed(&mut filter, &[[p, 1.0 - p, 0.0]]);
            let weights: f64 = filter.segments[..filter.count].iter().map(|segment| segment.weight).sum();
            assert!(filter.count <= 24 && (weights - 1.0).abs() < 1e-9);
        }
        filter.reset();
        assert_eq!((filter.age_s(), filter.length(), filter.evidence().share(0, 0.0)), (0.0, 0, 0.0));
    }
}
