use ndarray::{ArrayView1, array};
use proptest::prelude::*;

use super::*;
use crate::learn::{Network, PriorMean};

/// Rows without any pattern, two labels or three.
fn sample(labelling: Labelling, rows: usize, units: usize, seed: usize, with_prior: bool) -> Sample {
    let wave = |i: usize| ((i + seed * 7_919) as f64 * 12.9898).sin() * 43_758.545;
    let draw = |i: usize| wave(i) - wave(i).floor();
    let features = Array2::from_shape_fn((rows, 4), |(row, at)| {
        (draw(row * 4 + at) * [1.0, 10.0, 0.1, 1.0][at] + f64::from(u8::from(row % units == at))) as f32
    });
    let targets = Array2::from_shape_fn((rows, units), |(row, unit)| {
        let stray = labelling == Labelling::Multi && draw(9_000 + row * units + unit) < 0.2;
        f64::from(u8::from(row % units == unit || stray))
    });
    let weights: Vec<f64> = (0..rows).map(|row| 0.5 + draw(20_000 + row)).collect();
    let prior = match with_prior {
        true => prior(units, &|at| 2.0 * draw(30_000 + at) - 1.0),
        false => Prior::default(),
    };
    Sample::with_prior(labelling, features.view(), targets.view(), &weights, &prior).unwrap()
}

/// Two known logits of four features, and a mean for all units but the last.
fn prior(units: usize, draw: &dyn Fn(usize) -> f64) -> Prior {
    let linear = |units: usize, from: usize| Linear {
        weight: Array2::from_shape_fn((units, 4), |(unit, at)| draw(from + unit * 4 + at)),
        bias: Array1::from_shape_fn(units, |unit| draw(from + 100 + unit)),
    };
    let mut logits = linear(units, 0);
    logits.weight.row_mut(units - 1).fill(0.0);
    logits.bias[units - 1] = 0.0;
    let is_known = (0..units).map(|unit| unit + 1 < units).collect();
    let scale = Array2::from_shape_fn((4, 4), |(row, at)| {
        draw(2_000 + row * 4 + at) + f64::from(u8::from(row == at))
    });
    Prior {
        scale: Some(scale),
        directions: Some(linear(2, 1_000)),
        mean: Some(PriorMean { logits: logits.into(), is_known }),
    }
}

const STRONG: Strength = Strength { l2: 0.1, directions: 3.0, mean: 0.7, unknown: 0.3, bias: 0.5 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Central differences, on points around the origin.
    #[test]
    fn the_gradient_is_the_slope_of_the_value(
        multi in any::<bool>(),
        seed in 0_usize..1_000,
        theta in proptest::collection::vec(-2.0_f64..2.0, 21),
    ) {
        let labelling = if multi { Labelling::Multi } else { Labelling::Single };
        let sample = sample(labelling, 30, 3, seed, true);
        let mut scratch = Array2::zeros((30, 3));
        let mut gradient = vec![0.0; 21];
        sample.objective(&sample.penalty(&STRONG), &theta, &mut gradient, &mut scratch);
        for at in 0..21 {
            let mut there = |step: f64| {
                let mut theta = theta.clone();
                theta[at] += step;
                sample.objective(&sample.penalty(&STRONG), &theta, &mut [0.0; 21], &mut scratch)
            };
            let slope = (there(1e-5) - there(-1e-5)) / 2e-5;
            prop_assert!((slope - gradient[at]).abs() < 1e-8, "{at}: {slope} and {}", gradient[at]);
        }
    }

    /// The gradient vanishes, wherever the search begins; the function is convex, so this is the
    /// minimum.
    #[test]
    fn the_minimum_is_reached_from_anywhere(
        multi in any::<bool>(),
        seed in 0_usize..1_000,
        exponent in -4.0_f64..0.0,
    ) {
        let labelling = if multi { Labelling::Multi } else { Labelling::Single };
        let sample = sample(labelling, 40, 3, seed, false);
        // Near the minimum values that differ by less than their rounding cannot be told apart:
        // below some 1e-8, the search may come to rest.
        let stop = StopCriterion { gradient: 1e-7, steps: 5_000 };
        let l2 = 10f64.powf(exponent);
        let cold = sample.fit(Strength::plain(l2), None, stop).unwrap();
        let other = sample.fit(Strength::plain(10.0), None, stop).unwrap();
        let warm = sample.fit(Strength::plain(l2), Some(&other), stop).unwrap();
        for fit in [&cold, &warm] {
            let theta: Vec<f64> = fit.weight.iter().chain(&fit.bias).copied().collect();
            let mut gradient = vec![0.0; theta.len()];
            let penalty = sample.penalty(&Strength::plain(l2));
            sample.objective(&penalty, &theta, &mut gradient, &mut Array2::zeros((40, 3)));
            prop_assert!(gradient.iter().all(|g| g.abs() <= 1e-7), "{gradient:?}");
        }
        // Strong convexity bounds the distance: both are within √15 · 1e-7 / l2 of the minimum.
        let apart = (&cold.weight - &warm.weight).mapv(f64::abs).iter().copied().fold(0.0, f64::max);
        prop_assert!(apart <= 2.0 * 15f64.sqrt() * 1e-7 / l2, "{apart}");
    }
}

#[test]
fn folded_weights_give_the_same_logits() {
    let features = array![[1.0_f32, 200.0, 7.0], [2.0, 100.0, 7.0], [4.0, 150.0, 7.0], [3.0, 120.0, 7.0]];
    let targets = array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
    let sample = Sample::new(Labelling::Single, features.view(), targets.view(), &[1.0; 4]).unwrap();
    let fit = sample.fit(Strength::plain(0.01), None, StopCriterion::default()).unwrap();
    let Linear { weight, bias } = fit.folded().output;
    let logits = fit.standardised_logits(features.view());
    for (row, logits) in features.rows().into_iter().zip(logits.rows()) {
        let by_hand = weight.dot(&row.mapv(f64::from)) + &bias;
        assert!((&by_hand - &logits).iter().all(|d| d.abs() < 1e-12), "{by_hand} and {logits}");
    }
    // The last feature never changes: it says nothing.
    assert!(weight.column(2).iter().all(|w| *w == 0.0), "{weight}");
}

/// A row of twice the weight is a row that is there twice.
#[test]
fn weights_count_rows() {
    let features = array![[1.0_f32], [2.0], [2.5], [0.5], [2.5]];
    let targets = array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]];
    let fit = |rows: usize, weights: &[f64]| {
        let (features, targets) =
            (features.slice(ndarray::s![..rows, ..]), targets.slice(ndarray::s![..rows, ..]));
        Sample::new(Labelling::Single, features, targets, weights)
            .unwrap()
            .fit(Strength::plain(0.1), None, StopCriterion::default())
            .unwrap()
            .folded()
            .output
    };
    let (twice, once) = (fit(5, &[1.0; 5]), fit(4, &[1.0, 1.0, 2.0, 1.0]));
    let apart = (&twice.weight - &once.weight, &twice.bias - &once.bias);
    assert!(apart.0.iter().chain(&apart.1).all(|d: &f64| d.abs() < 1e-5), "{apart:?}");
}

#[test]
fn losses_and_posteriors_do_not_overflow() {
    let target = [1.0, 0.0];
    let target = ArrayView1::from(&target);
    let mut row = array![-1e6, 1e6];
    assert_eq!(loss_and_posteriors(Labelling::Single, &mut row.view_mut(), &target), 2e6);
    assert_eq!(row, array![0.0, 1.0]);
    let mut row = array![-1e6, 1e6];
    assert_eq!(loss_and_posteriors(Labelling::Multi, &mut row.view_mut(), &target), 2e6);
    assert_eq!(row, array![0.0, 1.0]);
    let mut row = array![0.0, 0.0];
    let loss = loss_and_posteriors(Labelling::Multi, &mut row.view_mut(), &target);
    assert!((loss - 2.0 * 2f64.ln()).abs() < 1e-15 && row == array![0.5, 0.5]);
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let features = array![[1.0_f32], [2.0]];
    let targets = array![[1.0, 0.0], [0.0, 1.0]];
    let new = |features: &Array2<f32>, targets: &Array2<f64>, weights: &[f64]| {
        Sample::new(Labelling::Multi, features.view(), targets.view(), weights)
            .and_then(|sample| sample.fit(Strength::plain(0.1), None, StopCriterion::default()))
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(new(&features, &targets, &[1.0]), FitError::Sizes { rows: 2, targets: 2, weights: 1 });
    assert_eq!(new(&features, &targets, &[0.0, 0.0]), FitError::Empty);
    assert_eq!(new(&features, &targets, &[1.0, -1.0]), FitError::NotFinite(1));
    assert_eq!(new(&array![[f32::NAN], [1.0]], &targets, &[1.0, 1.0]), FitError::NotFinite(0));
    assert_eq!(new(&features, &array![[1.0, 0.0], [1.0, 1.0]], &[1.0, 1.0]), FitError::Label(0));
    assert_eq!(new(&features, &targets, &[1.0, 0.0]), FitError::Label(0));
    let sample = Sample::new(Labelling::Multi, features.view(), targets.view(), &[1.0, 1.0]).unwrap();
    assert_eq!(
        sample.fit(Strength::plain(0.0), None, StopCriterion::default()).unwrap_err(),
        FitError::Penalty(0.0)
    );
}

/// Prior mean and directions become part of plain weights, to rounding.
#[test]
fn a_fit_with_a_prior_folds_into_one_linear_head() {
    for labelling in [Labelling::Single, Labelling::Multi] {
        let sample = sample(labelling, 40, 3, 5, true);
        let fit = sample.fit(STRONG, None, StopCriterion::default()).unwrap();
        let features = Array2::from_shape_fn((30, 4), |(row, at)| ((row * 4 + at) as f32).sin() * 3.0);
        let apart = (&fit.folded().logits(features.view()) - &fit.standardised_logits(features.view()))
            .mapv(f64::abs);
        assert!(apart.iter().all(|apart| *apart < 1e-10), "{apart}");
        // The known logits do something: without them the weights are others.
        let plain = sample.fit(Strength { mean: 0.0, ..STRONG }, None, StopCriterion::default()).unwrap();
        assert!((&plain.folded().output.weight - &fit.folded().output.weight).iter().any(|d| d.abs() > 1e-2));
    }
}

/// A penalty beyond all measure leaves the prior mean as it is, biases included where they are
/// held.
#[test]
fn a_strong_penalty_gives_the_prior_mean() {
    let sample = sample(Labelling::Single, 40, 3, 5, true);
    let strength = Strength { l2: 1e6, mean: 1.0, unknown: 1.0, bias: 1.0, ..STRONG };
    let found =
        sample.fit(strength, None, StopCriterion { gradient: 1e-8, steps: 2_000 }).unwrap().folded().output;
    let mean = &sample.rows.standard.prior.mean.as_ref().unwrap().logits.output;
    assert!((&found.weight - &mean.weight).iter().all(|d| d.abs() < 1e-4), "{found:?}");
    assert!((0..2).all(|unit| (found.bias[unit] - mean.bias[unit]).abs() < 1e-4), "{found:?}");
}

/// A feature that hardly varies among the rows is not blown up: another row moves its logits by
/// little.
#[test]
fn a_feature_that_hardly_varies_stays_small() {
    let mut rows = Array2::from_shape_fn((20, 3), |(row, at)| ((row * 7 + at * 3) as f64).sin());
    rows.column_mut(2).mapv_inplace(|x| 5.0 + 1e-5 * x);
    let (mean, scale) = standard::standardise(&mut rows, &[0.05; 20]);
    assert!((mean[2] - 5.0).abs() < 1e-4 && scale[2] > 0.02 && scale[2] < 0.1, "{scale}");
}

/// A label that the prior does not know still learns while known labels are held.
#[test]
fn an_unknown_label_has_a_precision_of_its_own() {
    let sample = sample(Labelling::Single, 40, 3, 5, true);
    let strength = Strength { l2: 1e6, mean: 1.0, unknown: 1e-7, bias: 1.0, ..STRONG };
    let found =
        sample.fit(strength, None, StopCriterion { gradient: 1e-8, steps: 2_000 }).unwrap().folded().output;
    let mean = &sample.rows.standard.prior.mean.as_ref().unwrap().logits.output;
    let departs = |unit: usize| (&found.weight.row(unit) - &mean.weight.row(unit)).mapv(f64::abs).sum();
    assert!(departs(0) < 1e-3 && departs(1) < 1e-3 && departs(2) > 0.1, "{found:?}");
}

/// A label without rows has no finite bias, unless the prior holds it.
#[test]
fn a_label_without_rows_is_held_by_the_prior() {
    let features = Array2::from_shape_fn((20, 4), |(row, at)| ((row * 7 + at * 3) as f32).sin());
    let targets = Array2::from_shape_fn((20, 3), |(row, unit)| f64::from(u8::from(row % 2 + 1 == unit)));
    let draw = |at: usize| ((at * 37) as f64).sin();
    let sample =
        Sample::with_prior(Labelling::Single, features.view(), targets.view(), &[1.0; 20], &prior(3, &draw));
    let sample = sample.unwrap();
    let free = Strength { bias: 0.0, ..STRONG };
    assert_eq!(sample.fit(free, None, StopCriterion::default()).unwrap_err(), FitError::Label(0));
    let held = sample.fit(STRONG, None, StopCriterion::default()).unwrap();
    assert!(held.gradient <= 1e-6 && held.folded().output.weight.row(0).iter().any(|w| *w != 0.0));
    // So is one that the mean does not know.
    let targets = Array2::from_shape_fn((20, 3), |(row, unit)| f64::from(u8::from(row % 2 == unit)));
    let sample =
        Sample::with_prior(Labelling::Single, features.view(), targets.view(), &[1.0; 20], &prior(3, &draw));
    assert!(sample.unwrap().fit(STRONG, None, StopCriterion::default()).unwrap().gradient <= 1e-6);
    let other = Prior { directions: None, ..prior(2, &draw) };
    let wrong = Sample::with_prior(Labelling::Single, features.view(), targets.view(), &[1.0; 20], &other);
    assert_eq!(wrong.map(|_| ()).unwrap_err(), FitError::Prior);
}

/// Central differences at a point where no unit switches within a step.
#[test]
fn the_gradient_of_a_hidden_layer_is_the_slope_of_its_value() {
    for labelling in [Labelling::Single, Labelling::Multi] {
        let sample = sample(labelling, 30, 3, 11, false);
        let shape = hidden::Shape { inputs: 4, hidden: 5, units: 3 };
        let theta = shape.start(7);
        assert_eq!(theta.len(), 43);
        let mut scratch = (Array2::zeros((30, 5)), Array2::zeros((30, 3)));
        let mut gradient = vec![0.0; 43];
        hidden::objective(&sample.rows, &shape, 0.1, &theta, &mut gradient, &mut scratch);
        for at in 0..43 {
            let mut there = |step: f64| {
                let mut theta = theta.clone();
                theta[at] += step;
                hidden::objective(&sample.rows, &shape, 0.1, &theta, &mut [0.0; 43], &mut scratch)
            };
            let slope = (there(1e-6) - there(-1e-6)) / 2e-6;
            assert!((slope - gradient[at]).abs() < 1e-7, "{labelling:?} {at}: {slope} and {}", gradient[at]);
        }
    }
}

/// Exclusive or: no linear head tells it, a hidden layer does, and folds to what takes features as
/// they are.
#[test]
fn a_hidden_layer_learns_what_no_linear_head_can() {
    let features = Array2::from_shape_fn((80, 2), |(row, at)| {
        let side = if row >> at & 1 == 1 { 1.0 } else { -1.0 };
        100.0 + 10.0 * side + (row as f32 * (at + 1) as f32).sin()
    });
    let targets = Array2::from_shape_fn((80, 2), |(row, unit)| {
        f64::from(u8::from(((row & 1) ^ (row >> 1 & 1)) == unit))
    });
    let sample = Sample::new(Labelling::Single, features.view(), targets.view(), &[1.0; 80]).unwrap();
    let right = |fit: &Fit| {
        let logits = fit.logits(features.view());
        let rows = logits.rows().into_iter().zip(targets.rows());
        rows.filter(|(logits, targets)| (logits[1] > logits[0]) == (targets[1] > targets[0])).count()
    };
    let stop = StopCriterion { gradient: 1e-5, steps: 2_000 };
    let linear = sample.fit(Strength::plain(1e-3), None, stop).unwrap();
    assert!(right(&linear) < 60, "{}", right(&linear));
    let sample = sample.with_hidden(Some(HiddenLayer { units: 8, seed: 1 }));
    let fit = sample.fit(Strength::plain(1e-3), None, stop).unwrap();
    assert_eq!(right(&fit), 80);
    let folded = fit.folded();
    assert_eq!(folded.hidden.as_ref().unwrap().weight.dim(), (8, 2));
    let apart = &folded.logits(features.view()) - &fit.standardised_logits(features.view());
    assert!(apart.iter().all(|d| d.abs() < 1e-9));
    assert!(linear.folded().hidden.is_none());
}

/// A known head with a hidden layer is corrected by a linear map beside the layer, in one network.
#[test]
fn a_known_network_is_corrected() {
    let draw = |at: usize| ((at * 37) as f64).sin();
    let linear = |units: usize, inputs: usize| Linear {
        weight: Array2::from_shape_fn((units, inputs), |(unit, at)| draw(unit * inputs + at)),
        bias: Array1::from_shape_fn(units, draw),
    };
    let known = Network { hidden: Some(linear(5, 4)), output: linear(2, 5) };
    let mean = PriorMean { logits: known.clone(), is_known: vec![true; 2] };
    let prior = Prior { mean: Some(mean), ..Prior::default() };
    let features = Array2::from_shape_fn((40, 4), |(row, at)| ((row * 7 + at * 3) as f32).sin());
    let targets = Array2::from_shape_fn((40, 2), |(row, unit)| f64::from(u8::from(row % 2 == unit)));
    let sample = Sample::with_prior(Labelling::Single, features.view(), targets.view(), &[1.0; 40], &prior);
    let fit = sample.unwrap().fit(Strength { l2: 0.01, ..STRONG }, None, StopCriterion::default()).unwrap();
    let folded = fit.folded();
    assert_eq!(folded.hidden.as_ref().unwrap().bias.len(), 7);
    let logits = fit.standardised_logits(features.view());
    assert!((&folded.logits(features.view()) - &logits).iter().all(|apart| apart.abs() < 1e-9));
    assert!((&known.logits(features.view()) - &logits).iter().any(|apart| apart.abs() > 0.1));
}
