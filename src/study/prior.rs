//! Known heads that a new head starts from.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use super::vocabulary::{spelt_otherwise, usual};
use crate::learn::{Labelling, Linear, MusicStatistics, Network, Prior, PriorMean};
use crate::model::{Head, HeadKind, LayerWeights};

/// Names that users give to genres for which known heads have other names, beyond spelling.
/// `docs/guide/train.md` lists them.
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

/// Tags that mean a genre of another name, beyond [`SYNONYMS`]: the nearest of several.
const TAGS: [(&str, &str); 2] = [("rnb-soul", "soul"), ("disco-funk", "funk")];

/// Parts of the base bundle that a new head starts from.
#[derive(Debug, Clone, Default)]
pub struct PriorOptions {
    /// Head whose rows are the prior mean of labels of the same name.
    pub mean: Option<Head>,
    /// Heads along whose logits weights vary more. A label that the mean does not know starts in
    /// the direction of the first of their labels that means the same.
    pub directions: Vec<Head>,
    /// Statistics of music.
    pub statistics: Option<MusicStatistics>,
}

/// Known heads, as maps from embeddings to logits.
#[derive(Debug, Clone, Default)]
pub struct Known {
    labels: Vec<Arc<str>>,
    kind: Option<HeadKind>,
    logits: Option<Network>,
    /// Labels of the directions.
    named: Vec<Arc<str>>,
    directions: Option<Linear>,
    statistics: Option<MusicStatistics>,
}

impl Known {
    /// Maps of the heads of a bundle. Left out are heads with a label map, and directions with a
    /// hidden layer: only linear heads have directions.
    pub fn new(options: &PriorOptions) -> Self {
        let mut known = Self { statistics: options.statistics.clone(), ..Self::default() };
        if let Some((head, logits)) = options.mean.as_ref().and_then(|head| Some((head, network(head)?))) {
            known.labels = head.labels().to_vec();
            known.kind = Some(head.kind());
            known.logits = Some(logits);
        }
        let mut directions = Vec::new();
        for head in &options.directions {
            if let Some(Network { hidden: None, output }) = network(head) {
                known.named.extend_from_slice(head.labels());
                directions.push(output);
            }
        }
        let weights: Vec<ArrayView2<'_, f64>> =
            directions.iter().map(|linear| linear.weight.view()).collect();
        let biases: Vec<_> = directions.iter().map(|linear| linear.bias.view()).collect();
        // Of one embedding, so that only the empty list fails.
        if let (Ok(weight), Ok(bias)) = (concatenate(Axis(0), &weights), concatenate(Axis(0), &biases)) {
            let directions = Linear { weight, bias };
            known.directions = Some(match &known.statistics {
                Some(statistics) => statistics.standardised(&directions),
                None => directions,
            });
        }
        known
    }

    /// Labels of the head that is the mean.
    pub fn labels(&self) -> &[Arc<str>] {
        &self.labels
    }

    /// Statistics of music, where there are any.
    pub fn statistics(&self) -> Option<&MusicStatistics> {
        self.statistics.as_ref()
    }

    /// The label of the mean's head that a label means.
    pub fn meant_by(&self, label: &str) -> Option<usize> {
        meaning(label, &self.labels)
    }

    /// Those of `labels` that the prior of a head of this kind covers: labels of the mean's head,
    /// and labels that have a direction.
    pub fn known_among(&self, labels: &[Arc<str>], labelling: Labelling) -> Vec<Arc<str>> {
        let is_known = |label: &str| {
            self.fits(labelling) && self.meant_by(label).is_some()
                || self.statistics.is_some() && self.named(label).is_some()
        };
        labels.iter().filter(|label| is_known(label)).cloned().collect()
    }

    /// Number of the direction that a label means.
    fn named(&self, label: &str) -> Option<usize> {
        let tag = TAGS.iter().find(|(genre, _)| *genre == label);
        meaning(tag.map_or(label, |(_, tag)| *tag), &self.named)
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
        let known = self.known_rows(labels, labelling);
        let mean = match (known, self.named_rows(labels, labelling)) {
            (Some(mut mean), Some(named)) if mean.logits.hidden.is_none() => {
                let output = &mut mean.logits.output;
                for at in (0..labels.len()).filter(|at| !mean.is_known[*at]) {
                    output.weight.row_mut(at).assign(&named.weight.row(at));
                    output.bias[at] = named.bias[at];
                }
                Some(mean)
            }
            (None, Some(named)) => {
                Some(PriorMean { logits: named.into(), is_known: vec![false; labels.len()] })
            }
            (known, _) => known,
        };
        let scale = self.statistics.as_ref().map(MusicStatistics::weight_scale);
        Prior { scale, directions: self.directions.clone(), mean }
    }

    /// Rows of the mean's head for labels that it has.
    fn known_rows(&self, labels: &[Arc<str>], labelling: Labelling) -> Option<PriorMean> {
        let known = self.logits.as_ref().filter(|_| self.fits(labelling))?;
        let meant: Vec<Option<usize>> = labels.iter().map(|label| self.meant_by(label)).collect();
        if meant.iter().all(Option::is_none) {
            return None;
        }
        // A softmax is the same whatever is added to all its rows: with the mean row taken out, a
        // label that is not known starts as an average one.
        let output = match labelling {
            Labelling::Single => centred(&known.output),
            Labelling::Multi => known.output.clone(),
        };
        let logits = Network { hidden: known.hidden.clone(), output: chosen(&output, &meant) };
        Some(PriorMean { logits, is_known: meant.iter().map(Option::is_some).collect() })
    }

    /// Directions that have the labels' names. They have a scale only where the statistics of music
    /// give them one.
    fn named_rows(&self, labels: &[Arc<str>], labelling: Labelling) -> Option<Linear> {
        let directions = self.directions.as_ref().filter(|_| self.statistics.is_some())?;
        let meant: Vec<Option<usize>> = labels.iter().map(|label| self.named(label)).collect();
        if meant.iter().all(Option::is_none) {
            return None;
        }
        let rows = chosen(directions, &meant);
        Some(match labelling {
            Labelling::Single => centred(&rows),
            Labelling::Multi => rows,
        })
    }
}

/// Label among `known` that a label means: the same, one that differs by case and punctuation
/// alone, or a synonym.
fn meaning(label: &str, known: &[Arc<str>]) -> Option<usize> {
    let place = |name: &str| known.iter().position(|known| **known == *name);
    let synonym = || {
        let (_, to) = SYNONYMS.iter().find(|(from, _)| from.eq_ignore_ascii_case(label))?;
        place(to)
    };
    place(label).or_else(|| spelt_otherwise(label, known)).or_else(|| usual(label, known)).or_else(synonym)
}

/// Rows by number, zeros where there is none.
fn chosen(known: &Linear, rows: &[Option<usize>]) -> Linear {
    let mut weight = Array2::zeros((rows.len(), known.weight.ncols()));
    let mut bias = Array1::zeros(rows.len());
    for (at, row) in rows.iter().enumerate() {
        if let Some(row) = *row {
            weight.row_mut(at).assign(&known.weight.row(row));
            bias[at] = known.bias[row];
        }
    }
    Linear { weight, bias }
}

fn centred(known: &Linear) -> Linear {
    let row = known.weight.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(known.weight.ncols()));
    Linear { weight: &known.weight - &row, bias: &known.bias - known.bias.mean().unwrap_or(0.0) }
}

/// Map from embeddings to calibrated logits; `None` for a head with a label map.
fn network(head: &Head) -> Option<Network> {
    let (hidden, output) = head.layers()?;
    let Linear { weight, bias } = layer(output);
    let output = Linear { weight: weight / head.temperature(), bias: bias / head.temperature() };
    Some(Network { hidden: hidden.map(layer), output })
}

fn layer((weight, bias): LayerWeights<'_>) -> Linear {
    let inputs = weight.len() / bias.len().max(1);
    Linear {
        weight: Array2::from_shape_fn((bias.len(), inputs), |(unit, at)| {
            f64::from(weight[unit * inputs + at])
        }),
        bias: bias.iter().map(|bias| f64::from(*bias)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn known(kind: HeadKind) -> Known {
        Known {
            labels: ["hip-hop", "rnb-soul", "rock"].map(Arc::from).to_vec(),
            kind: Some(kind),
            logits: Some(
                Linear { weight: array![[1.0, 0.0], [3.0, 0.0], [5.0, 3.0]], bias: array![0.0, 3.0, 6.0] }
                    .into(),
            ),
            ..Known::default()
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

    /// A known label has its row less the mean row, which is (3, 1) with the bias 3; an unknown one
    /// has nothing.
    #[test]
    fn the_mean_has_the_known_rows() {
        let mean = known(HeadKind::Single).prior(&labels(&["polka", "rock", "soul"]), Labelling::Single).mean;
        let mean = mean.unwrap();
        assert_eq!(mean.is_known, [false, true, true]);
        assert_eq!(mean.logits.output.weight, array![[0.0, 0.0], [2.0, 2.0], [0.0, -1.0]]);
        assert_eq!(mean.logits.output.bias, array![0.0, 3.0, 0.0]);
        let sigmoids =
            known(HeadKind::Multi).prior(&labels(&["polka", "rock"]), Labelling::Multi).mean.unwrap();
        assert_eq!(sigmoids.logits.output.weight, array![[0.0, 0.0], [5.0, 3.0]]);
        let none = known(HeadKind::Single).prior(&labels(&["polka", "waltz"]), Labelling::Single);
        assert_eq!(none, Prior::default());
    }

    /// Labels that the mean lacks start in the direction of the tag that means them, at unit
    /// deviation over music; the directions are centred over all labels.
    #[test]
    fn unknown_labels_start_in_the_direction_of_their_tag() {
        let factor = array![[1.0, 0.0], [0.0, 1.0]];
        let statistics = MusicStatistics::new(array![1.0, 0.0], array![1.0, 2.0], factor).unwrap();
        let directions = Linear { weight: array![[4.0, 0.0], [0.0, 1.0]], bias: array![9.0, 9.0] };
        let directions = statistics.standardised(&directions);
        let known = Known {
            named: labels(&["soul", "Klezmer"]),
            directions: Some(directions),
            statistics: Some(statistics),
            ..known(HeadKind::Single)
        };
        let wanted = labels(&["klezmer", "rock", "rnb-soul", "polka"]);
        let mean = known.prior(&wanted, Labelling::Single).mean.unwrap();
        assert_eq!(mean.is_known, [false, true, true, false]);
        // Rows (0, 1/2), (0, 0), (1, 0) with the bias −1, (0, 0), less their mean.
        assert_eq!(mean.logits.output.weight.row(0), array![-0.25, 0.375]);
        assert_eq!(mean.logits.output.bias[0], 0.25);
        assert_eq!(mean.logits.output.weight.row(1), array![2.0, 2.0]);
        assert_eq!(mean.logits.output.weight.row(3), array![-0.25, -0.125]);
        let alone = Known { logits: None, labels: Vec::new(), kind: None, ..known };
        let mean = alone.prior(&wanted, Labelling::Single).mean.unwrap();
        assert_eq!(mean.is_known, [false; 4]);
        assert_eq!(mean.logits.output.weight.row(2), array![0.75, -0.125]);
        assert_eq!(alone.prior(&labels(&["polka"]), Labelling::Single).mean, None);
    }
}
