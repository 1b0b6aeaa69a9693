//! Deletion of old clips, by age and by total size.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::open_clip::PART_SUFFIX;
use crate::event::ClipFileName;

/// Limits of the clips of one source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ClipRetention {
    /// Largest age; `None` for no limit.
    pub(super) max_age: Option<Duration>,
    /// Largest total size, in bytes.
    pub(super) max_bytes: u64,
}

/// Complete clip in a folder.
struct StoredClip {
    path: PathBuf,
    written: SystemTime,
    bytes: u64,
}

impl ClipRetention {
    /// Deletes the clips in `folder` that are too old at `now`, and the oldest ones until the rest
    /// is within the size. The newest clip is kept whatever its size. Other files are left alone.
    /// Returns the number of deleted clips.
    ///
    /// # Errors
    /// The folder cannot be read, or a clip cannot be deleted.
    pub(super) fn enforce(&self, folder: &Path, now: SystemTime) -> io::Result<u64> {
        let mut clips = list(folder)?;
        clips.sort_by(|one, other| (one.written, &one.path).cmp(&(other.written, &other.path)));
        let mut total: u64 = clips.iter().map(|clip| clip.bytes).sum();
        let newest = clips.len().saturating_sub(1);
        let mut deleted = 0;
        for (index, clip) in clips.iter().enumerate() {
            let age = now.duration_since(clip.written).unwrap_or_default();
            let is_old = self.max_age.is_some_and(|max| age > max);
            let is_too_much = total > self.max_bytes && index < newest;
            if !is_old && !is_too_much {
                continue;
            }
            match fs::remove_file(&clip.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            total -= clip.bytes;
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// Lists the clips in `folder`; none where there is no folder.
fn list(folder: &Path) -> io::Result<Vec<StoredClip>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut clips = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().and_then(ClipFileName::parse).is_none() {
            continue;
        }
        // A file that has just been deleted by someone else is no error.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            let written = metadata.modified()?;
            clips.push(StoredClip { path: entry.path(), written, bytes: metadata.len() });
        }
    }
    Ok(clips)
}

/// Deletes incomplete clips, which a killed process left in `folder`. Returns their number.
///
/// # Errors
/// The folder cannot be read, or a file cannot be deleted.
pub(super) fn remove_incomplete(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let clip = name.to_str().and_then(|name| name.strip_suffix(PART_SUFFIX));
        if clip.and_then(ClipFileName::parse).is_some() {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn put(folder: &Path, name: &str, bytes: usize, age: Duration) {
        let path = folder.join(name);
        fs::write(&path, vec![0; bytes]).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn clip(seq: u32) -> String {
        format!("20261130T201530.000Z-source_lost-{seq}.opus")
    }

    #[test]
    fn the_oldest_clips_are_deleted_by_age_and_by_size() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        for seq in 1..=5 {
            put(folder, &clip(seq), 1000, DAY * (10 - seq));
        }
        put(folder, "notes.txt", 9000, DAY * 100);
        let limits = ClipRetention { max_age: Some(DAY * 17 / 2), max_bytes: 2500 };
        assert_eq!(limits.enforce(folder, SystemTime::now()).unwrap(), 3);
        assert_eq!(names(folder), [clip(4), clip(5), "notes.txt".to_owned()]);
        let limits = ClipRetention { max_age: None, max_bytes: 1 };
        assert_eq!(limits.enforce(folder, SystemTime::now()).unwrap(), 1);
        assert_eq!(names(folder), [clip(5), "notes.txt".to_owned()], "the newest stays");
        let limits = ClipRetention { max_age: Some(DAY), max_bytes: 2500 };
        assert_eq!(limits.enforce(folder, SystemTime::now()).unwrap(), 1);
        assert_eq!(limits.enforce(&folder.join("none"), SystemTime::now()).unwrap(), 0);
    }

    #[test]
    fn incomplete_clips_are_removed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let part = format!("{}.part", clip(1));
        for name in [part.as_str(), &clip(2), "other.part"] {
            put(root.path(), name, 10, Duration::ZERO);
        }
        assert_eq!(remove_incomplete(root.path()).unwrap(), 1);
        assert_eq!(names(root.path()), [clip(2), "other.part".to_owned()]);
        assert_eq!(remove_incomplete(&root.path().join("none")).unwrap(), 0);
    }
}
