use std::sync::Arc;

use super::*;
use crate::learn::{Balance, Prior};
use crate::study::Track;

/// Numbers without any pattern, −1 to 1.
fn draw(index: usize) -> f64 {
    let wave = ((index + 1) as f64 * 12.9898).sin() * 43_758.545_3;
    2.0 * (wave - wave.floor()) - 1.0
}

/// `groups` groups of three tracks of four patches; `place` gives a patch's four features by its
/// group, track and number, and `label` a group's label.
fn material(
    groups: usize,
    label: impl Fn(usize) -> Vec<usize>,
    place: impl Fn(usize, usize, usize) -> [f64; 4],
) -> Material {
    let tracks: Vec<Track> = (0..groups * 3)
        .map(|track| Track {
            id: format!("track {track}").into(),
            labels: label(track / 3),
            group: track / 3,
            source: track % 2,
            weight: 1.0,
        })
        .collect();
    let track_of: Vec<usize> = (0..tracks.len() * 4).map(|row| row / 4).collect();
    let embeddings =
        Array2::from_shape_fn((track_of.len(), 4), |(row, at)| place(row / 12, row / 4, row)[at] as f32);
    let labels: Vec<Arc<str>> = vec!["one".into(), "other".into()];
    let has = |row: usize, label: usize| tracks[track_of[row]].labels.contains(&label);
    let targets =
        Array2::from_shape_fn((track_of.len(), 2), |(row, label)| f64::from(u8::from(has(row, label))));
    Material {
        labels,
        sources: vec!["even".into(), "odd".into()],
        groups: (0..groups).map(|group| group.to_string().into()).collect(),
        embeddings,
        targets,
        weights: vec![0.25; track_of.len()],
        learn_only: vec![false; track_of.len()],
        tracks,
        track_of,
        pcm_sha256: Vec::new(),
    }
}

fn options() -> TrainOptions {
    TrainOptions {
        labelling: Labelling::Single,
        folds: 5,
        seed: 1,
        balance: Balance::default(),
        label_noise: 0.0,
        hidden: None,
        prior_shift: 0.0,
        shifts: Vec::new(),
        l2: None,
        replay: None,
        limits: Vec::new(),
        prior: Prior::default(),
        jobs: 2,
    }
}

/// Share of patches whose true label is the best.
fn accuracy(material: &Material, trained: &Trained) -> f64 {
    let right = trained
        .held_out
        .rows()
        .into_iter()
        .zip(&material.track_of)
        .filter(|(row, track)| (row[1] > row[0]) == (material.tracks[**track].labels == [1]));
    right.count() as f64 / material.track_of.len() as f64
}

#[test]
fn what_can_be_told_apart_is_and_posteriors_are_probabilities() {
    let label = |group: usize| vec![group % 2];
    let apart = material(20, label, |group, _, row| {
        let side = if group % 2 == 0 { 1.0 } else { -1.0 };
        [side + 0.9 * draw(row), draw(row + 9_000), 100.0 + draw(row + 20_000), 7.0]
    });
    let trained = train(&apart, &options()).unwrap();
    assert!(accuracy(&apart, &trained) > 0.97, "{}", accuracy(&apart, &trained));
    assert!(trained.held_out.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-12));
    assert_eq!((trained.folds, trained.fold_strengths.len()), (5, 5));
    let predictions = trained.predictions(&apart, None);
    assert_eq!((predictions.tracks.len(), predictions.tracks[7].patches.len()), (60, 4));
    assert_eq!(predictions.tracks[7].truth, [0]);
    assert_eq!(predictions.tracks[7].patches[1].posteriors[0], trained.held_out[[29, 0]] as f32);
}

/// Features tell the group, and nothing of the label, which is drawn by group. With tracks of a
/// group on both sides of a split, nearly all answers would be right. Across groups there is
/// nothing to learn, and a calibrated head says so.
#[test]
fn nothing_leaks_from_a_group_to_its_own_answers() {
    let drawn = |group: usize| vec![usize::from(draw(group + 500) > 0.0)];
    let leaky = material(40, drawn, |group, _, row| {
        std::array::from_fn(|at| 10.0 * draw(group * 4 + at) + 0.1 * draw(row * 4 + at + 3_000))
    });
    let trained = train(&leaky, &options()).unwrap();
    let right = accuracy(&leaky, &trained);
    // 40 coins: 0.5 ± 2.6 deviations of 0.079.
    assert!((0.3..0.7).contains(&right), "{right}");
    let sure = trained.held_out.iter().filter(|posterior| **posterior > 0.8).count();
    assert!(sure < leaky.track_of.len() / 20, "{sure} of {}", leaky.track_of.len());
}

#[test]
fn threads_change_nothing_and_few_groups_mean_few_folds() {
    let label = |group: usize| vec![usize::from(group > 2)];
    let small = material(8, label, |group, _, row| {
        [draw(row), if group > 2 { 1.0 } else { 0.0 } + draw(row + 77), draw(row + 999), 0.0]
    });
    let answers = |jobs: usize| train(&small, &TrainOptions { jobs, ..options() }).unwrap();
    let (one, four) = (answers(1), answers(4));
    assert_eq!(one.folds, 3);
    assert_eq!(one.held_out, four.held_out);
    assert_eq!((one.temperature, one.strength), (four.temperature, four.strength));
    let lone = material(3, |group| vec![usize::from(group > 0)], |_, _, row| [draw(row); 4]);
    let error = train(&lone, &options()).unwrap_err();
    assert_eq!(error, TrainError::Folds(FoldError::Label { label: 0, groups: 1, folds: 2 }));
}

#[test]
fn long_tracks_are_thinned_without_losing_weight() {
    let track_of: Vec<usize> = std::iter::repeat_n(0, 25).chain([1, 1, 2]).collect();
    let weights: Vec<f64> = track_of.iter().map(|track| 1.0 + *track as f64).collect();
    let thin = thinning::thinned(&track_of, &[false; 28], &weights);
    assert_eq!(thin[..25].iter().filter(|weight| **weight > 0.0).count(), thinning::SEARCH_PATCHES);
    assert!((thin[..25].iter().sum::<f64>() - 25.0).abs() < 1e-12 && thin[0] > 0.0 && thin[22] > 0.0);
    assert_eq!(thin[25..], [2.0, 2.0, 3.0]);
    let learn_only: Vec<bool> = (0..28).map(|row| (12..25).contains(&row)).collect();
    let thin = thinning::thinned(&track_of, &learn_only, &weights);
    assert_eq!(thin[..12].iter().filter(|weight| **weight > 0.0).count(), thinning::SEARCH_PATCHES);
    assert!((thin[..12].iter().sum::<f64>() - 12.0).abs() < 1e-12);
}

/// Six tracks a genre, all answered right by far: still not quite sure.
#[test]
fn few_tracks_leave_doubt() {
    let few = material(
        4,
        |group| vec![group % 2],
        |group, _, row| [if group % 2 == 0 { 50.0 } else { -50.0 } + draw(row), 0.0, 0.0, 0.0],
    );
    let trained = train(&few, &options()).unwrap();
    assert_eq!(accuracy(&few, &trained), 1.0);
    // Twelve tracks: the rule of succession says 13 of 14.
    let logits = trained.fit.logits(few.embeddings.view()) / trained.temperature;
    for row in logits.rows() {
        let posterior = 1.0 / (1.0 + (-(row[0] - row[1]).abs()).exp());
        assert!((0.85..0.97).contains(&posterior), "{posterior}");
    }
}

/// The limited label is answered as the other about as often as allowed, on tracks that were not
/// seen.
#[test]
fn limits_hold_on_tracks_that_were_not_seen() {
    let label = |group: usize| vec![group % 2];
    let close = material(60, label, |group, _, row| {
        [if group % 2 == 0 { 0.4 } else { -0.4 } + draw(row), draw(row + 77), 0.0, 0.0]
    });
    let called_other = |limits: Vec<ConfusionLimit>| {
        let trained = train(&close, &TrainOptions { limits, ..options() }).unwrap();
        let rows = trained.held_out.rows().into_iter().zip(&close.track_of);
        let (mut all, mut other) = (0.0, 0.0);
        for (row, _) in rows.filter(|(_, track)| close.tracks[**track].labels == [0]) {
            all += 1.0;
            other += f64::from(u8::from(row[1] > row[0]));
        }
        other / all
    };
    let free = called_other(Vec::new());
    let limited = called_other(vec![ConfusionLimit { truth: 0, answer: 1, share: 0.05 }]);
    assert!(free > 0.15 && (0.01..0.1).contains(&limited), "{free} and {limited}");
}

/// Labels of unequal size, balanced in the fit: the shift brings back how common they are, in odds.
#[test]
fn the_prior_shift_brings_back_shares() {
    // Three quarters are of the first label, and nothing tells which.
    let uneven =
        material(40, |group| vec![usize::from(group % 4 == 3)], |_, _, row| [draw(row), 0.0, 0.0, 0.0]);
    let share = |prior_shift: f64| {
        let balance = Balance { labels: 1.0, groups: 0.0 };
        let trained = train(&uneven, &TrainOptions { balance, prior_shift, ..options() }).unwrap();
        let logits = trained.fit.logits(uneven.embeddings.view());
        logits.rows().into_iter().map(|row| row[0] - row[1]).sum::<f64>() / logits.nrows() as f64
    };
    // The first source has every second of 120 tracks, of which 50 and 10; each label counts five
    // more.
    let expected = (55.0_f64 / 15.0).ln();
    assert!(share(0.0).abs() < 0.1, "{}", share(0.0));
    assert!((share(1.0) - share(0.0) - expected).abs() < 0.1, "{} for {expected}", share(1.0));
}
