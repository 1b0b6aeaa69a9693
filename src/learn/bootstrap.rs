//! Intervals of figures, by the bootstrap.

use serde::Serialize;

/// Figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Figure over all observations.
    pub value: f64,
    /// Lower end; `None` with fewer than two clusters, which leave nothing to resample.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// The percentile bootstrap over clusters.
///
/// Whole clusters are drawn with replacement, as many as there are: patches of one recording are
/// alike, and drawing them one by one would make the interval far too narrow (Efron and Tibshirani,
/// *An Introduction to the Bootstrap*, 1993, chapter 13; Field and Welsh, *Bootstrapping clustered
/// data*, JRSS B 69, 2007). For a paired comparison, measure the difference of both under the same
/// weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bootstrap {
    /// Share of resamples within the interval, 0–1.
    pub coverage: f64,
    /// Number of draws.
    pub resamples: usize,
    /// Seed of the random numbers: the same seed gives the same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { coverage: 0.95, resamples: 1000, seed: 1 }
    }
}

impl Bootstrap {
    /// Intervals of the figures that `measure` returns, always as many.
    ///
    /// `clusters` holds the cluster of each observation, 0 to their number − 1; `measure` is given
    /// how often each observation counts. Resamples in which a figure is not a number do not count
    /// for it.
    pub fn intervals(
        &self,
        clusters: &[usize],
        mut measure: impl FnMut(&[u32]) -> Vec<f64>,
    ) -> Vec<Interval> {
        let mut weights = vec![1; clusters.len()];
        let values = measure(&weights);
        let count = clusters.iter().max().map_or(0, |last| last + 1);
        if count < 2 {
            return values.into_iter().map(|value| Interval { value, low: None, high: None }).collect();
        }
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut drawn = vec![Vec::with_capacity(self.resamples); values.len()];
        let mut times = vec![0u32; count];
        for _ in 0..self.resamples {
            times.fill(0);
            (0..count).for_each(|_| times[random.usize(..count)] += 1);
            weights.iter_mut().zip(clusters).for_each(|(weight, cluster)| *weight = times[*cluster]);
            for (drawn, value) in drawn.iter_mut().zip(measure(&weights)) {
                drawn.extend(Some(value).filter(|value| value.is_finite()));
            }
        }
        let tail = (1.0 - self.coverage) / 2.0;
        values
            .into_iter()
            .zip(&mut drawn)
            .map(|(value, drawn)| {
                drawn.sort_by(f64::total_cmp);
                Interval { value, low: quantile(drawn, tail), high: quantile(drawn, 1.0 - tail) }
            })
            .collect()
    }
}

/// The quantile `q` (0–1) of sorted values, interpolated linearly as `numpy.quantile` does.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q * (sorted.len().checked_sub(1)?) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted_mean(values: &[f64], weights: &[u32]) -> f64 {
        let total: u32 = weights.iter().sum();
        values.iter().zip(weights).map(|(value, weight)| value * f64::from(*weight)).sum::<f64>()
            / f64::from(total)
    }

    /// Oracle: the standard error of a mean is σ/√n, and 95 % lie within 1.96 of them.
    #[test]
    fn the_interval_of_a_mean_is_that_of_the_normal_law() {
        let mut random = fastrand::Rng::with_seed(7);
        let values: Vec<f64> = (0..400).map(|_| f64::from(u8::from(random.f64() < 0.8))).collect();
        let clusters: Vec<usize> = (0..400).collect();
        let bootstrap = Bootstrap { resamples: 4000, ..Bootstrap::default() };
        let found = bootstrap.intervals(&clusters, |weights| vec![weighted_mean(&values, weights)])[0];
        let error = 1.96 * (found.value * (1.0 - found.value) / 400.0).sqrt();
        assert!((found.low.unwrap() - (found.value - error)).abs() < 0.004, "{found:?}");
        assert!((found.high.unwrap() - (found.value + error)).abs() < 0.004, "{found:?}");
    }

    /// Twenty-five copies of each of sixteen values hold no more information than the sixteen.
    #[test]
    fn clusters_are_drawn_whole() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index / 25 % 2)).collect();
        let clusters: Vec<usize> = (0..400).map(|index| index / 25).collect();
        let width = |clusters: &[usize]| {
            let found = Bootstrap::default().intervals(clusters, |w| vec![weighted_mean(&values, w)])[0];
            found.high.unwrap() - found.low.unwrap()
        };
        let alone: Vec<usize> = (0..400).collect();
        // σ/√16 against σ/√400.
        assert!((width(&clusters) / width(&alone) - 5.0).abs() < 0.6);
    }

    #[test]
    fn a_paired_difference_of_equals_is_exactly_nothing() {
        let values: Vec<f64> = (0..50).map(|index| f64::from(index % 3)).collect();
        let clusters: Vec<usize> = (0..50).collect();
        let found = Bootstrap::default()
            .intervals(&clusters, |w| vec![weighted_mean(&values, w) - weighted_mean(&values, w)]);
        assert_eq!(found, [Interval { value: 0.0, low: Some(0.0), high: Some(0.0) }]);
    }

    #[test]
    fn seeds_decide_and_one_cluster_gives_no_interval() {
        let values: Vec<f64> = (0..30).map(|index| f64::from(index * index)).collect();
        let clusters: Vec<usize> = (0..30).collect();
        let with = |seed| {
            Bootstrap { seed, ..Bootstrap::default() }
                .intervals(&clusters, |w| vec![weighted_mean(&values, w)])
        };
        assert_eq!(with(3), with(3));
        assert_ne!(with(3), with(4));
        let one = Bootstrap::default().intervals(&[0; 30], |w| vec![weighted_mean(&values, w), f64::NAN]);
        assert_eq!((one[0].low, one[0].high, one.len()), (None, None, 2));
    }

    /// `numpy.quantile([1, 2, 4, 8], [0, .1, .5, 1])` is `[1, 1.3, 3, 8]`.
    #[test]
    fn quantiles_are_numpys() {
        for (q, expected) in [(0.0, 1.0), (0.1, 1.3), (0.5, 3.0), (1.0, 8.0)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], q).unwrap() - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
    }
}
