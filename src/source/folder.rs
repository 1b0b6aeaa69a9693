//! Audio files below a folder.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// Extensions of files that accompany recordings and hold no audio.
const COMPANIONS: [&str; 92] = [
    // Pictures and pages.
    "jpg", "jpeg", "jpe", "png", "gif", "bmp", "webp", "avif", "heic", "ico", "tif", "tiff", "svg", "psd",
    "pdf", "htm", "html", "xhtml", "css", "js", "url", "lnk", "webloc", "desktop",
    // Texts, tables and playlists.
    "txt", "text", "md", "rst", "rtf", "nfo", "diz", "log", "doc", "docx", "odt", "csv", "tsv", "json", "xml",
    "ini", "yaml", "yml", "toml", "cfg", "conf", "lrc", "srt", "cue", "toc", "m3u", "m3u8", "pls", "asx",
    "wax", "wvx", "xspf", "wpl", "zpl", "b4s", "ram", "smil",
    // Checksums, archives, programs, databases.
    "md5", "sha1", "sha256", "sfv", "ffp", "st5", "accurip", "par2", "torrent", "sig", "asc", "zip", "rar",
    "7z", "gz", "bz2", "xz", "tar", "exe", "dll", "so", "sh", "bat", "py", "db", "sqlite", "npy", "npz",
    "part", "tmp", "bak",
];

/// Extensions of audio files and containers; failing to decode one is an error.
const AUDIO: [&str; 62] = [
    "wav", "wave", "bwf", "rf64", "w64", "flac", "fla", "mp1", "mp2", "mp3", "mpa", "mpga", "aac", "adts",
    "m4a", "m4b", "m4p", "m4r", "mp4", "m4v", "mov", "3gp", "3g2", "ogg", "oga", "ogv", "ogx", "opus", "spx",
    "webm", "mka", "mkv", "aif", "aiff", "aifc", "caf", "au", "snd", "alac", "ape", "wv", "tta", "tak",
    "ofr", "mpc", "mpp", "shn", "wma", "asf", "wmv", "ra", "rm", "amr", "ac3", "eac3", "dts", "ts", "m2ts",
    "mts", "dsf", "dff", "avi",
];

/// Folders of file servers and systems that duplicate other content.
const FOREIGN_FOLDERS: [&str; 4] = ["@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information"];

/// Class of a file, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileClass {
    /// Recording.
    Audio,
    /// File that accompanies recordings and holds no audio.
    Companion,
    /// Unknown extension.
    Unknown,
}

/// Classifies `path` by its extension.
pub fn classify(path: &Path) -> FileClass {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is = |known: &&str| known.eq_ignore_ascii_case(extension);
    if COMPANIONS.iter().any(is) {
        FileClass::Companion
    } else if AUDIO.iter().any(is) {
        FileClass::Audio
    } else {
        FileClass::Unknown
    }
}

/// Entry below a folder.
#[derive(Debug)]
pub enum FolderEntry {
    /// File of any extension.
    File(PathBuf),
    /// Folder.
    Folder(PathBuf),
    /// Hidden file, or hidden folder with all its content.
    Hidden(PathBuf),
    /// Unreadable entry, with the reason.
    Unreadable(PathBuf, String),
}

/// Iterates over all entries below `root`, sorted by name within each folder. Links are followed; a
/// folder reached a second time is omitted, so that links cannot cause an endless walk.
pub fn walk(root: &Path) -> impl Iterator<Item = FolderEntry> {
    let mut folders: HashSet<(u64, u64)> = HashSet::new();
    let root = root.to_owned();
    let mut walk = WalkDir::new(&root).follow_links(true).sort_by_file_name().into_iter();
    std::iter::from_fn(move || {
        loop {
            let entry = match walk.next()? {
                Ok(entry) => entry,
                // A link to an ancestor, whose content is visited anyway.
                Err(error) if error.loop_ancestor().is_some() => continue,
                Err(error) => {
                    let path = error.path().unwrap_or(&root).to_owned();
                    let what = error.into_io_error().map_or("unreadable".into(), |error| error.to_string());
                    return Some(FolderEntry::Unreadable(path, what));
                }
            };
            let is_folder = entry.file_type().is_dir();
            if entry.depth() > 0 && is_hidden(&entry) {
                if is_folder {
                    walk.skip_current_dir();
                }
                return Some(FolderEntry::Hidden(entry.into_path()));
            }
            if is_folder {
                let id = entry.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
                if id.is_ok_and(|id| !folders.insert(id)) {
                    walk.skip_current_dir();
                    continue;
                }
                if entry.depth() > 0 {
                    return Some(FolderEntry::Folder(entry.into_path()));
                }
                continue;
            }
            return Some(FolderEntry::File(entry.into_path()));
        }
    })
}

fn is_hidden(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    name.as_encoded_bytes().starts_with(b".")
        || (entry.file_type().is_dir() && FOREIGN_FOLDERS.iter().any(|known| name == *known))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expected| assert_eq!(classify(Path::new(name)), expected, "{name}");
        check("a/Song.FLAC", FileClass::Audio);
        check("a/Cover.JPG", FileClass::Companion);
        check("a.mp3.part", FileClass::Companion);
        check("list.m3u8", FileClass::Companion);
        check("README", FileClass::Unknown);
        check("a.xyz", FileClass::Unknown);
    }

    #[test]
    fn links_come_to_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::create_dir_all(root.join(".hidden/d")).unwrap();
        for name in ["b/2.mp3", "b/c/1.mp3", "b/.x.mp3", "a.mp3", ".hidden/d/3.mp3"] {
            fs::write(root.join(name), "").unwrap();
        }
        symlink(root, root.join("b/c/up")).unwrap();
        symlink(root.join("b/c"), root.join("z")).unwrap();
        symlink(root.join("gone"), root.join("y")).unwrap();
        let shown = |path: PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        let found: Vec<String> = walk(root)
            .map(|found| match found {
                FolderEntry::File(path) => shown(path),
                FolderEntry::Folder(path) => shown(path) + "/",
                FolderEntry::Hidden(path) => format!("({})", shown(path)),
                FolderEntry::Unreadable(path, _) => shown(path) + "!",
            })
            .collect();
        assert_eq!(found, ["(.hidden)", "a.mp3", "b/", "(b/.x.mp3)", "b/2.mp3", "b/c/", "b/c/1.mp3", "y!"]);
    }
}
