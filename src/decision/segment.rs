//! Bayesian online change-point detection (Adams and MacKay, 2007) over the shares of patches.

use super::config::{DecisionConfig, DecisionConstants};
use super::shares::{Evidence, PatchShares};
use super::time::Seconds;

/// Shortest time between the starts of two hypotheses. With a short hop, more of them would evict
/// each other before they have evidence.
const MIN_START_INTERVAL: Seconds = Seconds(0.7);

/// Weight of a patch that is `elapsed` after the previous one.
pub(super) fn evidence_weight(patch: &PatchShares, elapsed: Seconds, noise_weight: f64) -> Seconds {
    elapsed * (1.0 - (1.0 - noise_weight) * patch.noise())
}

/// Hypothesis that the present segment began with the patch `first`.
#[derive(Debug, Clone)]
struct SegmentHypothesis {
    first: u64,
    age: Seconds,
    /// Posterior probability.
    weight: f64,
    evidence: Evidence,
}

/// Posterior over the latest change point. A segment is sound between two change points.
///
/// The labels of one piece of music alternate, so a segment is a mixture of states and not one
/// label. Any patch may begin a new segment; the hazard rate is that of pieces with the expected
/// length. A patch raises the probability of the hypotheses whose mixtures predict it. The shares
/// of the present segment are the mean of all mixtures, weighted by the probability of their
/// hypotheses.
#[derive(Debug)]
pub(super) struct SegmentFilter {
    expected_piece: Seconds,
    constants: DecisionConstants,
    hypotheses: Vec<SegmentHypothesis>,
    /// Length of the used part of `hypotheses`.
    count: usize,
    /// Time since the start of the newest hypothesis.
    since_start: Seconds,
    patches: u64,
    shares: Vec<f64>,
    fit: Option<f64>,
}

impl SegmentFilter {
    pub(super) fn new(labels: usize, config: &DecisionConfig) -> Self {
        let hypothesis =
            SegmentHypothesis { first: 0, age: Seconds::ZERO, weight: 0.0, evidence: Evidence::new(labels) };
        Self {
            expected_piece: Seconds(config.expected_piece_s),
            constants: config.constants,
            hypotheses: vec![hypothesis; config.constants.max_segments as usize + 1],
            count: 0,
            since_start: Seconds::ZERO,
            patches: 0,
            shares: vec![0.0; labels + 2],
            fit: None,
        }
    }

    /// Continues with another hazard rate.
    pub(super) fn configure(&mut self, config: &DecisionConfig) {
        self.expected_piece = Seconds(config.expected_piece_s);
    }

    /// Adds a patch that is `elapsed` after the previous one.
    pub(super) fn update(&mut self, patch: &PatchShares, elapsed: Seconds) {
        let DecisionConstants { prior_s, sharpness, noise_weight, memory_s, .. } = self.constants;
        let prior = Seconds(prior_s);
        self.fit = (self.count > 0).then(|| self.most_probable().evidence.predicts(patch, prior));
        self.since_start += elapsed;
        if self.count == 0 || self.since_start >= MIN_START_INTERVAL {
            self.start_hypothesis();
        }
        self.patches += 1;

        let weight = evidence_weight(patch, elapsed, noise_weight);
        let kept = (-weight.0 / memory_s).exp();
        let (posteriors, music) = patch.music();
        let mut total = 0.0;
        for hypothesis in &mut self.hypotheses[..self.count] {
            hypothesis.weight *= hypothesis.evidence.predicts(patch, prior).powf(sharpness * weight.0);
            total += hypothesis.weight;
            hypothesis.evidence.add(patch.states(), posteriors, music, weight, kept);
            hypothesis.age += elapsed;
        }
        for hypothesis in &mut self.hypotheses[..self.count] {
            hypothesis.weight /= total;
        }
        if self.count == self.hypotheses.len() {
            self.evict_least();
        }
        for (state, share) in self.shares.iter_mut().enumerate() {
            let of =
                |hypothesis: &SegmentHypothesis| hypothesis.weight * hypothesis.evidence.share(state, prior);
            *share = self.hypotheses[..self.count].iter().map(of).sum();
        }
    }

    /// Share of each state in the present segment. They sum to 1, or are all 0 before any patch.
    pub(super) fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Evidence since the most probable change point.
    pub(super) fn evidence(&self) -> &Evidence {
        &self.most_probable().evidence
    }

    /// Time since the most probable change point.
    pub(super) fn age(&self) -> Seconds {
        if self.count > 0 { self.most_probable().age } else { Seconds::ZERO }
    }

    /// Number of patches since the most probable change point.
    pub(super) fn length(&self) -> u64 {
        self.patches - if self.count > 0 { self.most_probable().first } else { self.patches }
    }

    /// Probability of the newest patch, 0–1, under the segment that was most probable before it.
    pub(super) fn fit(&self) -> Option<f64> {
        self.fit
    }

    /// Probability of a change point after the most probable one.
    pub(super) fn changing(&self) -> f64 {
        let first = self.most_probable().first;
        let newer = self.hypotheses[..self.count].iter().filter(|hypothesis| hypothesis.first > first);
        newer.map(|hypothesis| hypothesis.weight).sum()
    }

    pub(super) fn reset(&mut self) {
        self.count = 0;
        self.since_start = Seconds::ZERO;
        self.patches = 0;
        self.shares.fill(0.0);
        self.hypotheses[0].evidence.clear();
        self.fit = None;
    }

    /// Adds the hypothesis that a segment begins with the next patch.
    fn start_hypothesis(&mut self) {
        let hazard = 1.0 - (-self.since_start.0 / self.expected_piece.0).exp();
        for hypothesis in &mut self.hypotheses[..self.count] {
            hypothesis.weight *= 1.0 - hazard;
        }
        let newest = &mut self.hypotheses[self.count];
        newest.first = self.patches;
        newest.age = Seconds::ZERO;
        newest.weight = if self.count == 0 { 1.0 } else { hazard };
        newest.evidence.clear();
        self.count += 1;
        self.since_start = Seconds::ZERO;
    }

    fn most_probable(&self) -> &SegmentHypothesis {
        let mut best = &self.hypotheses[0];
        for hypothesis in &self.hypotheses[..self.count] {
            if hypothesis.weight > best.weight {
                best = hypothesis;
            }
        }
        best
    }

    /// Evicts the least probable hypothesis. The newest one is kept, because it is based on one
    /// patch only.
    fn evict_least(&mut self) {
        let older = self.count - 1;
        let weights = self.hypotheses[..older].iter().map(|hypothesis| hypothesis.weight);
        let least = weights.enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
        if let Some((least, _)) = least {
            self.hypotheses[least..self.count].rotate_left(1);
            self.count -= 1;
            let used = &mut self.hypotheses[..self.count];
            let total: f64 = used.iter().map(|hypothesis| hypothesis.weight).sum();
            used.iter_mut().for_each(|hypothesis| hypothesis.weight /= total);
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
        let mut shares = PatchShares::new(3);
        for patch in patches {
            assert!(shares.set(patch, None));
            filter.update(&shares, Seconds(1.0));
        }
    }

    #[test]
    fn a_change_point_is_found_at_its_patch() {
        let mut filter = filter();
        feed(&mut filter, &[A; 40]);
        assert_eq!((filter.age(), filter.length()), (Seconds(40.0), 40));
        feed(&mut filter, &[B; 5]);
        assert_eq!((filter.age(), filter.length()), (Seconds(5.0), 5));
        assert!(filter.shares()[1] > 0.5, "{:?}", filter.shares());
        assert!((filter.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_piece_with_alternating_labels_is_one_segment() {
        let (one, other) = ([0.7, 0.2, 0.1], [0.2, 0.7, 0.1]);
        let patches: Vec<[f32; 3]> = (0..200).map(|index| if index % 7 < 4 { one } else { other }).collect();
        let mut filter = filter();
        feed(&mut filter, &patches);
        assert_eq!(filter.length(), 200);
        // One patch of a third label fits worse, but does not end the segment.
        let fit = filter.fit().unwrap();
        feed(&mut filter, &[[0.02, 0.03, 0.95]]);
        assert!(filter.fit().unwrap() < 0.5 * fit);
        assert_eq!(filter.length(), 201);
        feed(&mut filter, &[[0.02, 0.03, 0.95]; 5]);
        assert_eq!(filter.length(), 6);
    }

    #[test]
    fn a_shorter_expected_piece_makes_change_points_more_probable() {
        let changing = |expected_piece_s: f64| {
            let config = DecisionConfig { expected_piece_s, ..DecisionConfig::default() };
            let mut filter = SegmentFilter::new(3, &config);
            feed(&mut filter, &[vec![A; 40], vec![B; 1]].concat());
            filter.changing()
        };
        assert!(changing(30.0) > 2.0 * changing(300.0), "{} {}", changing(30.0), changing(300.0));
    }

    #[test]
    fn the_weights_sum_to_one_after_evictions() {
        let mut filter = filter();
        for seed in 0..500_u32 {
            let p = (seed.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0;
            feed(&mut filter, &[[p, 1.0 - p, 0.0]]);
            let weights: f64 =
                filter.hypotheses[..filter.count].iter().map(|hypothesis| hypothesis.weight).sum();
            assert!(filter.count <= 24 && (weights - 1.0).abs() < 1e-9);
        }
        filter.reset();
        assert_eq!(
            (filter.age(), filter.length(), filter.evidence().share(0, Seconds::ZERO)),
            (Seconds::ZERO, 0, 0.0)
        );
    }
}
