//! Changes to data sets after they are read: other names for labels, weights, several in one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::{Dataset, DatasetError};
use crate::limits::ArgumentError;
use crate::study::vocabulary::Renaming;

/// Column of an index that holds a row's weight.
const WEIGHT: &str = "weight";

/// Column of an index that says where a row's label comes from.
const LABEL_SOURCE: &str = "label_source";

/// Trust in a label's source up to this says that the label is doubtful.
const DOUBTFUL: f64 = 0.5;

/// `--trust SOURCE=WEIGHT,…`: weights of rows by where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    /// A value of the column `label_source`, or the name of a data set.
    pub source: String,
    /// Factor on the weights of its rows, 0 or more.
    pub weight: f64,
}

impl FromStr for Trust {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let parsed = text.split_once('=').and_then(|(source, weight)| {
            let weight: f64 = weight.trim().parse().ok()?;
            let fits = !source.trim().is_empty() && weight.is_finite() && weight >= 0.0;
            fits.then(|| Self { source: source.trim().into(), weight })
        });
        parsed
            .ok_or_else(|| ArgumentError::new("SOURCE=WEIGHT with a weight of 0 or more, as in `folder=0.7`"))
    }
}

impl Dataset {
    /// A data set without files, for material that has none.
    pub fn empty() -> Self {
        Self {
            path: PathBuf::new(),
            names: Vec::new(),
            labels: Vec::new(),
            items: Vec::new(),
            ignored: Vec::new(),
            unlabelled: 0,
            ungrouped: 0,
        }
    }

    /// Several data sets as one, each with its name. Groups of the same name are one; tracks are
    /// not.
    pub fn joined(parts: Vec<(String, Self)>) -> Self {
        let mut whole = Self::empty();
        let words: BTreeSet<Arc<str>> = parts.iter().flat_map(|(_, part)| part.labels.clone()).collect();
        whole.labels = words.into_iter().collect();
        for (source, (name, part)) in parts.into_iter().enumerate() {
            if source == 0 {
                whole.path.clone_from(&part.path);
            }
            let number: Vec<usize> = part.labels.iter().filter_map(|label| whole.number_of(label)).collect();
            whole.items.extend(part.items.into_iter().map(|mut item| {
                item.labels.iter_mut().for_each(|label| *label = number[*label]);
                item.source = source;
                item
            }));
            whole.names.push(name.into());
            whole.ignored.extend(part.ignored);
            whole.unlabelled += part.unlabelled;
            whole.ungrouped += part.ungrouped;
        }
        whole
    }

    fn number_of(&self, label: &str) -> Option<usize> {
        self.labels.binary_search_by(|known| (**known).cmp(label)).ok()
    }

    /// Renames labels. Files of two labels that become one have that one.
    pub fn rename(&mut self, map: &[Renaming]) {
        let named = |label: &Arc<str>| -> Arc<str> {
            map.iter()
                .find(|renaming| *renaming.from == **label)
                .map_or(label.clone(), |r| r.to.as_str().into())
        };
        self.relabel(|label| Some(named(label)));
    }

    /// Keeps only these labels; files without any of them are left out.
    ///
    /// # Errors
    /// A label that does not occur.
    pub fn keep_labels(&mut self, wanted: &[String]) -> Result<(), DatasetError> {
        if let Some(stray) = wanted.iter().find(|label| self.number_of(label).is_none()) {
            let known = self.labels.join(", ");
            return Err(self.wrong(format!("`--labels`: there is no label `{stray}`; it has {known}")));
        }
        self.relabel(|label| wanted.iter().any(|wanted| **wanted == **label).then(|| label.clone()));
        Ok(())
    }

    fn relabel(&mut self, named: impl Fn(&Arc<str>) -> Option<Arc<str>>) {
        let names: Vec<Option<Arc<str>>> = self.labels.iter().map(named).collect();
        let labels: BTreeSet<Arc<str>> = names.iter().flatten().cloned().collect();
        self.labels = labels.into_iter().collect();
        let numbers: Vec<Option<usize>> =
            names.iter().map(|name| name.as_ref().and_then(|name| self.number_of(name))).collect();
        for item in &mut self.items {
            item.labels = item.labels.iter().filter_map(|label| numbers[*label]).collect();
            item.labels.sort_unstable();
            item.labels.dedup();
        }
        self.items.retain(|item| !item.labels.is_empty());
    }

    /// Weighs the files of an index: by its column `weight`, times the trust in its column
    /// `label_source`, times the trust in the data set. Files of weight 0 are left out.
    ///
    /// # Errors
    /// A weight that is no number of 0 or more; trust in a source that no row has.
    pub fn weigh(&mut self, trust: &[Trust]) -> Result<(), DatasetError> {
        let value = |item: &super::Item, column: &str| {
            let found = item.columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        let trusted = |source: &str| {
            trust.iter().find(|trust| trust.source == source).map_or(1.0, |trust| trust.weight)
        };
        let mut seen: BTreeSet<String> = self.names.iter().map(|name| name.to_string()).collect();
        let mut weights = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let (mut weight, mut trust_in_label) = (1.0, 1.0);
            if let Some(text) = value(item, WEIGHT) {
                let parsed = text.parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
                weight = parsed.ok_or_else(|| {
                    let path = item.path.display();
                    self.wrong(format!("the weight of `{path}` is `{text}`, not a number of 0 or more"))
                })?;
            }
            if let Some(source) = value(item, LABEL_SOURCE) {
                trust_in_label = trusted(&source);
                seen.insert(source);
            }
            let of_set = self.names.get(item.source).map_or(1.0, |name| trusted(name));
            weights.push((weight * trust_in_label * of_set, trust_in_label <= DOUBTFUL));
        }
        if let Some(stray) = trust.iter().find(|trust| !seen.contains(&trust.source)) {
            let known = seen.into_iter().collect::<Vec<_>>().join(", ");
            return Err(self.wrong(format!(
                "`--trust {0}={1}`: no row has the `{LABEL_SOURCE}` {0}, and no data set the name; there are {known}",
                stray.source, stray.weight
            )));
        }
        for (item, (weight, is_doubtful)) in self.items.iter_mut().zip(weights) {
            (item.weight, item.is_doubtful) = (weight, is_doubtful);
        }
        self.items.retain(|item| item.weight > 0.0);
        Ok(())
    }

    fn wrong(&self, what: String) -> DatasetError {
        DatasetError::Index { path: self.path.clone(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::DatasetOptions;

    /// An index of `rows` below a header.
    fn index(header: &str, rows: &[&str]) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.csv");
        std::fs::write(&file, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        Dataset::open(&file, &DatasetOptions::default()).unwrap()
    }

    fn shown(dataset: &Dataset) -> Vec<String> {
        dataset
            .items
            .iter()
            .map(|item| format!("{} {}", item.track, dataset.labels_of(item).join("+")))
            .collect()
    }

    fn renaming(from: &str, to: &str) -> Renaming {
        Renaming { from: from.into(), to: to.into() }
    }

    #[test]
    fn labels_are_renamed_joined_and_chosen() {
        let rows = ["a.ogg,disco|funk", "b.ogg,rock", "c.ogg,speech", "d.ogg,funk"];
        let mut data = index("path,genre", &rows);
        data.rename(&[renaming("disco", "disco-funk"), renaming("funk", "disco-funk")]);
        assert_eq!(shown(&data), ["a disco-funk", "b rock", "c speech", "d disco-funk"]);
        data.keep_labels(&["rock".into(), "disco-funk".into()]).unwrap();
        assert_eq!(shown(&data), ["a disco-funk", "b rock", "d disco-funk"]);
        assert_eq!(data.labels, [Arc::from("disco-funk"), Arc::from("rock")]);
        let error = data.keep_labels(&["folk".into()]).unwrap_err().to_string();
        assert!(error.contains("there is no label `folk`"), "{error}");
    }

    #[test]
    fn joined_sets_share_labels_and_groups_and_know_their_sources() {
        let one = index("path,genre,artist", &["x.ogg,rock,A", "y.ogg,jazz,B"]);
        let other = index("path,genre,artist", &["x.ogg,soul,A", "z.ogg,rock,C"]);
        let whole = Dataset::joined(vec![("one".into(), one), ("other".into(), other)]);
        assert_eq!(shown(&whole), ["x rock", "y jazz", "x soul", "z rock"]);
        assert_eq!(whole.labels.join(" "), "jazz rock soul");
        assert_eq!(whole.items.iter().map(|item| item.source).collect::<Vec<_>>(), [0, 0, 1, 1]);
        assert_eq!(whole.names.join(" "), "one other");
    }

    #[test]
    fn weights_are_column_times_trust_and_nought_is_left_out() {
        let rows =
            ["a.ogg,rock,0.5,folder", "b.ogg,rock,,dataset", "c.ogg,jazz,2,weak", "d.ogg,jazz,1,other"];
        let mut data = index("path,genre,weight,label_source", &rows);
        let trust = |text: &str| text.split(',').map(|part| part.parse().unwrap()).collect::<Vec<Trust>>();
        data.weigh(&trust("dataset=1,folder=0.5,weak=0")).unwrap();
        let weights: Vec<(&str, f64, bool)> =
            data.items.iter().map(|item| (&*item.track, item.weight, item.is_doubtful)).collect();
        assert_eq!(weights, [("a", 0.25, true), ("b", 1.0, false), ("d", 1.0, false)]);
        let error = data.weigh(&trust("rumour=0.1")).unwrap_err().to_string();
        assert!(error.contains("there are dataset, folder, index, other"), "{error}");
        // The name of the data set weighs, and says nothing of its labels.
        data.weigh(&trust("index=0.2")).unwrap();
        assert_eq!((data.items[1].weight, data.items[1].is_doubtful), (0.2, false));
        let mut odd = index("path,genre,weight", &["a.ogg,rock,-1", "b.ogg,jazz,1"]);
        assert!(odd.weigh(&[]).unwrap_err().to_string().contains("not a number of 0 or more"));
        assert!("folder".parse::<Trust>().is_err() && "folder=-1".parse::<Trust>().is_err());
    }
}
