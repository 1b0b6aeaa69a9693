//! Matching of the labels of a data set with those of a head.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use super::report::PatchPrediction;
use crate::limits::ArgumentError;
use crate::model::{Head, HeadKind};

/// GTZAN's labels that other vocabularies call otherwise, beyond spelling.
const GTZAN: [(&str, &str); 1] = [("disco", "disco-funk")];

/// `FROM=TO`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renaming {
    /// The label as it is.
    pub from: String,
    /// Label that it counts as.
    pub to: String,
}

impl FromStr for Renaming {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        match text.split_once('=').map(|(from, to)| (from.trim(), to.trim())) {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => {
                Ok(Self { from: from.into(), to: to.into() })
            }
            _ => Err(ArgumentError::new("FROM=TO, as in `disco=disco-funk`")),
        }
    }
}

/// Options of matching labels.
#[derive(Debug, Clone, Default)]
pub struct VocabularyOptions {
    /// Labels of the data that the head calls otherwise.
    pub map: Vec<Renaming>,
    /// Labels of the head whose posterior is added to another's.
    pub merge: Vec<Renaming>,
    /// Answers only with labels that the data has: posteriors of a head whose labels exclude each
    /// other are divided by their sum.
    pub restrict: bool,
    /// Leaves out what the head has no word for.
    pub ignore_unknown: bool,
}

/// Reason for labels that do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// Labels of the data that the head lacks.
    #[error(
        "the data has labels that the head `{head}` does not know: {unknown}; it knows {known}; name each as one of these with `--map LABEL=KNOWN`, or leave their files out with `--ignore-unknown`"
    )]
    Unknown {
        /// The head.
        head: Arc<str>,
        /// Labels of the data.
        unknown: String,
        /// Labels of the head.
        known: String,
    },
    /// A renaming that names nothing.
    #[error("`{option} {from}={to}`: there is no label `{stray}`; known are {known}")]
    NoSuchLabel {
        /// The option.
        option: &'static str,
        /// The left side.
        from: String,
        /// The right side.
        to: String,
        /// The one that does not exist.
        stray: String,
        /// Labels that exist.
        known: String,
    },
    /// Too little is left.
    #[error(
        "nothing is left to tell apart: of the head's labels the data has {present}; add data of others, or leave out `--restrict`"
    )]
    TooFew {
        /// Labels that are left.
        present: String,
    },
}

impl VocabularyOptions {
    /// Without the renamings whose target `head` does not have: those are meant for the head that
    /// it is compared with.
    pub fn of(&self, head: &Head) -> Self {
        let has = |label: &String| head.labels().iter().any(|known| **known == **label);
        let mut fitting = self.clone();
        fitting.map.retain(|renaming| has(&renaming.to));
        fitting.merge.retain(|renaming| has(&renaming.from) && has(&renaming.to));
        fitting
    }
}

/// Match of a data set's labels with a head's.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// The labels that are evaluated.
    pub labels: Vec<Arc<str>>,
    /// Labels of the data that are called otherwise in the end.
    pub mapped: BTreeMap<String, String>,
    /// Labels of the head that count as another.
    pub merged: BTreeMap<String, String>,
    /// Labels of the data that are left out.
    pub unknown: Vec<Arc<str>>,
    /// True if only labels that the data has can be answered.
    pub is_restricted: bool,
    kind: HeadKind,
    /// For each label of the data, where it is in `labels`.
    truth: Vec<Option<usize>>,
    /// For each label of the head, where its posterior goes.
    home: Vec<Option<usize>>,
}

impl Vocabulary {
    /// Brings `data`'s labels together with `head`'s. A label of the data is, in this order: what
    /// `options.map` says; the same label; the one label that differs by case, blanks and
    /// punctuation alone; what GTZAN's names usually mean.
    ///
    /// # Errors
    /// Labels that the head does not know, options that name none, too few labels.
    pub fn new(data: &[Arc<str>], head: &Head, options: &VocabularyOptions) -> Result<Self, VocabularyError> {
        let known = head.labels();
        let index = |label: &str| known.iter().position(|known| **known == *label);
        check(&options.map, "--map", data, |renaming| &renaming.from)?;
        check(&options.map, "--map", known, |renaming| &renaming.to)?;
        check(&options.merge, "--merge", known, |renaming| &renaming.from)?;
        check(&options.merge, "--merge", known, |renaming| &renaming.to)?;

        let counts_as = |label: usize| {
            let renaming = options.merge.iter().find(|renaming| *renaming.from == *known[label]);
            renaming.and_then(|renaming| index(&renaming.to)).unwrap_or(label)
        };
        let in_head = |label: &Arc<str>| {
            let named = options.map.iter().find(|renaming| *renaming.from == **label);
            let found = match named {
                Some(renaming) => index(&renaming.to),
                None => {
                    index(label).or_else(|| spelt_otherwise(label, known)).or_else(|| usual(label, known))
                }
            };
            found.map(counts_as)
        };
        let found: Vec<Option<usize>> = data.iter().map(in_head).collect();
        let unknown: Vec<Arc<str>> = data
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|(label, _)| label.clone())
            .collect();
        if !unknown.is_empty() && !options.ignore_unknown {
            return Err(VocabularyError::Unknown {
                head: head.name().clone(),
                unknown: unknown.join(", "),
                known: known.join(", "),
            });
        }
        let is_kept =
            |label: usize| counts_as(label) == label && (!options.restrict || found.contains(&Some(label)));
        let kept: Vec<usize> = (0..known.len()).filter(|label| is_kept(*label)).collect();
        if found.iter().all(Option::is_none) || head.kind() == HeadKind::Single && kept.len() < 2 {
            let present: Vec<&str> = kept.iter().map(|label| &*known[*label]).collect();
            let present =
                if present.is_empty() { "none".into() } else { format!("only {}", present.join(", ")) };
            return Err(VocabularyError::TooFew { present });
        }
        let place = |label: usize| kept.iter().position(|kept| *kept == label);
        Ok(Self {
            labels: kept.iter().map(|label| known[*label].clone()).collect(),
            mapped: data
                .iter()
                .zip(&found)
                .filter_map(|(label, found)| Some((label.to_string(), known[(*found)?].to_string())))
                .filter(|(from, to)| from != to)
                .collect(),
            merged: options.merge.iter().map(|r| (r.from.clone(), r.to.clone())).collect(),
            unknown,
            is_restricted: options.restrict,
            kind: head.kind(),
            truth: found.into_iter().map(|found| found.and_then(place)).collect(),
            home: (0..known.len()).map(|label| place(counts_as(label))).collect(),
        })
    }

    /// The true labels of an item, as ascending indices into [`Vocabulary::labels`]; empty where
    /// none is known.
    pub fn truth(&self, labels: &[usize]) -> Vec<usize> {
        let mut truth: Vec<usize> = labels.iter().filter_map(|label| *self.truth.get(*label)?).collect();
        truth.sort_unstable();
        truth.dedup();
        truth
    }

    /// A head's answer in these labels.
    pub fn answer(&self, posteriors: &[f32], is_music: bool) -> PatchPrediction {
        let mut sums = vec![0f64; self.labels.len()];
        for (home, p) in self.home.iter().zip(posteriors) {
            if let Some(home) = home {
                sums[*home] += f64::from(*p);
            }
        }
        let total: f64 = sums.iter().sum();
        if self.is_restricted && self.kind == HeadKind::Single {
            let even = 1.0 / sums.len() as f64;
            sums.iter_mut().for_each(|p| *p = if total > 0.0 { *p / total } else { even });
        }
        PatchPrediction { posteriors: sums.into_iter().map(|p| p.min(1.0) as f32).collect(), is_music }
    }
}

fn check(
    renamings: &[Renaming],
    option: &'static str,
    known: &[Arc<str>],
    label: impl Fn(&Renaming) -> &String,
) -> Result<(), VocabularyError> {
    match renamings.iter().find(|renaming| !known.iter().any(|known| **known == **label(renaming))) {
        Some(renaming) => Err(VocabularyError::NoSuchLabel {
            option,
            from: renaming.from.clone(),
            to: renaming.to.clone(),
            stray: label(renaming).clone(),
            known: known.join(", "),
        }),
        None => Ok(()),
    }
}

/// The one label that is the same but for case, blanks and punctuation.
pub(super) fn spelt_otherwise(label: &str, known: &[Arc<str>]) -> Option<usize> {
    let bare = |text: &str| {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    let wanted = bare(label);
    let mut fits = known.iter().enumerate().filter(|(_, known)| bare(known) == wanted).map(|(at, _)| at);
    fits.next().filter(|_| fits.next().is_none() && !wanted.is_empty())
}

/// Usual label for GTZAN's name of a genre.
pub(super) fn usual(label: &str, known: &[Arc<str>]) -> Option<usize> {
    let (_, to) = GTZAN.iter().find(|(from, _)| *from == label)?;
    known.iter().position(|known| **known == **to)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "name = 'h'\nembedding_id = 'e'\nweights = 'h.safetensors'\n[calibration]\nkind = 'temperature'\ntemperature = 1.0\n";

    /// A head with these labels; its weights do not matter here.
    fn head(kind: &str, labels: &[&str]) -> Head {
        let folder = tempfile::tempdir().unwrap();
        let zeros = vec![0u8; labels.len() * 4];
        let view =
            |shape| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &zeros).unwrap();
        let tensors = [("weight", view(vec![labels.len(), 1])), ("bias", view(vec![labels.len()]))];
        let bytes = safetensors::serialize(tensors, None).unwrap();
        std::fs::write(folder.path().join("h.safetensors"), bytes).unwrap();
        let text = format!("kind = '{kind}'\nlabels = {labels:?}\n{TOML}");
        std::fs::write(folder.path().join("h.toml"), text).unwrap();
        Head::load(&folder.path().join("h.toml"), "e", 1).unwrap()
    }

    fn words(labels: &[&str]) -> Vec<Arc<str>> {
        labels.iter().map(|label| (*label).into()).collect()
    }

    fn options(map: &[&str], merge: &[&str]) -> VocabularyOptions {
        let renamings = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        VocabularyOptions { map: renamings(map), merge: renamings(merge), ..VocabularyOptions::default() }
    }

    const FIFTEEN: [&str; 6] = ["disco-funk", "electronic", "hip-hop", "jazz", "punk", "rock"];

    #[test]
    fn labels_meet_by_map_spelling_and_custom() {
        let data = words(&["Rock", "disco", "hiphop", "indie"]);
        let found =
            Vocabulary::new(&data, &head("single", &FIFTEEN), &options(&["indie=rock"], &[])).unwrap();
        let truth: Vec<_> = (0..4).map(|label| found.truth(&[label])).collect();
        assert_eq!(truth, [[5], [0], [2], [5]]);
        assert_eq!(found.labels, words(&FIFTEEN));
        let mapped: Vec<_> = found.mapped.iter().map(|(from, to)| format!("{from}={to}")).collect();
        assert_eq!(mapped, ["Rock=rock", "disco=disco-funk", "hiphop=hip-hop", "indie=rock"]);
        // A head that has the label itself keeps it.
        let own = Vocabulary::new(
            &words(&["disco", "x"]),
            &head("single", &["disco", "disco-funk", "x"]),
            &options(&[], &[]),
        );
        assert_eq!(own.unwrap().truth(&[0]), [0]);
    }

    #[test]
    fn restricted_answers_are_renormalised_and_merged_ones_added() {
        let data = words(&["disco", "rock"]);
        let restrict = VocabularyOptions { restrict: true, ..options(&[], &["punk=rock"]) };
        let found = Vocabulary::new(&data, &head("single", &FIFTEEN), &restrict).unwrap();
        assert_eq!(found.labels, words(&["disco-funk", "rock"]));
        // By hand: 0.1 against 0.1 + 0.2.
        let answer = found.answer(&[0.1, 0.4, 0.1, 0.1, 0.1, 0.2], true).posteriors;
        assert!((answer[0] - 0.25).abs() < 1e-6 && (answer[1] - 0.75).abs() < 1e-6, "{answer:?}");
        assert_eq!(found.answer(&[0.0; 6], true).posteriors, [0.5, 0.5]);
        let all = Vocabulary::new(&data, &head("single", &FIFTEEN), &options(&[], &["punk=rock"])).unwrap();
        assert_eq!(all.labels.len(), 5);
        assert!((all.answer(&[0.1, 0.4, 0.1, 0.1, 0.1, 0.2], true).posteriors[4] - 0.3).abs() < 1e-6);
        // Each label of a multi head is independent.
        let multi = Vocabulary::new(&data, &head("multi", &FIFTEEN), &restrict).unwrap();
        assert_eq!(multi.answer(&[0.1, 0.4, 0.1, 0.1, 0.0, 0.2], true).posteriors, [0.1, 0.2]);
    }

    #[test]
    fn what_is_not_known_is_named_or_ignored() {
        let data = words(&["polka", "rock", "jazz"]);
        let head = head("single", &FIFTEEN);
        let error =
            |options: &VocabularyOptions| Vocabulary::new(&data, &head, options).unwrap_err().to_string();
        let text = error(&options(&[], &[]));
        assert!(
            text.contains("does not know: polka;") && text.contains("it knows disco-funk, electronic"),
            "{text}"
        );
        assert!(error(&options(&["polka=folk"], &[])).contains("no label `folk`; known are disco-funk"));
        assert!(
            error(&options(&["polca=rock"], &[])).contains("no label `polca`; known are polka, rock, jazz")
        );
        assert!(
            error(&options(&[], &["funk=rock"])).contains("`--merge funk=rock`: there is no label `funk`")
        );
        let ignore = VocabularyOptions { ignore_unknown: true, ..options(&[], &[]) };
        let found = Vocabulary::new(&data, &head, &ignore).unwrap();
        assert_eq!((found.truth(&[0]), found.truth(&[0, 1])), (vec![], vec![5]));
        assert_eq!(found.unknown, words(&["polka"]));
        let none = Vocabulary::new(&words(&["polka"]), &head, &ignore).unwrap_err().to_string();
        assert!(none.contains("nothing is left"), "{none}");
        let one = VocabularyOptions { restrict: true, ..ignore };
        let error = Vocabulary::new(&words(&["rock"]), &head, &one).unwrap_err().to_string();
        assert!(error.contains("only rock"), "{error}");
        assert!("rock".parse::<Renaming>().is_err() && "rock=".parse::<Renaming>().is_err());
    }
}
