//! Figures of merit of a classifier's answers, by scikit-learn's definitions.
//!
//! Every figure takes one weight per observation, its count, so that a bootstrap need not copy
//! anything. An average over labels ("macro") is over the labels that occur in the truth: other
//! labels are not averaged, and an answer with one of them counts against the label that was
//! missed.

use serde::Serialize;

use super::label_counts::LabelCounts;
use super::reliability::{BINS, Bin, Reliability};

/// Posteriors below this count as this in the log loss, as scikit-learn does with single precision:
/// 2⁻²³.
const LEAST: f64 = f32::EPSILON as f64;

/// At and above this posterior a label of a multi-label head counts as answered.
const THRESHOLD: f32 = 0.5;

/// Kinds of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Share that is right; of several labels: share where all are.
    Accuracy,
    /// F1 of all labels' counts together.
    MicroF1,
    /// Mean of the labels' F1.
    MacroF1,
    /// Mean over labels of right answers / (answers or truths).
    Jaccard,
    /// Mean over labels of the average precision, Σ (Rₖ − Rₖ₋₁) Pₖ.
    AveragePrecision,
    /// Mean of −ln p(truth); of several labels: binary, over all labels.
    LogLoss,
    /// Mean over observations of Σ (p − truth)² over labels.
    Brier,
    /// [`Reliability::error`] of the best label; of several labels: of every label.
    CalibrationError,
}

impl Figure {
    /// The key in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MicroF1 => "micro_f1",
            Self::MacroF1 => "macro_f1",
            Self::Jaccard => "jaccard",
            Self::AveragePrecision => "average_precision",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::CalibrationError => "calibration_error",
        }
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MicroF1 => "micro F1",
            Self::MacroF1 => "macro F1",
            Self::Jaccard => "Jaccard (macro)",
            Self::AveragePrecision => "average precision (macro)",
            Self::LogLoss => "log loss (nats)",
            Self::Brier => "Brier score",
            Self::CalibrationError => "calibration error",
        }
    }

    /// True if more is better.
    pub fn is_gain(self) -> bool {
        !matches!(self, Self::LogLoss | Self::Brier | Self::CalibrationError)
    }
}

/// Mean of the values that there are; not a number where there are none.
fn mean(values: impl Iterator<Item = Option<f64>>) -> f64 {
    let (sum, count) = values.flatten().fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

/// Answers with the truth. Weights hold one number per observation.
pub trait Answers {
    /// Number of observations.
    fn len(&self) -> usize;

    /// True if there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Figures that [`Answers::measure`] returns, in order.
    fn figures(&self) -> &'static [Figure];

    /// All figures.
    fn measure(&self, weights: &[u32]) -> Vec<f64>;

    /// Counts, one per label.
    fn counts(&self, weights: &[u32]) -> Vec<LabelCounts>;

    /// Average precision, one per label; `None` without support, and for exclusive labels.
    fn average_precision(&self, weights: &[u32]) -> Vec<Option<f64>>;

    /// For exclusive labels: number of observations of label `row` that were answered as `column`.
    fn confusion(&self, weights: &[u32]) -> Option<Vec<Vec<u64>>>;

    /// The bins of the calibration error.
    fn reliability(&self, weights: &[u32]) -> Vec<Bin>;
}

/// Index of the largest finite posterior, the last of equal ones as in the decision stage; 0 where
/// there is none.
pub fn top_label(posteriors: &[f32]) -> usize {
    let finite = posteriors.iter().enumerate().filter(|(_, p)| p.is_finite());
    finite.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(label, _)| label)
}

/// Answers of a head whose labels exclude each other.
#[derive(Debug, Clone)]
pub struct SingleLabel {
    labels: usize,
    /// True and answered label of each observation.
    pairs: Vec<(usize, usize)>,
    losses: Vec<f64>,
    brier: Vec<f64>,
    reliability: Reliability,
}

impl SingleLabel {
    /// `truth` holds one label index per observation; `posteriors` is row-major `[observations,
    /// labels]`.
    pub fn new(labels: usize, truth: &[usize], posteriors: &[f32]) -> Self {
        let rows: Vec<&[f32]> = posteriors.chunks_exact(labels.max(1)).collect();
        let pairs: Vec<(usize, usize)> =
            truth.iter().zip(&rows).map(|(truth, row)| (*truth, top_label(row))).collect();
        let squares = |(truth, row): (&usize, &&[f32])| {
            row.iter()
                .enumerate()
                .map(|(label, p)| (f64::from(*p) - indicator(label == *truth)).powi(2))
                .sum()
        };
        Self {
            labels,
            losses: truth
                .iter()
                .zip(&rows)
                .map(|(truth, row)| -f64::from(row[*truth]).max(LEAST).ln())
                .collect(),
            brier: truth.iter().zip(&rows).map(squares).collect(),
            reliability: Reliability::new(
                pairs
                    .iter()
                    .zip(&rows)
                    .enumerate()
                    .map(|(at, ((truth, top), row))| (f64::from(row[*top]), truth == top, at)),
            ),
            pairs,
        }
    }

    fn matrix(&self, weights: &[u32]) -> Vec<Vec<u64>> {
        let mut matrix = vec![vec![0; self.labels]; self.labels];
        for ((truth, top), weight) in self.pairs.iter().zip(weights) {
            matrix[*truth][*top] += u64::from(*weight);
        }
        matrix
    }
}

impl Answers for SingleLabel {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn figures(&self) -> &'static [Figure] {
        use Figure::{Accuracy, Brier, CalibrationError, Jaccard, LogLoss, MacroF1};
        &[Accuracy, MacroF1, Jaccard, LogLoss, Brier, CalibrationError]
    }

    fn measure(&self, weights: &[u32]) -> Vec<f64> {
        let counts = self.counts(weights);
        let hits: u64 = counts.iter().map(|count| count.hits).sum();
        let total: u64 = counts.iter().map(|count| count.support()).sum();
        vec![
            hits as f64 / total as f64,
            mean(counts.iter().map(|count| count.f1())),
            mean(counts.iter().map(|count| count.jaccard())),
            weighted_mean(&self.losses, weights),
            weighted_mean(&self.brier, weights),
            self.reliability.error(weights),
        ]
    }

    fn counts(&self, weights: &[u32]) -> Vec<LabelCounts> {
        let matrix = self.matrix(weights);
        let sums: Vec<u64> =
            (0..self.labels).map(|label| matrix.iter().map(|row| row[label]).sum()).collect();
        (0..self.labels)
            .map(|label| {
                let hits = matrix[label][label];
                let support: u64 = matrix[label].iter().sum();
                LabelCounts { hits, false_alarms: sums[label] - hits, misses: support - hits }
            })
            .collect()
    }

    fn average_precision(&self, _: &[u32]) -> Vec<Option<f64>> {
        vec![None; self.labels]
    }

    fn confusion(&self, weights: &[u32]) -> Option<Vec<Vec<u64>>> {
        Some(self.matrix(weights))
    }

    fn reliability(&self, weights: &[u32]) -> Vec<Bin> {
        self.reliability.bins(weights, BINS)
    }
}

/// Answers of a head with any number of labels per observation.
#[derive(Debug, Clone)]
pub struct MultiLabel {
    labels: usize,
    /// True and answered, row-major `[observations, labels]`.
    pairs: Vec<(bool, bool)>,
    /// 1 where all labels of an observation are right.
    exact: Vec<f64>,
    losses: Vec<f64>,
    brier: Vec<f64>,
    /// For each label the posterior, the truth and the observation, from the largest posterior on.
    ranks: Vec<Vec<(f32, bool, usize)>>,
    reliability: Reliability,
}

impl MultiLabel {
    /// `truth` and `posteriors` are row-major `[observations, labels]`.
    pub fn new(labels: usize, truth: &[bool], posteriors: &[f32]) -> Self {
        let width = labels.max(1);
        let cells = || truth.iter().copied().zip(posteriors.iter().copied());
        let by_row = |cell: &dyn Fn(bool, f64) -> f64| -> Vec<f64> {
            let cells: Vec<f64> = cells().map(|(truth, p)| cell(truth, f64::from(p))).collect();
            cells.chunks_exact(width).map(|row| row.iter().sum()).collect()
        };
        let binary = |truth: bool, p: f64| -(if truth { p } else { 1.0 - p }).max(LEAST).ln() / width as f64;
        let ranks = (0..labels).map(|label| {
            let mut column: Vec<(f32, bool, usize)> = cells()
                .skip(label)
                .step_by(width)
                .enumerate()
                .map(|(observation, (truth, p))| (p, truth, observation))
                .collect();
            column.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
            column
        });
        let pairs: Vec<(bool, bool)> = cells().map(|(truth, p)| (truth, p >= THRESHOLD)).collect();
        let is_exact = |row: &[(bool, bool)]| indicator(row.iter().all(|(truth, answer)| truth == answer));
        Self {
            labels,
            exact: pairs.chunks_exact(width).map(is_exact).collect(),
            pairs,
            losses: by_row(&binary),
            brier: by_row(&|truth, p| (p - indicator(truth)).powi(2)),
            ranks: ranks.collect(),
            reliability: Reliability::new(
                cells().enumerate().map(|(at, (truth, p))| (f64::from(p), truth, at / width)),
            ),
        }
    }
}

impl Answers for MultiLabel {
    fn len(&self) -> usize {
        self.losses.len()
    }

    fn figures(&self) -> &'static [Figure] {
        use Figure::{
            Accuracy, AveragePrecision, Brier, CalibrationError, Jaccard, LogLoss, MacroF1, MicroF1,
        };
        &[Accuracy, MicroF1, MacroF1, Jaccard, AveragePrecision, LogLoss, Brier, CalibrationError]
    }

    fn measure(&self, weights: &[u32]) -> Vec<f64> {
        let counts = self.counts(weights);
        let all = counts.iter().fold(LabelCounts::default(), |sum, count| LabelCounts {
            hits: sum.hits + count.hits,
            false_alarms: sum.false_alarms + count.false_alarms,
            misses: sum.misses + count.misses,
        });
        vec![
            weighted_mean(&self.exact, weights),
            all.f1().unwrap_or(f64::NAN),
            mean(counts.iter().map(|count| count.f1())),
            mean(counts.iter().map(|count| count.jaccard())),
            mean(self.average_precision(weights).into_iter()),
            weighted_mean(&self.losses, weights),
            weighted_mean(&self.brier, weights),
            self.reliability.error(weights),
        ]
    }

    fn counts(&self, weights: &[u32]) -> Vec<LabelCounts> {
        let mut counts = vec![LabelCounts::default(); self.labels];
        for (row, weight) in self.pairs.chunks_exact(self.labels.max(1)).zip(weights) {
            for (count, (truth, answer)) in counts.iter_mut().zip(row) {
                let cell = match (truth, answer) {
                    (true, true) => &mut count.hits,
                    (false, true) => &mut count.false_alarms,
                    (true, false) => &mut count.misses,
                    (false, false) => continue,
                };
                *cell += u64::from(*weight);
            }
        }
        counts
    }

    fn average_precision(&self, weights: &[u32]) -> Vec<Option<f64>> {
        self.ranks.iter().map(|ranks| average_precision(ranks, weights)).collect()
    }

    fn confusion(&self, _: &[u32]) -> Option<Vec<Vec<u64>>> {
        None
    }

    fn reliability(&self, weights: &[u32]) -> Vec<Bin> {
        self.reliability.bins(weights, BINS)
    }
}

/// Σ (Rₖ − Rₖ₋₁) Pₖ over the different posteriors from above, as
/// `sklearn.metrics.average_precision_score`.
fn average_precision(ranks: &[(f32, bool, usize)], weights: &[u32]) -> Option<f64> {
    let support: u64 =
        ranks.iter().filter(|(_, truth, _)| *truth).map(|(.., at)| u64::from(weights[*at])).sum();
    let (mut sum, mut hits, mut answers) = (0.0, 0, 0);
    for ties in ranks.chunk_by(|(a, ..), (b, ..)| a == b) {
        let mut new = 0;
        for (_, truth, at) in ties {
            answers += u64::from(weights[*at]);
            new += u64::from(*truth) * u64::from(weights[*at]);
        }
        hits += new;
        if new > 0 {
            sum += new as f64 * hits as f64 / answers as f64;
        }
    }
    (support > 0).then(|| sum / support as f64)
}

fn indicator(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

fn weighted_mean(values: &[f64], weights: &[u32]) -> f64 {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    values.iter().zip(weights).map(|(value, weight)| value * f64::from(*weight)).sum::<f64>() / total as f64
}
