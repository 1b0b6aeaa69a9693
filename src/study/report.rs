//! From predictions to figures.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::learn::{Answers, Bin, Bootstrap, Figure, Interval, LabelCounts, MultiLabel, SingleLabel};
use crate::model::HeadKind;

/// Reason for having nothing to report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// No track has a patch.
    #[error("nothing is left to judge: no track has a patch")]
    Empty,
    /// Two sets of predictions that are not about the same.
    #[error("the two cannot be compared: {0}")]
    Incomparable(String),
}

/// Answers to tracks, with the truth.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Relation of labels: exclusive or not.
    pub kind: HeadKind,
    /// Labels, in the order of the posteriors.
    pub labels: Vec<Arc<str>>,
    /// One a track, each at most once.
    pub tracks: Vec<TrackPredictions>,
}

/// Answers to one track.
#[derive(Debug, Clone)]
pub struct TrackPredictions {
    /// Its id.
    pub id: Arc<str>,
    /// Its true labels, as indices into [`Predictions::labels`]; one where labels exclude each
    /// other.
    pub truth: Vec<usize>,
    /// Answers to its patches.
    pub patches: Vec<PatchPrediction>,
}

/// The answer to one patch.
#[derive(Debug, Clone)]
pub struct PatchPrediction {
    /// Posteriors, 0–1, one a label.
    pub posteriors: Vec<f32>,
    /// True if its state is `music`. Others are left out, unless a track has nothing else.
    pub is_music: bool,
}

/// Figures of a classifier.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Relation of labels: exclusive or not.
    pub kind: HeadKind,
    /// Labels, in the order of every list below.
    pub labels: Vec<Arc<str>>,
    /// Tracks without a patch of music, which are evaluated by their other patches.
    pub tracks_without_music: usize,
    /// Patches that are not music, and are left out.
    pub patches_left_out: usize,
    /// Bootstrap of the intervals: over tracks.
    pub intervals: Bootstrap,
    /// Patch by patch.
    pub patch: Judgement,
    /// Track by track, each by the mean posteriors of its patches.
    pub track: Judgement,
}

/// Figures on one set of answers.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    /// Number of answers.
    pub n: usize,
    /// Figures with their intervals.
    #[serde(flatten)]
    pub figures: Figures,
    /// One a label.
    pub by_label: Vec<LabelFigures>,
    /// Counts of label `row` answered as `column`; absent for a head of several labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Vec<Vec<u64>>>,
    /// The bins of the calibration error, by rising confidence.
    pub reliability: Vec<Bin>,
}

/// Figures by name, in the order of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures(pub Vec<(Figure, Interval)>);

/// Figures of one label.
#[derive(Debug, Clone, Serialize)]
pub struct LabelFigures {
    /// The label.
    pub label: Arc<str>,
    /// Share of the answers that are right; `None` where it was never answered.
    pub precision: Option<f64>,
    /// Share of the truths that were answered; `None` without support.
    pub recall: Option<f64>,
    /// Their harmonic mean; `None` without support.
    pub f1: Option<f64>,
    /// Average precision, of a head of several labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<f64>,
    /// Number of rows that have it.
    pub support: u64,
}

/// Difference of two sets of predictions on the same tracks.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Differences, first minus second, patch by patch; resampled together.
    pub patch: Figures,
    /// Track by track.
    pub track: Figures,
}

impl Report {
    /// Computes the figures of `predictions`.
    ///
    /// # Errors
    /// There are none.
    pub fn new(predictions: &Predictions, bootstrap: &Bootstrap) -> Result<Self, ReportError> {
        let by_patch = Sheet::by_patch(predictions);
        let by_track = Sheet::by_track(predictions);
        if by_track.answers.is_empty() {
            return Err(ReportError::Empty);
        }
        let patches: usize = predictions.tracks.iter().map(|track| track.patches.len()).sum();
        let has_no_music = |track: &&TrackPredictions| {
            !track.patches.is_empty() && track.patches.iter().all(|p| !p.is_music)
        };
        Ok(Self {
            kind: predictions.kind,
            labels: predictions.labels.clone(),
            tracks_without_music: predictions.tracks.iter().filter(has_no_music).count(),
            patches_left_out: patches - by_patch.answers.len(),
            intervals: *bootstrap,
            patch: by_patch.judge(&predictions.labels, bootstrap),
            track: by_track.judge(&predictions.labels, bootstrap),
        })
    }
}

impl Comparison {
    /// The differences `one − other`.
    ///
    /// # Errors
    /// The two are not about the same patches of the same tracks, or of different kinds.
    pub fn new(one: &Predictions, other: &Predictions, bootstrap: &Bootstrap) -> Result<Self, ReportError> {
        let wrong = |what: &str| Err(ReportError::Incomparable(what.into()));
        if one.kind != other.kind {
            return wrong("one answers with a single label and the other with several");
        }
        let differs = |(one, other): (&TrackPredictions, &TrackPredictions)| {
            one.id != other.id || heard(one).count() != heard(other).count()
        };
        if one.tracks.len() != other.tracks.len() || one.tracks.iter().zip(&other.tracks).any(differs) {
            return wrong("they are about different tracks or patches");
        }
        let compare = |sheet: &dyn Fn(&Predictions) -> Sheet| {
            let (one, other) = (sheet(one), sheet(other));
            let intervals = bootstrap.intervals(&one.clusters, |weights| {
                let (one, other) = (one.answers.measure(weights), other.answers.measure(weights));
                one.iter().zip(other).map(|(one, other)| one - other).collect()
            });
            Figures(one.answers.figures().iter().copied().zip(intervals).collect())
        };
        if heard_patches(one) == 0 {
            return Err(ReportError::Empty);
        }
        Ok(Self { patch: compare(&Sheet::by_patch), track: compare(&Sheet::by_track) })
    }
}

impl Judgement {
    /// A figure, where it is among those of the head's kind.
    pub fn figure(&self, figure: Figure) -> Option<Interval> {
        self.figures.0.iter().find(|(known, _)| *known == figure).map(|(_, interval)| *interval)
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (figure, interval) in &self.0 {
            map.serialize_entry(figure.key(), interval)?;
        }
        map.end()
    }
}

/// Answers, and the track that each belongs to.
struct Sheet {
    answers: Box<dyn Answers>,
    /// Of each answer its track.
    clusters: Vec<usize>,
}

impl Sheet {
    fn by_patch(predictions: &Predictions) -> Self {
        Self::new(predictions, |track| heard(track).map(|patch| patch.posteriors.clone()).collect())
    }

    fn by_track(predictions: &Predictions) -> Self {
        Self::new(predictions, |track| mean_posteriors(track, predictions).into_iter().collect())
    }

    fn new(predictions: &Predictions, rows: impl Fn(&TrackPredictions) -> Vec<Vec<f32>>) -> Self {
        let labels = predictions.labels.len();
        let (mut clusters, mut posteriors) = (Vec::new(), Vec::new());
        let (mut single, mut multi) = (Vec::new(), Vec::new());
        let tracks = predictions.tracks.iter().filter(|track| !track.patches.is_empty());
        for (cluster, track) in tracks.enumerate() {
            for row in rows(track) {
                clusters.push(cluster);
                posteriors.extend(row);
                match predictions.kind {
                    HeadKind::Single => single.push(track.truth.first().copied().unwrap_or_default()),
                    HeadKind::Multi => multi.extend((0..labels).map(|label| track.truth.contains(&label))),
                }
            }
        }
        let answers: Box<dyn Answers> = match predictions.kind {
            HeadKind::Single => Box::new(SingleLabel::new(labels, &single, &posteriors)),
            HeadKind::Multi => Box::new(MultiLabel::new(labels, &multi, &posteriors)),
        };
        Self { answers, clusters }
    }

    fn judge(&self, labels: &[Arc<str>], bootstrap: &Bootstrap) -> Judgement {
        let ones = vec![1; self.answers.len()];
        let intervals = bootstrap.intervals(&self.clusters, |weights| self.answers.measure(weights));
        let counts = self.answers.counts(&ones);
        let precision = self.answers.average_precision(&ones);
        let by_label =
            |((label, count), average_precision): ((&Arc<str>, LabelCounts), Option<f64>)| LabelFigures {
                label: label.clone(),
                precision: count.precision(),
                recall: count.recall(),
                f1: count.f1(),
                average_precision,
                support: count.support(),
            };
        Judgement {
            n: self.answers.len(),
            figures: Figures(self.answers.figures().iter().copied().zip(intervals).collect()),
            by_label: labels.iter().zip(counts).zip(precision).map(by_label).collect(),
            confusion: self.answers.confusion(&ones),
            reliability: self.answers.reliability(&ones),
        }
    }
}

/// The patches that make up a track's answer: those of music, or all where none is.
fn heard(track: &TrackPredictions) -> impl Iterator<Item = &PatchPrediction> {
    let any_music = track.patches.iter().any(|patch| patch.is_music);
    track.patches.iter().filter(move |patch| patch.is_music || !any_music)
}

fn heard_patches(predictions: &Predictions) -> usize {
    predictions.tracks.iter().map(|track| heard(track).count()).sum()
}

fn mean_posteriors(track: &TrackPredictions, predictions: &Predictions) -> Option<Vec<f32>> {
    let mut sums = vec![0f64; predictions.labels.len()];
    let mut count = 0.0;
    for patch in heard(track) {
        count += 1.0;
        sums.iter_mut().zip(&patch.posteriors).for_each(|(sum, p)| *sum += f64::from(*p));
    }
    (count > 0.0).then(|| sums.into_iter().map(|sum| (sum / count) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(id: &str, truth: &[usize], patches: &[([f32; 2], bool)]) -> TrackPredictions {
        let patch = |(posteriors, is_music): &([f32; 2], bool)| PatchPrediction {
            posteriors: posteriors.to_vec(),
            is_music: *is_music,
        };
        TrackPredictions {
            id: id.into(),
            truth: truth.to_vec(),
            patches: patches.iter().map(patch).collect(),
        }
    }

    fn predictions(kind: HeadKind, tracks: Vec<TrackPredictions>) -> Predictions {
        Predictions { kind, labels: vec!["jazz".into(), "rock".into()], tracks }
    }

    fn value(judgement: &Judgement, figure: Figure) -> f64 {
        judgement.figure(figure).unwrap().value
    }

    /// By hand: patches 3 of 5 right, since the quiet one is not heard; tracks 2 of 3, one by its
    /// quiet patches alone.
    #[test]
    fn tracks_are_judged_by_the_mean_of_their_music() {
        let tracks = vec![
            track("a", &[0], &[([0.9, 0.1], true), ([0.4, 0.6], true), ([0.0, 1.0], false)]),
            track("b", &[1], &[([0.7, 0.3], true), ([0.45, 0.55], true)]),
            track("c", &[1], &[([0.2, 0.8], false)]),
            track("d", &[1], &[]),
        ];
        let report = Report::new(&predictions(HeadKind::Single, tracks), &Bootstrap::default()).unwrap();
        assert_eq!((report.patch.n, report.track.n), (5, 3));
        assert_eq!((report.patches_left_out, report.tracks_without_music), (1, 1));
        assert!((value(&report.patch, Figure::Accuracy) - 3.0 / 5.0).abs() < 1e-12);
        assert!((value(&report.track, Figure::Accuracy) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(report.track.confusion, Some(vec![vec![1, 0], vec![1, 1]]));
        // −ln of 0.65, 0.425 and 0.8, the mean posteriors of the truth.
        let loss = -(0.65f64.ln() + 0.425f64.ln() + 0.8f64.ln()) / 3.0;
        assert!((value(&report.track, Figure::LogLoss) - loss).abs() < 1e-6);
        assert_eq!(report.track.by_label[1].recall, Some(0.5));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["track"]["by_label"][0]["label"], "jazz");
        assert_eq!(json["kind"], "single");
        assert!(json["track"]["accuracy"]["low"].as_f64().unwrap() < 0.5);
    }

    #[test]
    fn a_multi_head_is_judged_label_by_label() {
        let tracks = vec![
            track("a", &[0, 1], &[([0.9, 0.8], true)]),
            track("b", &[1], &[([0.6, 0.7], true)]),
            track("c", &[], &[([0.1, 0.2], true)]),
        ];
        let report = Report::new(&predictions(HeadKind::Multi, tracks), &Bootstrap::default()).unwrap();
        // By hand: all labels right in 2 of 3; hits 3, false alarms 1, misses 0.
        assert!((value(&report.track, Figure::Accuracy) - 2.0 / 3.0).abs() < 1e-12);
        assert!((value(&report.track, Figure::MicroF1) - 6.0 / 7.0).abs() < 1e-12);
        assert_eq!(report.track.by_label[0].average_precision, Some(1.0));
        assert!(report.track.confusion.is_none());
    }

    #[test]
    fn comparisons_are_paired() {
        let of = |p: f32| {
            let tracks = (0..40).map(|at| {
                let p = if at % 4 == 0 { 0.1 } else { p };
                track(&at.to_string(), &[0], &[([p, 1.0 - p], true)])
            });
            predictions(HeadKind::Single, tracks.collect())
        };
        let bootstrap = Bootstrap::default();
        let same = Comparison::new(&of(0.8), &of(0.8), &bootstrap).unwrap();
        assert!(same.track.0.iter().all(|(_, i)| (i.value, i.low, i.high) == (0.0, Some(0.0), Some(0.0))));
        let better = Comparison::new(&of(0.8), &of(0.4), &bootstrap).unwrap();
        let (figure, accuracy) = better.track.0[0];
        assert_eq!((figure, accuracy.value), (Figure::Accuracy, 0.75));
        assert!(accuracy.low.unwrap() > 0.5 && accuracy.high.unwrap() < 0.95);
        let mut fewer = of(0.8);
        fewer.tracks.pop();
        assert!(Comparison::new(&of(0.8), &fewer, &bootstrap).is_err());
    }

    #[test]
    fn nothing_is_not_judged() {
        let none = predictions(HeadKind::Single, vec![track("a", &[0], &[])]);
        assert_eq!(Report::new(&none, &Bootstrap::default()).unwrap_err(), ReportError::Empty);
        assert_eq!(Comparison::new(&none, &none, &Bootstrap::default()).unwrap_err(), ReportError::Empty);
    }
}
