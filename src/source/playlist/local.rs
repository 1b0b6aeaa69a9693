//! Playlists of local files.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::BodyKind;
use super::listing::{PlaylistEntry, PlaylistFormat};
use crate::source::SourceError;

/// Maximum length of a playlist file, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Number of bytes that distinguish a playlist from audio.
const TELLING: usize = 512;

/// Contents of a playlist file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PlaylistFiles {
    /// Paths in order; they may not exist.
    pub paths: Vec<PathBuf>,
    /// Addresses of other kinds, as written.
    pub others: Vec<String>,
}

/// Reads the files named by the playlist at `path`; `None` if it is not a playlist.
///
/// # Errors
/// Permanent: the playlist cannot be read, is too long, or names nothing.
pub fn files(path: &Path) -> Result<Option<PlaylistFiles>, SourceError> {
    let fail = |what: String| SourceError::Permanent(format!("`{}` {what}", path.display()));
    if !is_playlist(path) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| fail(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fail(format!("is a playlist of more than {} MiB", MAX_FILE >> 20)));
    }
    let listing = super::parse(&bytes, None);
    if !matches!(
        listing.format,
        PlaylistFormat::M3u
            | PlaylistFormat::Pls
            | PlaylistFormat::Reference
            | PlaylistFormat::Asx
            | PlaylistFormat::Xspf
            | PlaylistFormat::Smil
            | PlaylistFormat::B4s
    ) {
        return Err(fail(format!("is {}, not a list of files", listing.format.described())));
    }
    if listing.entries.is_empty() {
        return Err(fail(format!("is {} that names no file", listing.format.described())));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_encoded = matches!(listing.format, PlaylistFormat::Xspf);
    let mut files = PlaylistFiles::default();
    for entry in &listing.entries {
        match located(entry, folder, is_encoded) {
            Some(path) => files.paths.push(path),
            None => files.others.push(entry.location.clone()),
        }
    }
    Ok(Some(files))
}

/// Returns true if `path` is a regular file and a playlist, by its name and its first bytes.
pub fn is_playlist(path: &Path) -> bool {
    is_playlist_as(path, path)
}

/// Returns true if `path` is a regular file and a playlist, by the name `name` and its first bytes.
pub(crate) fn is_playlist_as(path: &Path, name: &Path) -> bool {
    let Some(name) = name.file_name().and_then(|name| name.to_str()).filter(|name| super::is_name(name))
    else {
        return false;
    };
    if !path.is_file() {
        return false;
    }
    let mut first = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(TELLING as u64).read_to_end(&mut first));
    // An empty file counts by its name alone.
    read.is_ok() && (first.is_empty() || super::kind("", name, &first) == BodyKind::Playlist)
}

/// Path of an entry; `None` for addresses of other schemes.
fn located(entry: &PlaylistEntry, folder: &Path, is_encoded: bool) -> Option<PathBuf> {
    let location = &entry.location;
    let decoded = || percent_decode_str(location).decode_utf8_lossy().into_owned();
    if let Some((scheme, _)) = location.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
        if !scheme.eq_ignore_ascii_case("file") {
            return None;
        }
        let text = decoded();
        let rest = text.split_once(':').map_or("", |(_, rest)| rest);
        let rest = rest.strip_prefix("//localhost").unwrap_or(rest);
        return Some(PathBuf::from(match rest.strip_prefix("//") {
            // `file:///path` is local; with a host it is not.
            Some(path) if path.starts_with('/') => path,
            Some(_) => return None,
            None => rest,
        }))
        .map(|path| folder.join(path));
    }
    let mut candidates = Vec::new();
    if is_encoded {
        candidates.push(decoded());
    }
    candidates.push(location.clone());
    // Written on Windows.
    candidates.extend(location.contains('\\').then(|| location.replace('\\', "/")));
    candidates.extend((!is_encoded && location.contains('%')).then(decoded));
    let first = candidates.first().map(|name| folder.join(name));
    candidates.iter().map(|name| folder.join(name)).find(|path| path.exists()).or(first)
}

/// Returns true if `text` is a URI scheme, not a drive letter or part of a title.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && (text.eq_ignore_ascii_case("file") || !text.contains('.'))
}
