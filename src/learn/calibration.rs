//! Temperature scaling: one number that makes the posteriors of held-out rows as likely as it can.
//!
//! Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks" (2017), section 4.2;
//! here also for sigmoids.

use ndarray::{Array2, ArrayView2, Zip};

use super::loss::{Labelling, loss_and_posteriors};

/// Range of a temperature. Beyond it the rows are all right, or the logits say nothing.
pub const TEMPERATURES: (f64, f64) = (0.05, 20.0);

/// Halvings of the logarithm of [`TEMPERATURES`]' ratio: to 1e-12 of it.
const HALVINGS: usize = 40;

/// Targets that `n` independent observations allow: where all were right, the next is so with (n +
/// 1) / (n + 2), not for certain.
///
/// Platt, "Probabilistic outputs for support vector machines" (1999), section 2.2. Without it few
/// tracks that are all answered right ask for a temperature of 0. `targets` is 0 or 1, `[rows,
/// units]`.
pub fn smooth_targets(labelling: Labelling, targets: ArrayView2<'_, f64>, n: usize) -> Array2<f64> {
    let doubt = 1.0 / (n as f64 + 2.0);
    let others = match labelling {
        Labelling::Single => doubt / (targets.ncols().max(2) - 1) as f64,
        Labelling::Multi => doubt,
    };
    targets.mapv(|target| target * (1.0 - doubt) + (1.0 - target) * others)
}

/// The temperature `T` for which the log loss of `logits / T` is least; `logits` and `targets` (0
/// to 1) are `[rows, units]`.
///
/// In `1 / T` the log loss is convex, so its slope grows, and its only zero is found by bisection
/// over `log T`. An answer at either end of [`TEMPERATURES`] says that the least loss lies beyond.
/// Rows of weight 0 say nothing; without rows `T` is 1.
pub fn fit_temperature(
    labelling: Labelling,
    logits: ArrayView2<'_, f64>,
    targets: ArrayView2<'_, f64>,
    weights: &[f64],
) -> f64 {
    // The slope of the loss by 1 / T.
    let slope = |temperature: f64| -> f64 {
        let mut sum = 0.0;
        let mut row = ndarray::Array1::zeros(logits.ncols());
        for ((logits, target), weight) in logits.rows().into_iter().zip(targets.rows()).zip(weights) {
            Zip::from(&mut row).and(&logits).for_each(|to, logit| *to = logit / temperature);
            loss_and_posteriors(labelling, &mut row.view_mut(), &target);
            let terms = row.iter().zip(target).zip(logits);
            sum +=
                weight * terms.map(|((posterior, target), logit)| (posterior - target) * logit).sum::<f64>();
        }
        sum
    };
    let (mut low, mut high) = (TEMPERATURES.0.ln(), TEMPERATURES.1.ln());
    // Slopes at the ends: negative where the logits should be larger still, which is a lower
    // temperature.
    match (slope(TEMPERATURES.0), slope(TEMPERATURES.1)) {
        (_, 0.0) => return 1.0,
        (coldest, _) if coldest <= 0.0 => return TEMPERATURES.0,
        (_, hottest) if hottest >= 0.0 => return TEMPERATURES.1,
        _ => {}
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if slope(middle.exp()) > 0.0 { low = middle } else { high = middle }
    }
    (0.5 * (low + high)).exp()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::learn::log_loss;

    /// Two labels, the same gap `g` of logits on each row, and a share `q` right: the posterior
    /// must be `q`, so `T = g / ln(q / (1 − q))`.
    #[test]
    fn two_labels_have_a_closed_form() {
        for (gap, right, rows) in [(4.0, 80, 100), (1.0, 95, 100), (2.5, 51, 100)] {
            let logits = Array2::from_shape_fn((rows, 2), |(_, unit)| if unit == 0 { gap } else { 0.0 });
            let targets =
                Array2::from_shape_fn((rows, 2), |(row, unit)| f64::from((row < right) == (unit == 0)));
            let q = right as f64 / rows as f64;
            let expected: f64 = gap / (q / (1.0 - q)).ln();
            let found = fit_temperature(Labelling::Single, logits.view(), targets.view(), &vec![1.0; rows]);
            let expected = expected.clamp(TEMPERATURES.0, TEMPERATURES.1);
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} for {expected}");
            // A sigmoid of the gap is the same question.
            let gaps = logits.slice(ndarray::s![.., ..1]);
            let hits = targets.slice(ndarray::s![.., ..1]);
            let found = fit_temperature(Labelling::Multi, gaps, hits, &vec![1.0; rows]);
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} for {expected}");
        }
    }

    /// Rows of pseudo-random logits, with the labels that a walk through fixed quantiles draws at
    /// the temperature 3.
    fn drawn() -> (Array2<f64>, Array2<f64>, Vec<f64>) {
        let rows = 400;
        let wave = |row: usize, unit: usize| 6.0 * ((row * 37 + unit * 101) as f64 * 0.618).sin();
        let logits = Array2::from_shape_fn((rows, 4), |(row, unit)| wave(row, unit));
        let mut targets = Array2::zeros((rows, 4));
        for row in 0..rows {
            let powers: Vec<f64> = (0..4).map(|unit| (wave(row, unit) / 3.0).exp()).collect();
            let mut left = (row as f64 * 0.754_877_666).fract() * powers.iter().sum::<f64>();
            let unit = powers
                .iter()
                .position(|power| {
                    left -= power;
                    left <= 0.0
                })
                .unwrap_or(3);
            targets[[row, unit]] = 1.0;
        }
        (logits, targets, (0..rows).map(|row| 1.0 + (row % 3) as f64).collect())
    }

    /// No temperature of a fine grid has a smaller loss, and it is about the one that the labels
    /// were drawn at.
    #[test]
    fn no_temperature_of_a_grid_is_better() {
        let (logits, targets, weights) = drawn();
        for labelling in [Labelling::Single, Labelling::Multi] {
            let found = fit_temperature(labelling, logits.view(), targets.view(), &weights);
            let loss = |t: f64| log_loss(labelling, (&logits / t).view(), targets.view(), &weights);
            let best = loss(found);
            for step in 0..2_000 {
                let t = TEMPERATURES.0 * (TEMPERATURES.1 / TEMPERATURES.0).powf(f64::from(step) / 1_999.0);
                assert!(loss(t) >= best - 1e-12, "{labelling:?}: {t} beats {found}");
            }
            if labelling == Labelling::Single {
                assert!((2.5..3.5).contains(&found), "{found}");
            }
        }
    }

    /// Three of three right, by however large a gap: the rule of succession says 4 in 5.
    #[test]
    fn few_rows_that_are_all_right_leave_doubt() {
        let targets = Array2::from_shape_fn((3, 2), |(_, unit)| f64::from(unit == 0));
        let smooth = smooth_targets(Labelling::Single, targets.view(), 3);
        assert_eq!(smooth.row(0).to_vec(), [0.8, 0.2]);
        let logits = Array2::from_shape_fn((3, 2), |(_, unit)| if unit == 0 { 7.0 } else { 0.0 });
        let found = fit_temperature(Labelling::Single, logits.view(), smooth.view(), &[1.0; 3]);
        assert!((1.0 / (1.0 + (-7.0 / found).exp()) - 0.8).abs() < 1e-9, "{found}");
        // The doubt is shared by the other labels, or each label's own.
        let four = Array2::from_shape_fn((1, 4), |(_, unit)| f64::from(unit == 0));
        assert!((smooth_targets(Labelling::Single, four.view(), 8).sum() - 1.0).abs() < 1e-12);
        assert_eq!(smooth_targets(Labelling::Multi, four.view(), 8).row(0).to_vec(), [0.9, 0.1, 0.1, 0.1]);
    }

    #[test]
    fn the_ends_and_nothing_at_all() {
        let right = array![[2.0, 0.0], [0.0, 2.0]];
        let targets = array![[1.0, 0.0], [0.0, 1.0]];
        let fit = |logits: &Array2<f64>, weights: &[f64]| {
            fit_temperature(Labelling::Single, logits.view(), targets.view(), weights)
        };
        assert_eq!(fit(&right, &[1.0, 1.0]), TEMPERATURES.0);
        assert_eq!(fit(&(-&right), &[1.0, 1.0]), TEMPERATURES.1);
        assert_eq!(fit(&Array2::zeros((2, 2)), &[1.0, 1.0]), 1.0);
        assert_eq!(fit(&right, &[0.0, 0.0]), 1.0);
    }
}
