//! Logistic regression against scikit-learn 1.9. `tests/golden/golden_logistic.py` wrote the
//! goldens.

use genred::learn::{Labelling, Linear, Prior, PriorMean, Sample, StopCriterion, Strength};
use ndarray::{Array2, ArrayView2};
use safetensors::{Dtype, SafeTensors};

/// Tolerances: of weights relative to the head's largest one, of posteriors absolute. The stopping
/// criterion of scikit-learn dominates.
const TOLERANCE: f64 = 1e-6;

struct Goldens(Vec<u8>);

impl Goldens {
    fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/logistic.safetensors");
        Self(std::fs::read(path).unwrap())
    }

    fn floats(&self, name: &str) -> Array2<f64> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let view = tensors.tensor(name).unwrap();
        assert_eq!(view.dtype(), Dtype::F64);
        let rows = view.shape()[0];
        let values: Vec<f64> =
            view.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        Array2::from_shape_vec((rows, values.len() / rows), values).unwrap()
    }

    fn features(&self) -> Array2<f32> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let view = tensors.tensor("features").unwrap();
        assert_eq!(view.dtype(), Dtype::F32);
        let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Array2::from_shape_vec((view.shape()[0], view.shape()[1]), values).unwrap()
    }
}

fn worst(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn fits_are_scikit_learns() {
    let goldens = Goldens::open();
    let (features, weights) = (goldens.features(), goldens.floats("weights"));
    let penalties = goldens.floats("penalties");
    assert_eq!((features.dim(), penalties.len()), ((90, 6), 3));
    for (kind, labelling) in [("single", Labelling::Single), ("multi", Labelling::Multi)] {
        let targets = goldens.floats(&format!("targets.{kind}"));
        let sample =
            Sample::new(labelling, features.view(), targets.view(), weights.as_slice().unwrap()).unwrap();
        for (index, penalty) in penalties.iter().enumerate() {
            let of = |what: &str| goldens.floats(&format!("{kind}.{index}.{what}"));
            let fit = sample
                .fit(Strength::plain(*penalty), None, StopCriterion { gradient: 1e-10, steps: 10_000 })
                .unwrap();
            let Linear { weight, bias } = fit.folded().output;
            // One column per feature; their scales differ by 10⁴.
            for (ours, theirs) in weight.columns().into_iter().zip(of("weight").columns()) {
                let largest = theirs.iter().fold(0.0, |top: f64, w| top.max(w.abs()));
                for (ours, theirs) in ours.iter().zip(theirs) {
                    assert!(
                        (ours - theirs).abs() < TOLERANCE * largest,
                        "{kind} {penalty}: {ours}, {theirs}"
                    );
                }
            }
            let bias = bias.insert_axis(ndarray::Axis(1));
            assert!(
                worst(bias.view(), of("bias").view())
                    < TOLERANCE * bias.iter().fold(1.0, |top: f64, b| top.max(b.abs()))
            );
            let posteriors = fit.logits(features.view());
            let posteriors = match labelling {
                Labelling::Multi => posteriors.mapv(|logit| 1.0 / (1.0 + (-logit).exp())),
                Labelling::Single => {
                    let powers = posteriors.mapv(f64::exp);
                    let sums = powers.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
                    powers / sums
                }
            };
            assert!(worst(posteriors.view(), of("posteriors").view()) < TOLERANCE, "{kind} {penalty}");
        }
    }
}

/// Known logits as features match scikit-learn's fit on the extended features, folded. A prior mean
/// matches SciPy's minimum of the objective in the weights.
#[test]
fn priors_are_those_of_the_oracles() {
    let goldens = Goldens::open();
    let (features, weights) = (goldens.features(), goldens.floats("weights"));
    let targets = goldens.floats("targets.single");
    let linear = |name: &str| Linear {
        weight: goldens.floats(&format!("{name}.weight")),
        bias: goldens.floats(&format!("{name}.bias")).column(0).to_owned(),
    };
    let scale = goldens.floats("scale")[[0, 0]];
    let directions = Prior { directions: Some(linear("known")), ..Prior::default() };
    let known = PriorMean { logits: linear("prior").into(), is_known: vec![true; 3] };
    let mean = Prior { mean: Some(known), ..Prior::default() };
    for (kind, prior) in [("directions", directions), ("mean", mean)] {
        let weights = weights.as_slice().unwrap();
        let sample =
            Sample::with_prior(Labelling::Single, features.view(), targets.view(), weights, &prior).unwrap();
        for (index, penalty) in goldens.floats("penalties").iter().enumerate() {
            let strength = Strength { l2: *penalty, directions: scale, mean: 1.0, unknown: 1.0, bias: 0.0 };
            let fit = sample.fit(strength, None, StopCriterion { gradient: 1e-10, steps: 10_000 }).unwrap();
            let folded = fit.folded().output;
            let of = |what: &str| goldens.floats(&format!("{kind}.{index}.{what}"));
            for (ours, theirs) in folded.weight.columns().into_iter().zip(of("weight").columns()) {
                let largest = theirs.iter().fold(0.0, |top: f64, w| top.max(w.abs()));
                assert!(
                    ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-5 * largest),
                    "{kind} {penalty}"
                );
            }
            let logits = folded.logits(features.view());
            let sums = logits.mapv(f64::exp).sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
            let apart = worst((logits.mapv(f64::exp) / sums).view(), of("posteriors").view());
            assert!(apart < TOLERANCE, "{kind} {penalty}: {apart}");
        }
    }
}
