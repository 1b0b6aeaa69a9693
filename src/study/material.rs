//! Usable part of a data set, and the list of the rest.

mod assemble;
mod error;
mod gathering;
#[cfg(test)]
mod tests;
mod tracks;

pub use error::MaterialError;
use gathering::KeptFile;
pub use gathering::{Gathering, LeftOut};
pub use tracks::{Dominance, Material, Track};

use std::collections::BTreeMap;

use super::dataset::Item;
use super::offline::EmbeddedAudio;

impl Material {
    /// Puts together what was heard of a data set's items, in their order, and the sets of
    /// embeddings.
    ///
    /// Left out are files that could not be heard, silent patches, copies, and, if labels exclude
    /// each other, files whose sound is also under another label. If they do not, such a file's
    /// labels are joined.
    ///
    /// # Errors
    /// A label keeps no track, or its tracks are in one group only, or all tracks have it.
    pub fn gather(from: &Gathering<'_>) -> Result<(Self, LeftOut), MaterialError> {
        let dataset = from.dataset;
        let mut left_out = LeftOut::default();
        let (heard, altered) = from.heard.split_at(dataset.items.len().min(from.heard.len()));
        let mut by_sound: BTreeMap<&str, Vec<(usize, &Item, &EmbeddedAudio)>> = BTreeMap::new();
        for (index, (item, heard)) in dataset.items.iter().zip(heard).enumerate() {
            match heard {
                Err(error) => left_out.unreadable.push((item.path.clone(), error.to_string())),
                Ok(heard) if heard.levels.iter().all(|level| level.lufs_s < from.silence_lufs) => {
                    left_out.silent.push(item.path.clone());
                }
                Ok(heard) => by_sound.entry(&heard.pcm_sha256).or_default().push((index, item, heard)),
            }
        }
        // Into the data set's order: that of the hashes would change with every bit of a recording.
        let mut sounds: Vec<_> = by_sound.into_values().collect();
        sounds.sort_by_key(|copies| copies[0].0);
        let mut kept: Vec<KeptFile<'_>> = Vec::new();
        for copies in sounds {
            let (index, first, heard) = copies[0];
            let paths = copies.iter().map(|(_, item, _)| item.path.clone());
            let mut labels: Vec<usize> =
                copies.iter().flat_map(|(_, item, _)| &item.labels).copied().collect();
            labels.sort_unstable();
            labels.dedup();
            if !from.multi && labels != first.labels {
                left_out.contradictions.push(paths.collect());
                continue;
            }
            left_out.copies.extend(paths.skip(1).map(|copy| (copy, first.path.clone())));
            let altered =
                altered.chunks(dataset.items.len().max(1)).filter_map(|copy| copy.get(index)?.as_ref().ok());
            kept.push(KeptFile { item: first, labels, heard, altered: altered.collect() });
        }
        let material = assemble::assemble(from, &kept, &mut left_out)?;
        material.check(from)?;
        Ok((material, left_out))
    }

    fn check(&self, from: &Gathering<'_>) -> Result<(), MaterialError> {
        if let [label] = self.labels.as_slice() {
            return Err(MaterialError::OneLabel { label: label.clone() });
        }
        for (index, label) in self.labels.iter().enumerate() {
            let (label, of) = (label.clone(), self.tracks_of(index));
            if of.is_empty() {
                if from.kept.contains(&label) {
                    continue;
                }
                let names = &from.dataset.labels;
                let is_it = |number: &usize| names.get(*number) == Some(&label);
                let files = from.dataset.items.iter().filter(|item| item.labels.iter().any(is_it)).count();
                return Err(MaterialError::Nothing { label, files });
            }
            let groups = self.groups_of(index);
            if groups < 2 && !from.known.contains(&label) {
                return Err(MaterialError::TooFew { label, tracks: of.len(), groups });
            }
            if of.len() == self.tracks.len() && !from.known.contains(&label) {
                return Err(MaterialError::Everywhere { label });
            }
        }
        Ok(())
    }
}
