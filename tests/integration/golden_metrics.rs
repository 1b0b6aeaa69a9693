//! Metrics against scikit-learn. `tests/golden/golden_metrics.py` wrote the goldens.

use std::path::Path;

use genred::learn::{Answers, Figure, MultiLabel, SingleLabel};
use safetensors::SafeTensors;

struct Goldens(Vec<u8>);

impl Goldens {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.safetensors");
        Self(std::fs::read(&path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display())))
    }

    fn doubles(&self, name: &str) -> Vec<f64> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let view = tensors.tensor(name).unwrap();
        assert_eq!(view.dtype(), safetensors::Dtype::F64, "{name}");
        view.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    }

    fn singles(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let view = tensors.tensor(name).unwrap();
        assert_eq!(view.dtype(), safetensors::Dtype::F32, "{name}");
        view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn weights(&self, kind: &str) -> Vec<u32> {
        self.doubles(&format!("{kind}.weights")).iter().map(|weight| *weight as u32).collect()
    }
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.is_nan() && expected.is_nan() || (found - expected).abs() <= tolerance;
        assert!(same, "{at}: {found} for {expected}");
    }
}

fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

fn check(goldens: &Goldens, kind: &str, answers: &dyn Answers) {
    let weights = goldens.weights(kind);
    assert_eq!(answers.len(), weights.len());
    // Posteriors, and scikit-learn's sums of their logarithms, are in single precision.
    close(&answers.measure(&weights), &goldens.doubles(&format!("{kind}.figures")), 1e-6);
    let bins: Vec<f64> = answers
        .reliability(&weights)
        .iter()
        .flat_map(|bin| [bin.confidence, bin.accuracy, bin.n as f64])
        .collect();
    close(&bins, &goldens.doubles(&format!("{kind}.bins")), 1e-9);
    let precision = answers.average_precision(&weights);
    let rows: Vec<f64> = answers
        .counts(&weights)
        .iter()
        .zip(precision)
        .flat_map(|(count, average)| {
            let row = [count.precision(), count.recall(), count.f1(), Some(count.support() as f64), average];
            row.map(or_nan).into_iter().take(if kind == "multi" { 5 } else { 4 })
        })
        .collect();
    close(&rows, &goldens.doubles(&format!("{kind}.labels")), 1e-9);
}

#[test]
fn single_labels_are_judged_as_scikit_learn_does() {
    let goldens = Goldens::read();
    let truth: Vec<usize> = goldens.doubles("single.truth").iter().map(|label| *label as usize).collect();
    let answers = SingleLabel::new(6, &truth, &goldens.singles("single.posteriors"));
    check(&goldens, "single", &answers);
    let confusion: Vec<f64> = answers
        .confusion(&goldens.weights("single"))
        .unwrap()
        .into_iter()
        .flatten()
        .map(|count| count as f64)
        .collect();
    close(&confusion, &goldens.doubles("single.confusion"), 0.0);
    let keys: Vec<_> = answers.figures().iter().map(|figure| figure.key()).collect();
    assert_eq!(keys, ["accuracy", "macro_f1", "jaccard", "log_loss", "brier", "calibration_error"]);
}

#[test]
fn several_labels_are_judged_as_scikit_learn_does() {
    let goldens = Goldens::read();
    let truth: Vec<bool> = goldens.doubles("multi.truth").iter().map(|truth| *truth == 1.0).collect();
    let answers = MultiLabel::new(5, &truth, &goldens.singles("multi.posteriors"));
    check(&goldens, "multi", &answers);
    assert!(answers.confusion(&goldens.weights("multi")).is_none());
    assert_eq!(answers.figures()[1], Figure::MicroF1);
    assert_eq!(answers.figures()[4], Figure::AveragePrecision);
}

/// A weight of two equals a repeated observation.
#[test]
fn weights_are_copies() {
    let posteriors = [0.7, 0.2, 0.1, 0.3, 0.3, 0.4, 0.1, 0.8, 0.1];
    let once = SingleLabel::new(3, &[0, 0, 1], &posteriors);
    let copies = [&posteriors[..3], &posteriors[6..], &posteriors[6..]].concat();
    let copied = SingleLabel::new(3, &[0, 1, 1], &copies);
    close(&once.measure(&[1, 0, 2]), &copied.measure(&[1, 1, 1]), 1e-12);
}
