//! Folds for cross-validation that keep groups whole and give each fold its share of each label.

use std::collections::{BTreeMap, BTreeSet};

/// Reason for having no folds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Fewer than two folds: one is held out, the others are for training.
    #[error("{0} folds; at least 2 are needed")]
    TooFew(usize),
    /// A label whose items would all be held out together.
    #[error("label {label} is in {groups} groups, which cannot be spread over {folds} folds")]
    Label {
        /// The label.
        label: usize,
        /// Groups that have it.
        groups: usize,
        /// Folds wanted.
        folds: usize,
    },
}

/// Returns the fold, from 0 to `folds` − 1, of each item.
///
/// `labels[item]` are the labels of an item, from 0 to `count` − 1, and `groups[item]` is its
/// group. A group is never split. Groups are assigned greedily, the least balanced first, each to
/// the fold in which the shares of the labels then vary least, as by scikit-learn's
/// `StratifiedGroupKFold`. `seed` decides the order of equal groups and nothing else.
///
/// # Errors
/// There are fewer than two folds, or a label is in too few groups to be in every fold and outside
/// of it.
pub fn stratified_group_folds(
    labels: &[&[usize]],
    count: usize,
    groups: &[usize],
    folds: usize,
    seed: u64,
) -> Result<Vec<usize>, FoldError> {
    if folds < 2 {
        return Err(FoldError::TooFew(folds));
    }
    // Labels' counts, in each group.
    let mut sizes: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (labels, group) in labels.iter().zip(groups) {
        let size = sizes.entry(*group).or_insert_with(|| vec![0.0; count]);
        labels.iter().for_each(|label| size[*label] += 1.0);
    }
    let totals: Vec<f64> = (0..count).map(|label| sizes.values().map(|size| size[label]).sum()).collect();
    for label in 0..count {
        let groups = sizes.values().filter(|size| size[label] > 0.0).count();
        if groups < folds {
            return Err(FoldError::Label { label, groups, folds });
        }
    }
    let mut order: Vec<(usize, Vec<f64>)> = sizes.into_iter().collect();
    order.sort_by_cached_key(|(group, _)| mix(seed, *group as u64));
    order.sort_by(|(_, a), (_, b)| spread(b).total_cmp(&spread(a)));

    let mut filled = vec![vec![0.0; count]; folds];
    let mut fold_of = BTreeMap::new();
    for (group, size) in order {
        let mut best = (f64::INFINITY, f64::INFINITY, 0);
        for fold in 0..folds {
            add(&mut filled[fold], &size, 1.0);
            let mut variance = 0.0;
            for (label, total) in totals.iter().enumerate() {
                let shares = || filled.iter().map(|fold| fold[label] / total);
                let mean = shares().sum::<f64>() / folds as f64;
                variance += shares().map(|share| (share - mean).powi(2)).sum::<f64>();
            }
            let items: f64 = filled[fold].iter().sum();
            add(&mut filled[fold], &size, -1.0);
            // Rounding must not decide between equal folds; the emptier one is taken.
            let better = variance < best.0 - 1e-12 || (variance < best.0 + 1e-12 && items < best.1);
            if better {
                best = (variance, items, fold);
            }
        }
        add(&mut filled[best.2], &size, 1.0);
        fold_of.insert(group, best.2);
    }
    let found: Vec<usize> = groups.iter().map(|group| fold_of.get(group).copied().unwrap_or(0)).collect();
    // Groups of several labels can defeat the greedy assignment.
    for label in 0..count {
        let homes: BTreeSet<usize> = labels
            .iter()
            .zip(&found)
            .filter(|(labels, _)| labels.contains(&label))
            .map(|(_, fold)| *fold)
            .collect();
        if homes.len() < 2 {
            return Err(FoldError::Label { label, groups: homes.len(), folds });
        }
    }
    Ok(found)
}

fn add(to: &mut [f64], what: &[f64], factor: f64) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}

/// Unevenness of a group's items over the labels.
fn spread(size: &[f64]) -> f64 {
    let mean = size.iter().sum::<f64>() / size.len() as f64;
    size.iter().map(|count| (count - mean).powi(2)).sum()
}

/// SplitMix64 (Steele, Lea and Flood, 2014) of the seed and an index: a number without any pattern.
fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Items of one label each.
    fn deal(labels: &[usize], groups: &[usize], folds: usize, seed: u64) -> Result<Vec<usize>, FoldError> {
        let labels: Vec<[usize; 1]> = labels.iter().map(|label| [*label]).collect();
        let rows: Vec<&[usize]> = labels.iter().map(|label| &label[..]).collect();
        let count = labels.iter().flatten().max().map_or(0, |top| top + 1);
        stratified_group_folds(&rows, count, groups, folds, seed)
    }

    fn count(labels: &[usize], found: &[usize], label: usize, fold: usize) -> usize {
        labels.iter().zip(found).filter(|(l, f)| (**l, **f) == (label, fold)).count()
    }

    proptest! {
        /// With every item its own group, each fold gets its share of each label to within one
        /// item.
        #[test]
        fn single_items_are_stratified(
            sizes in proptest::collection::vec(5_usize..40, 2..6),
            folds in 2_usize..6,
            seed in any::<u64>(),
        ) {
            let labels: Vec<usize> =
                sizes.iter().enumerate().flat_map(|(label, size)| vec![label; *size]).collect();
            let groups: Vec<usize> = (0..labels.len()).collect();
            let found = deal(&labels, &groups, folds, seed).unwrap();
            for (label, size) in sizes.iter().enumerate() {
                for fold in 0..folds {
                    let there = count(&labels, &found, label, fold);
                    prop_assert!(there == size / folds || there == size.div_ceil(folds), "{there} of {size} in {folds}");
                }
            }
        }

        #[test]
        fn groups_stay_whole_and_every_label_is_left_to_learn_from(
            sizes in proptest::collection::vec((0_usize..3, 1_usize..9), 30..60),
            folds in 2_usize..5,
            seed in any::<u64>(),
        ) {
            let items = || sizes.iter().enumerate().flat_map(|(group, (label, size))| vec![(group, *label); *size]);
            let groups: Vec<usize> = items().map(|(group, _)| group).collect();
            let labels: Vec<usize> = items().map(|(_, label)| label).collect();
            let Ok(found) = deal(&labels, &groups, folds, seed) else { return Ok(()) };
            for (group, fold) in groups.iter().zip(&found) {
                prop_assert!(*fold < folds);
                prop_assert!(groups.iter().zip(&found).all(|(g, f)| g != group || f == fold));
            }
            for label in labels.iter().collect::<BTreeSet<_>>() {
                let total = labels.iter().filter(|l| *l == label).count();
                prop_assert!((0..folds).all(|fold| count(&labels, &found, *label, fold) < total));
            }
        }
    }

    #[test]
    fn the_seed_alone_decides() {
        let labels: Vec<usize> = (0..60).map(|item| item % 3).collect();
        let groups: Vec<usize> = (0..60).collect();
        let deal = |seed| deal(&labels, &groups, 5, seed).unwrap();
        assert_eq!(deal(1), deal(1));
        assert_ne!(deal(1), deal(2));
    }

    /// Groups of uneven size: by hand, the only balanced deal.
    #[test]
    fn large_groups_are_placed_first() {
        // One label, groups of 4, 3, 2, 2 and 1 items into two folds: 6 and 6.
        let groups: Vec<usize> =
            [(0, 4), (1, 3), (2, 2), (3, 2), (4, 1)].iter().flat_map(|(g, n)| vec![*g; *n]).collect();
        let labels: Vec<usize> = vec![0; groups.len()];
        let found = deal(&labels, &groups, 2, 7).unwrap();
        assert_eq!(count(&labels, &found, 0, 0), 6, "{found:?}");
    }

    #[test]
    fn items_of_several_labels_are_dealt_with() {
        let rows: Vec<&[usize]> =
            vec![&[0, 1], &[0], &[1], &[0, 1], &[0], &[1], &[0, 2], &[2], &[1, 2], &[2]];
        let found = stratified_group_folds(&rows, 3, &(0..10).collect::<Vec<_>>(), 2, 3).unwrap();
        for label in 0..3 {
            let there =
                rows.iter().zip(&found).filter(|(row, fold)| row.contains(&label) && **fold == 0).count();
            let total = rows.iter().filter(|row| row.contains(&label)).count();
            assert!(there >= total / 2 && there <= total.div_ceil(2), "label {label}: {there} of {total}");
        }
    }

    #[test]
    fn too_few_groups_are_refused() {
        assert_eq!(deal(&[0, 1], &[0, 1], 1, 0), Err(FoldError::TooFew(1)));
        let found = deal(&[0, 0, 0, 1, 1, 1], &[0, 0, 0, 1, 2, 3], 2, 0);
        assert_eq!(found, Err(FoldError::Label { label: 0, groups: 1, folds: 2 }));
    }
}
