//! Operating points: limits on the rate at which one label is answered as another.

use ndarray::ArrayView2;

/// Returns the offset of the logit of `answer` at which that logit is the largest in rows of the
/// weight share `share`. `logits` are `[rows, units]`, of rows whose true label is another. Without
/// rows the offset is 0.
pub fn bias_for_share(logits: ArrayView2<'_, f64>, weights: &[f64], answer: usize, share: f64) -> f64 {
    // Lead of the best other label of each row.
    let mut leads: Vec<(f64, f64)> = logits
        .rows()
        .into_iter()
        .zip(weights)
        .map(|(row, weight)| {
            let others = row.iter().enumerate().filter(|(unit, _)| *unit != answer);
            let best = others.fold(f64::NEG_INFINITY, |best, (_, logit)| best.max(*logit));
            (best - row[answer], *weight)
        })
        .collect();
    leads.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let wanted = share * leads.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut sum = 0.0;
    for (lead, weight) in &leads {
        sum += weight;
        // This row would exceed the share: the offset stays just below its lead.
        if sum > wanted {
            return *lead - 1e-9 * (1.0 + lead.abs());
        }
    }
    leads.last().map_or(0.0, |(lead, _)| *lead)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn the_bias_lets_that_share_pass() {
        let wave = |row: usize, unit: usize| ((row * 37 + unit * 101) as f64 * 0.618).sin() * 3.0;
        let logits = Array2::from_shape_fn((1_000, 3), |(row, unit)| wave(row, unit));
        let weights: Vec<f64> = (0..1_000).map(|row| 1.0 + (row % 3) as f64).collect();
        let total: f64 = weights.iter().sum();
        for share in [0.0, 0.004, 0.25, 0.9] {
            let bias = bias_for_share(logits.view(), &weights, 1, share);
            let passes = |row: usize| {
                let answer = logits[[row, 1]] + bias;
                answer > logits[[row, 0]] && answer > logits[[row, 2]]
            };
            let passed: f64 = (0..1_000).filter(|row| passes(*row)).map(|row| weights[row]).sum();
            // At most the share, and within one row of it.
            assert!(passed <= share * total && passed > share * total - 3.0 - 1e-9, "{share}: {passed}");
        }
        assert_eq!(bias_for_share(Array2::zeros((0, 3)).view(), &[], 1, 0.1), 0.0);
    }
}
