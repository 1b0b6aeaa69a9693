//! Reliability: a confidence of 0.8 should be right four times in five.

use serde::Serialize;

/// Bins of the calibration error.
pub const BINS: usize = 15;

/// Claims of about the same confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Mean confidence, 0–1.
    pub confidence: f64,
    /// Share that is right, 0–1.
    pub accuracy: f64,
    /// Number of claims.
    pub n: u64,
}

/// Claims, sorted by their confidence.
#[derive(Debug, Clone)]
pub struct Reliability(Vec<Claim>);

#[derive(Debug, Clone, Copy)]
struct Claim {
    confidence: f64,
    is_right: bool,
    observation: usize,
}

impl Reliability {
    /// From confidences, whether each is right, and the observation whose weight it has.
    pub fn new(claims: impl IntoIterator<Item = (f64, bool, usize)>) -> Self {
        let mut claims: Vec<Claim> = claims
            .into_iter()
            .map(|(confidence, is_right, observation)| Claim { confidence, is_right, observation })
            .collect();
        claims.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
        Self(claims)
    }

    /// At most `bins` bins of equal mass: of `n` claims in the order of their confidence, bin `b`
    /// holds those from `⌊b·n/bins⌋` to before `⌊(b+1)·n/bins⌋`, each claim as often as its weight
    /// says. Empty bins are left out.
    pub fn bins(&self, weights: &[u32], bins: usize) -> Vec<Bin> {
        let weight = |claim: &Claim| u64::from(weights[claim.observation]);
        let total: u64 = self.0.iter().map(weight).sum();
        let mut found = Vec::with_capacity(bins);
        let mut claims = self.0.iter().map(|claim| (claim, weight(claim)));
        let (mut next, mut at) = (claims.next(), 0);
        for bin in 1..=bins as u64 {
            let end = bin * total / bins as u64;
            let (mut confidence, mut right, begin) = (0.0, 0, at);
            while at < end
                && let Some((claim, left)) = &mut next
            {
                let take = (*left).min(end - at);
                confidence += claim.confidence * take as f64;
                right += take * u64::from(claim.is_right);
                (at, *left) = (at + take, *left - take);
                if *left == 0 {
                    next = claims.next();
                }
            }
            let n = at - begin;
            if n > 0 {
                found.push(Bin { confidence: confidence / n as f64, accuracy: right as f64 / n as f64, n });
            }
        }
        found
    }

    /// Expected calibration error: the mean over [`BINS`] bins of equal mass of |accuracy −
    /// confidence|, each bin by its size (Nguyen and O'Connor, EMNLP 2015; Nixon et al., *Measuring
    /// Calibration in Deep Learning*, 2019). 0 is perfect; few claims make it larger than it is,
    /// since each bin errs by chance.
    pub fn error(&self, weights: &[u32]) -> f64 {
        let bins = self.bins(weights, BINS);
        let total: u64 = bins.iter().map(|bin| bin.n).sum();
        bins.iter().map(|bin| (bin.accuracy - bin.confidence).abs() * bin.n as f64).sum::<f64>()
            / total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equal_masses_in_order_of_confidence() {
        // By hand: two bins of 0.1, 0.3 and 0.7, 0.9.
        let claims = [(0.9, true), (0.1, false), (0.7, false), (0.3, true)];
        let reliability =
            Reliability::new(claims.iter().enumerate().map(|(at, (p, right))| (*p, *right, at)));
        let bins = reliability.bins(&[1; 4], 2);
        let expected =
            [Bin { confidence: 0.2, accuracy: 0.5, n: 2 }, Bin { confidence: 0.8, accuracy: 0.5, n: 2 }];
        assert_eq!(bins.len(), 2);
        for (bin, expected) in bins.iter().zip(expected) {
            assert!((bin.confidence - expected.confidence).abs() < 1e-12, "{bin:?}");
            assert_eq!((bin.accuracy, bin.n), (expected.accuracy, expected.n));
        }
        // More bins than claims: one each.
        assert_eq!(reliability.bins(&[1; 4], 15).len(), 4);
        assert!((reliability.error(&[1; 4]) - (0.1 + 0.1 + 0.7 + 0.7) / 4.0).abs() < 1e-12);
    }

    /// A weight is as many copies, also where a claim lies across an edge.
    #[test]
    fn weights_are_copies() {
        let claims: Vec<(f64, bool)> = (0..40).map(|at| (f64::from(at) / 40.0, at % 3 == 0)).collect();
        let weights: Vec<u32> = (0..40).map(|at| at * 7 % 5).collect();
        let reliability =
            Reliability::new(claims.iter().enumerate().map(|(at, (p, right))| (*p, *right, at)));
        let copies: Vec<(f64, bool)> =
            claims.iter().zip(&weights).flat_map(|(claim, w)| vec![*claim; *w as usize]).collect();
        let copied = Reliability::new(copies.iter().enumerate().map(|(at, (p, right))| (*p, *right, at)));
        let ones = vec![1; copies.len()];
        assert!((reliability.error(&weights) - copied.error(&ones)).abs() < 1e-12);
        assert_eq!(reliability.bins(&weights, 4).len(), 4);
    }
}
