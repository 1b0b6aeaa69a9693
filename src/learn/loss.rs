//! Log losses and posteriors of logits, for exclusive and for independent labels.

use ndarray::{Array1, ArrayView2};

/// Relation of labels: exclusive or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labelling {
    /// One label per row: softmax.
    Single,
    /// Any number of labels per row: one sigmoid each.
    Multi,
}

/// Weighted mean of the rows' losses, in nats: `logits` and `targets` are `[rows, units]`. Of
/// several sigmoids, their sum.
pub fn log_loss(
    labelling: Labelling,
    logits: ArrayView2<'_, f64>,
    targets: ArrayView2<'_, f64>,
    weights: &[f64],
) -> f64 {
    let mut rows = logits.to_owned();
    let (mut sum, mut total) = (0.0, 0.0);
    for ((mut row, target), weight) in rows.rows_mut().into_iter().zip(targets.rows()).zip(weights) {
        sum += weight * loss_and_posteriors(labelling, &mut row, &target);
        total += weight;
    }
    sum / total
}

/// Turns the logits of one row into posteriors.
pub fn posteriors(labelling: Labelling, row: &mut ndarray::ArrayViewMut1<'_, f64>) {
    let nothing = Array1::zeros(row.len());
    loss_and_posteriors(labelling, row, &nothing.view());
}

/// The loss of one row, whose logits become posteriors. Never overflows.
pub(super) fn loss_and_posteriors(
    labelling: Labelling,
    row: &mut ndarray::ArrayViewMut1<'_, f64>,
    target: &ndarray::ArrayView1<'_, f64>,
) -> f64 {
    match labelling {
        Labelling::Single => {
            let top = row.fold(f64::NEG_INFINITY, |top, logit| top.max(*logit));
            let hit: f64 = row.iter().zip(target).map(|(logit, target)| target * (logit - top)).sum();
            row.mapv_inplace(|logit| (logit - top).exp());
            let sum = row.sum();
            row.mapv_inplace(|power| power / sum);
            sum.ln() - hit
        }
        Labelling::Multi => {
            let mut loss = 0.0;
            for (logit, target) in row.iter_mut().zip(target) {
                let power = (-logit.abs()).exp();
                loss += power.ln_1p() + logit.max(0.0) - target * *logit;
                *logit = if *logit >= 0.0 { 1.0 / (1.0 + power) } else { power / (1.0 + power) };
            }
            loss
        }
    }
}
