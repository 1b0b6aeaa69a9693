//! Groups of tracks that must not be separated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::error::DatasetError;
use super::index::Table;

/// Gives `entries` the groups that the CSV file at `path` names, by track or by path (relative to
/// that file's own folder or to `root`); returns how many tracks it does not name.
pub(super) fn assign(path: &Path, root: &Path, entries: &mut [Entry]) -> Result<usize, DatasetError> {
    let wrong = |what: String| DatasetError::Index { path: path.into(), what };
    let table = Table::read(path)?;
    let missing = |names| wrong(format!("there is no column {names}; it has {}", table.header.join(", ")));
    let group = table.column(&["group", "artist"]).ok_or_else(|| missing("`group` or `artist`"))?;
    let (track, file) = (table.column(&["track"]), table.column(&["path"]));
    if track.is_none() && file.is_none() {
        return Err(missing("`track` or `path`"));
    }
    let mut by_track: BTreeMap<&str, &str> = BTreeMap::new();
    let mut by_path: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (line, row) in &table.rows {
        let cell =
            |column: Option<usize>| column.and_then(|column| row.get(column)).filter(|text| !text.is_empty());
        let Some(group) = cell(Some(group)) else { continue };
        let keep = |was: Option<&str>| match was {
            Some(other) if other != group => {
                Err(wrong(format!("line {line} puts into `{group}` what is in `{other}` already")))
            }
            _ => Ok(()),
        };
        if let Some(track) = cell(track) {
            keep(by_track.insert(track, group))?;
        }
        if let Some(file) = cell(file) {
            keep(by_path.insert(root.join(file), group))?;
            by_path.insert(path.parent().unwrap_or(Path::new("")).join(file), group);
        }
    }
    let mut unknown = BTreeSet::new();
    for entry in entries.iter_mut() {
        match by_track.get(entry.track.as_str()).or_else(|| by_path.get(&entry.path)) {
            Some(group) => entry.group = Some((*group).to_owned()),
            None if entry.group.is_none() => {
                unknown.insert(entry.track.clone());
            }
            None => {}
        }
    }
    if entries.iter().all(|entry| unknown.contains(&entry.track)) {
        let example = entries.first().map_or("", |entry| entry.track.as_str());
        return Err(wrong(format!("it names none of the tracks; they are called as in `{example}`")));
    }
    Ok(unknown.len())
}

/// Tracks of no known group are one group whose names are equal before their last number,
/// and whose last numbers lie in one block of `block`: with 10, `blues.00010` to `blues.00019`.
pub(super) fn assign_blocks(block: u32, entries: &mut [Entry]) {
    for entry in entries.iter_mut().filter(|entry| entry.group.is_none()) {
        let name = entry.track.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '/');
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (before, number) = name.split_at(name.len() - digits);
        if let Ok(number) = number.parse::<u64>() {
            let first = number - number % u64::from(block.max(1));
            entry.group = Some(format!("{before}{first}+{}", block.max(1)));
        }
    }
}
