//! Recordings that the weights have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::{Bundle, ModelError, TrainingEntry};

/// Words that number recordings without saying which they are.
const GENERIC: [&str; 11] =
    ["track", "audio", "song", "file", "take", "cut", "clip", "untitled", "disc", "part", "sample"];

/// Training material of several bundles.
#[derive(Debug, Clone, Default)]
pub struct TrainingMaterial {
    /// Ids as they are listed, by each way of writing them in full.
    ids: BTreeMap<String, String>,
    /// Of those with a data set's name before them and a telling name: by the name alone.
    names: BTreeMap<String, String>,
    sounds: BTreeSet<String>,
}

impl TrainingMaterial {
    /// That of several bundles together.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a TrainingEntry>) -> Self {
        let mut material = Self::default();
        for entry in entries {
            for id in &entry.tracks {
                let track = within_data_set(id);
                let is_telling = is_telling(last_part(track.unwrap_or(id)));
                // The sound identifies the recording better than `rock/01`.
                if !is_telling && !entry.pcm_sha256.is_empty() {
                    continue;
                }
                material.ids.insert(id.clone(), id.clone());
                if let Some(track) = track {
                    material.ids.insert(track.into(), id.clone());
                    if is_telling {
                        material.names.insert(track.into(), id.clone());
                    }
                }
            }
            material.sounds.extend(entry.pcm_sha256.iter().map(|digest| digest.to_ascii_lowercase()));
        }
        material
    }

    /// Training material of the bundle that the head in `file` lies in; `None` where it lies in
    /// none.
    ///
    /// # Errors
    /// That bundle cannot be read.
    pub fn beside(file: &Path) -> Result<Option<TrainingEntry>, ModelError> {
        let folder = file.canonicalize().ok().and_then(|file| Some(file.parent()?.parent()?.to_path_buf()));
        match folder.filter(|folder| folder.join("manifest.toml").exists()) {
            Some(folder) => Ok(Some(Bundle::open(&folder.display().to_string())?.training()?)),
            None => Ok(None),
        }
    }

    /// The listed id that a track's id means.
    ///
    /// `gtzan:blues.00029` is meant by `gtzan:blues.00029` and `blues.00029`, and by
    /// `blues/blues.00029` too: its last part, unless that is a mere number (`01`, `track 01`). An
    /// id without a data set's name is meant by itself alone. Mere numbers mean nothing where the
    /// manifest lists hashes.
    pub fn lists_track(&self, id: &str) -> Option<&str> {
        self.ids.get(id).or_else(|| self.names.get(last_part(id))).map(String::as_str)
    }

    /// True if a recording's hash is listed.
    pub fn lists_sound(&self, pcm_sha256: &str) -> bool {
        self.sounds.contains(pcm_sha256)
    }
}

/// `TRACK` of `DATASET:TRACK`.
fn within_data_set(id: &str) -> Option<&str> {
    let (set, track) = id.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = !set.is_empty() && set.chars().all(is_name) && !track.is_empty() && !track.starts_with(' ');
    fits.then_some(track)
}

fn last_part(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// True if a name alone identifies the recording: letters that are more than a generic word.
fn is_telling(name: &str) -> bool {
    let letters: String = name.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    letters.chars().count() >= 3 && !GENERIC.contains(&letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_matched_by_what_they_tell() {
        let entry = TrainingEntry {
            tracks: [
                "gtzan:blues.00029",
                "mine:01",
                "mine:track 02",
                "rock/01",
                "rock/Ann: Song",
                "radio:pop/hit",
            ]
            .map(String::from)
            .into(),
            ..TrainingEntry::default()
        };
        let material = TrainingMaterial::new([&entry]);
        for (id, expected) in [
            ("gtzan:blues.00029", Some("gtzan:blues.00029")),
            ("blues.00029", Some("gtzan:blues.00029")),
            ("blues/blues.00029", Some("gtzan:blues.00029")),
            ("test/blues/blues.00029", Some("gtzan:blues.00029")),
            ("fma:blues.00029", None),
            ("blues.0002", None),
            ("blues/blues.00029-cover", None),
            // Generic names identify a recording only if they are written in full.
            ("01", Some("mine:01")),
            ("jazz/01", None),
            ("track 02", Some("mine:track 02")),
            ("jazz/track 02", None),
            ("rock/01", Some("rock/01")),
            ("other/rock/01", None),
            ("rock/Ann: Song", Some("rock/Ann: Song")),
            (" Song", None),
            ("pop/hit", Some("radio:pop/hit")),
            ("hit", None),
        ] {
            assert_eq!(material.lists_track(id), expected, "{id}");
        }
    }

    #[test]
    fn numbers_mean_nothing_beside_hashes() {
        let tracks: Vec<String> = ["mine:rock/01", "mine:rock/blues.00029"].map(String::from).into();
        let lists = |pcm_sha256: Vec<String>, id: &str| {
            let entry = TrainingEntry { tracks: tracks.clone(), pcm_sha256, ..TrainingEntry::default() };
            TrainingMaterial::new([&entry]).lists_track(id).is_some()
        };
        let digest = || vec!["ab".repeat(32)];
        assert!(lists(vec![], "rock/01") && !lists(digest(), "rock/01"));
        assert!(lists(vec![], "rock/blues.00029") && lists(digest(), "rock/blues.00029"));
    }

    #[test]
    fn sounds_are_matched_by_their_hash() {
        let entry = TrainingEntry { pcm_sha256: vec!["AB".repeat(32)], ..TrainingEntry::default() };
        let material = TrainingMaterial::new([&entry, &TrainingEntry::default()]);
        assert!(material.lists_sound(&"ab".repeat(32)));
        assert!(!material.lists_sound(&"ac".repeat(32)));
    }
}
