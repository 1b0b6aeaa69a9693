//! Known heads that a new head starts from.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use super::vocabulary::{spelt_otherwise, usual};
use crate::learn::{Labelling, Linear, Prior, PriorMean};
use crate::model::{Head, HeadKind};

/// Names that users give to genres that known heads call otherwise, beyond spelling. `docs/guide/train.md` lists them.
const SYNONYMS: [(&str, &str); 14] = [
    ("funk", "disco-funk"),
    ("rap", "hip-hop"),
    ("rnb", "rnb-soul"),
    ("r&b", "rnb-soul"),
    ("soul", "rnb-soul"),
    ("gospel", "rnb-soul"),
    ("techno", "electronic"),
    ("house", "electronic"),
    ("dance", "electronic"),
    ("edm", "electronic"),
    ("electronica", "electronic"),
    ("heavy metal", "metal"),
    ("orchestral", "classical"),
    ("singer-songwriter", "folk"),
];

/// Which heads of the base bundle a new head starts from.
#[derive(Debug, Clone, Default)]
pub struct PriorOptions {
    /// The head whose rows are the prior mean of labels of the same name.
    pub mean: Option<Head>,
    /// Heads whose logits are directions along which weights vary more.
    pub directions: Vec<Head>,
}

/// Known heads, as linear maps.
#[derive(Debug, Clone, Default)]
pub struct Known {
    labels: Vec<Arc<str>>,
    kind: Option<HeadKind>,
    logits: Option<Linear>,
    directions: Option<Linear>,
}

impl Known {
    /// From heads of a bundle. Heads with a hidden layer or a label map are no linear maps, and are left out.
    pub fn new(options: &PriorOptions) -> Self {
        let mut known = Self::default();
        if let Some((head, logits)) = options.mean.as_ref().and_then(|head| Some((head, linear(head)?))) {
            known.labels = head.labels().to_vec();
            known.kind = Some(head.kind());
            known.logits = Some(logits);
        }
        let directions: Vec<Linear> = options.directions.iter().filter_map(linear).collect();
        let weights: Vec<ArrayView2<'_, f64>> =
            directions.iter().map(|linear| linear.weight.view()).collect();
        let biases: Vec<_> = directions.iter().map(|linear| linear.bias.view()).collect();
        // Of one embedding, so that only the empty list fails.
        if let (Ok(weight), Ok(bias)) = (concatenate(Axis(0), &weights), concatenate(Axis(0), &biases)) {
            known.directions = Some(Linear { weight, bias });
        }
        known
    }

    /// Labels of the head that is the mean.
    pub fn labels(&self) -> &[Arc<str>] {
        &self.labels
    }

    /// Which of these labels a label means: the same, one that differs by case and punctuation alone, or a synonym.
    pub fn meant_by(&self, label: &str) -> Option<usize> {
        let place = |name: &str| self.labels.iter().position(|known| **known == *name);
        let synonym = || {
            let (_, to) = SYNONYMS.iter().find(|(from, _)| from.eq_ignore_ascii_case(label))?;
            place(to)
        };
        place(label)
            .or_else(|| spelt_otherwise(label, &self.labels))
            .or_else(|| usual(label, &self.labels))
            .or_else(synonym)
    }

    /// Which of `labels` the prior of a head of this kind knows.
    pub fn known_among(&self, labels: &[Arc<str>], labelling: Labelling) -> Vec<Arc<str>> {
        match self.fits(labelling) {
            true => labels.iter().filter(|label| self.meant_by(label).is_some()).cloned().collect(),
            false => Vec::new(),
        }
    }

    /// Logits of a softmax are no logits of sigmoids.
    fn fits(&self, labelling: Labelling) -> bool {
        self.kind
            == Some(match labelling {
                Labelling::Single => HeadKind::Single,
                Labelling::Multi => HeadKind::Multi,
            })
    }

    /// The prior over a head with these labels.
    pub fn prior(&self, labels: &[Arc<str>], labelling: Labelling) -> Prior {
        let mean = self.logits.as_ref().filter(|_| self.fits(labelling)).and_then(|known| {
            let meant: Vec<Option<usize>> = labels.iter().map(|label| self.meant_by(label)).collect();
            if meant.iter().all(Option::is_none) {
                return None;
            }
            // A softmax is the same whatever is added to all its rows: with the mean row taken out, a label that is
            // not known starts as an average one.
            let known = match labelling {
                Labelling::Single => centred(known),
                Labelling::Multi => known.clone(),
            };
            let mut weight = Array2::zeros((labels.len(), known.weight.ncols()));
            let mut bias = Array1::zeros(labels.len());
            for (at, meant) in meant.iter().enumerate() {
                if let Some(meant) = *meant {
                    weight.row_mut(at).assign(&known.weight.row(meant));
                    bias[at] = known.bias[meant];
                }
            }
            let is_known = meant.iter().map(Option::is_some).collect();
            Some(PriorMean { logits: Linear { weight, bias }, is_known })
        });
        Prior { directions: self.directions.clone(), mean }
    }
}

fn centred(known: &Linear) -> Linear {
    let row = known.weight.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(known.weight.ncols()));
    Linear { weight: &known.weight - &row, bias: &known.bias - known.bias.mean().unwrap_or(0.0) }
}

/// Calibrated logits of a head, where it is a linear map.
fn linear(head: &Head) -> Option<Linear> {
    let (weight, bias, temperature) = head.linear()?;
    let weight = Array2::from_shape_fn((bias.len(), weight.len() / bias.len()), |(unit, at)| {
        f64::from(weight[unit * (weight.len() / bias.len()) + at]) / temperature
    });
    let bias = bias.iter().map(|bias| f64::from(*bias) / temperature).collect();
    Some(Linear { weight, bias })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn known(kind: HeadKind) -> Known {
        Known {
            labels: ["hip-hop", "rnb-soul", "rock"].map(Arc::from).to_vec(),
            kind: Some(kind),
            logits: Some(Linear {
                weight: array![[1.0, 0.0], [3.0, 0.0], [5.0, 3.0]],
                bias: array![0.0, 3.0, 6.0],
            }),
            directions: None,
        }
    }

    fn labels(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn labels_meet_by_name_spelling_and_synonym() {
        let known = known(HeadKind::Single);
        let meant = ["rock", "Hip Hop", "R&B", "soul", "rap", "schlager"].map(|label| known.meant_by(label));
        assert_eq!(meant, [Some(2), Some(0), Some(1), Some(1), Some(0), None]);
        let among = labels(&["schlager", "soul"]);
        assert_eq!(known.known_among(&among, Labelling::Single), labels(&["soul"]));
        assert!(known.known_among(&among, Labelling::Multi).is_empty());
    }

    /// Every synonym means a genre that no other rule would find, and each is documented.
    #[test]
    fn synonyms_are_documented() {
        let guide =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide/train.md")).unwrap();
        for (from, to) in SYNONYMS {
            assert!(guide.contains(&format!("`{from}`")) && guide.contains(&format!("`{to}`")), "{from}");
        }
    }

    /// A known label has its row less the mean row, which is (3, 1) with the bias 3; an unknown one has nothing.
    #[test]
    fn the_mean_has_the_known_rows() {
        let mean = known(HeadKind::Single).prior(&labels(&["polka", "rock", "soul"]), Labelling::Single).mean;
        let mean = mean.unwrap();
        assert_eq!(mean.is_known, [false, true, true]);
        assert_eq!(mean.logits.weight, array![[0.0, 0.0], [2.0, 2.0], [0.0, -1.0]]);
        assert_eq!(mean.logits.bias, array![0.0, 3.0, 0.0]);
        let sigmoids =
            known(HeadKind::Multi).prior(&labels(&["polka", "rock"]), Labelling::Multi).mean.unwrap();
        assert_eq!(sigmoids.logits.weight, array![[0.0, 0.0], [5.0, 3.0]]);
        let none = known(HeadKind::Single).prior(&labels(&["polka", "waltz"]), Labelling::Single);
        assert_eq!(none, Prior::default());
    }
}
