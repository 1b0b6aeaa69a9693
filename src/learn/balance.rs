//! Weights of training rows: classes and groups of unequal size.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

/// Balancing exponents for the sizes of labels and groups: 0 leaves them as they are, 1 makes all
/// equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balance {
    /// Exponent for labels: a label of weight `n` in all weighs `n^(1 − labels)`.
    pub labels: f64,
    /// Exponent for groups within a label, applied first: a group of weight `n` weighs `n^(1 −
    /// groups)`.
    pub groups: f64,
}

impl Default for Balance {
    /// Square roots of both. A label with four times the tracks weighs twice as much.
    fn default() -> Self {
        Self { labels: 0.5, groups: 0.5 }
    }
}

/// Balanced weights of rows, with the number of rows as their sum.
///
/// `weights` are the rows' own; `targets` `[rows, labels]` are shares of labels, 0 to 1;
/// `groups[row]` is the row's group, any number. A row with several labels is a part of each, by
/// its shares, and gets the mean of their factors.
pub fn balanced_weights(
    weights: &[f64],
    targets: ArrayView2<'_, f64>,
    groups: &[usize],
    balance: Balance,
) -> Vec<f64> {
    // Rows without any label are a class of their own.
    let unlabelled = targets.ncols();
    let shares = |row: usize| -> Vec<(usize, f64)> {
        let sum: f64 = targets.row(row).sum();
        if sum <= 0.0 {
            return vec![(unlabelled, 1.0)];
        }
        let positive = targets.row(row).into_iter().enumerate().filter(|(_, share)| **share > 0.0);
        positive.map(|(label, share)| (label, share / sum)).collect()
    };
    let mut group_sizes: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for (row, (weight, group)) in weights.iter().zip(groups).enumerate() {
        for (label, share) in shares(row) {
            *group_sizes.entry((label, *group)).or_default() += weight * share;
        }
    }
    let mut label_sizes = vec![0.0; unlabelled + 1];
    for ((label, _), size) in &group_sizes {
        label_sizes[*label] += size.powf(1.0 - balance.groups);
    }
    let factor = |label: usize, group: usize| {
        let size = group_sizes.get(&(label, group)).copied().unwrap_or(1.0);
        size.powf(-balance.groups) * label_sizes[label].powf(-balance.labels)
    };
    let mut balanced: Vec<f64> = weights
        .iter()
        .zip(groups)
        .enumerate()
        .map(|(row, (weight, group))| match *weight > 0.0 {
            true => {
                weight * shares(row).iter().map(|(label, share)| share * factor(*label, *group)).sum::<f64>()
            }
            false => 0.0,
        })
        .collect();
    let total: f64 = balanced.iter().sum();
    balanced.iter_mut().for_each(|weight| *weight *= weights.len() as f64 / total);
    balanced
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn close(a: &[f64], b: &[f64]) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} and {b:?}");
    }

    /// Label 0: group 0 with three rows, group 1 with one; label 1: group 2 with two rows.
    fn rows() -> (Array2<f64>, [usize; 6]) {
        let label = [0, 0, 0, 0, 1, 1];
        let targets = Array2::from_shape_fn((6, 2), |(row, at)| f64::from(u8::from(label[row] == at)));
        (targets, [0, 0, 0, 1, 2, 2])
    }

    #[test]
    fn an_exponent_of_one_makes_labels_and_their_groups_equal() {
        let (targets, groups) = rows();
        let even = Balance { labels: 1.0, groups: 1.0 };
        close(&balanced_weights(&[1.0; 6], targets.view(), &groups, even), &[0.5, 0.5, 0.5, 1.5, 1.5, 1.5]);
        // Labels alone: four rows share what two share.
        let labels = Balance { labels: 1.0, groups: 0.0 };
        close(
            &balanced_weights(&[1.0; 6], targets.view(), &groups, labels),
            &[0.75, 0.75, 0.75, 0.75, 1.5, 1.5],
        );
    }

    #[test]
    fn an_exponent_of_nought_leaves_weights_and_a_half_takes_roots() {
        let (targets, groups) = rows();
        let none = Balance { labels: 0.0, groups: 0.0 };
        let weights = balanced_weights(&[1.0, 1.0, 2.0, 1.0, 0.5, 0.5], targets.view(), &groups, none);
        close(&weights, &[1.0, 1.0, 2.0, 1.0, 0.5, 0.5]);
        // By hand: groups of 4, 1 and 4 rows weigh 2, 1 and 2; labels of 3 and 2 then weigh √3 and
        // √2.
        let label = [0, 0, 0, 0, 0, 1, 1, 1, 1];
        let targets = Array2::from_shape_fn((9, 2), |(row, at)| f64::from(u8::from(label[row] == at)));
        let groups = [0, 0, 0, 0, 1, 2, 2, 2, 2];
        let weights = balanced_weights(&[1.0; 9], targets.view(), &groups, Balance::default());
        let sum = |rows: std::ops::Range<usize>| weights[rows].iter().sum::<f64>();
        assert!((sum(0..4) / weights[4] - 2.0).abs() < 1e-12, "{weights:?}");
        assert!((sum(0..5) / sum(5..9) - (3f64 / 2.0).sqrt()).abs() < 1e-12, "{weights:?}");
        assert!((sum(0..9) - 9.0).abs() < 1e-12);
    }

    #[test]
    fn several_labels_take_the_mean_of_their_factors_and_zero_stays_zero() {
        let even = Balance { labels: 1.0, groups: 0.0 };
        // Label 0 weighs 0.5 + 1, label 1 weighs 0.5: factors 2/3 and 2, of which the first row has
        // the mean.
        let targets = array![[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]];
        let weights = balanced_weights(&[1.0, 1.0, 0.0], targets.view(), &[0, 1, 2], even);
        close(&weights, &[2.0, 1.0, 0.0]);
    }
}
