//! Exponential smoothing in time.

/// An exponentially weighted mean of posteriors whose weights halve every `time_constant · ln 2` seconds of audio.
///
/// Corrected for its start, as Adam's moments are (Kingma and Ba 2015, section 3): the first
/// value counts fully, rather than being pulled towards zero.
#[derive(Debug)]
pub struct Smoother {
    time_constant: f64,
    last: Option<f64>,
    /// Decayed sum of weights and of weighted posteriors.
    weight: f64,
    sums: Vec<f64>,
    values: Vec<f32>,
    labels: usize,
}

impl Smoother {
    /// For `labels` posteriors; `time_constant` in seconds, 0 for none.
    pub fn new(labels: usize, time_constant: f64) -> Self {
        Self {
            time_constant,
            last: None,
            weight: 0.0,
            sums: vec![0.0; labels],
            values: Vec::with_capacity(labels),
            labels,
        }
    }

    /// The smoothed posteriors; empty before the first update.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Takes in the posteriors of a patch that ends at `time` seconds. One that holds a value which is not finite is passed over.
    pub fn update(&mut self, time: f64, posteriors: &[f32]) {
        if posteriors.len() != self.labels || posteriors.iter().any(|p| !p.is_finite()) {
            return;
        }
        let elapsed = self.last.map_or(0.0, |last| (time - last).max(0.0));
        let kept = if self.time_constant > 0.0 { (-elapsed / self.time_constant).exp() } else { 0.0 };
        self.last = Some(time);
        self.weight = self.weight * kept + 1.0;
        self.values.clear();
        for (sum, p) in self.sums.iter_mut().zip(posteriors) {
            *sum = *sum * kept + f64::from(*p);
            self.values.push((*sum / self.weight) as f32);
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.last = None;
        self.weight = 0.0;
        self.sums.fill(0.0);
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_decays_as_the_closed_form_says() {
        let (tau, hop) = (5.0, 0.5);
        let mut smoother = Smoother::new(1, tau);
        smoother.update(0.0, &[1.0]);
        assert_eq!(smoother.values(), [1.0]);
        for n in 1..=40 {
            smoother.update(f64::from(n) * hop, &[0.0]);
            // Weights q^0 … q^n, of which only the oldest saw a one: q^n (1 − q) / (1 − q^(n+1)).
            let q: f64 = (-hop / tau).exp();
            let expected = q.powi(n) * (1.0 - q) / (1.0 - q.powi(n + 1));
            assert!((f64::from(smoother.values()[0]) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_long_gap_leaves_only_the_newest() {
        let mut smoother = Smoother::new(1, 5.0);
        smoother.update(0.0, &[1.0]);
        smoother.update(1000.0, &[0.25]);
        assert!((smoother.values()[0] - 0.25).abs() < 1e-6);
    }

    #[test]
    fn no_time_constant_means_no_smoothing() {
        let mut smoother = Smoother::new(1, 0.0);
        smoother.update(0.0, &[1.0]);
        smoother.update(1.0, &[0.5]);
        assert_eq!(smoother.values(), [0.5]);
    }
}
