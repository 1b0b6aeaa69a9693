//! Input files of a command: given by path, in folders and in playlists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::say;
use crate::source::folder::{FileClass, FolderEntry, classify, walk};
use crate::source::open::open_file;
use crate::source::playlist::local;

/// Maximum nesting depth of playlists.
const MAX_DEPTH: usize = 4;

/// Maximum number of extensions listed in the message about skipped files.
const MAX_KINDS: usize = 6;

/// An input file, or the reason why it cannot be read.
pub(crate) enum Input {
    /// A file to read.
    File(PathBuf),
    /// A path that cannot be read, and the reason.
    Failed(PathBuf, String),
}

/// Inputs of the command line, with folders and playlists expanded.
#[derive(Default)]
pub(crate) struct Inputs {
    /// Files and failures, in order.
    pub(crate) list: Vec<Input>,
    /// Number of files in folders that are not audio, by extension.
    skipped: BTreeMap<String, usize>,
    /// Number of addresses in playlists that are not files.
    addresses: usize,
}

impl Inputs {
    /// Expands `names`. A file given by path is kept in any case, a file in a folder only if it is
    /// audio.
    pub(crate) fn new(names: &[PathBuf]) -> Self {
        let mut inputs = Self::default();
        for name in names {
            inputs.add(name, 0);
        }
        inputs
    }

    fn add(&mut self, path: &Path, depth: usize) {
        if path.is_dir() {
            return self.add_folder(path);
        }
        match local::files(path) {
            Ok(None) => self.list.push(Input::File(path.to_owned())),
            Ok(Some(_)) if depth >= MAX_DEPTH => {
                let what = format!("`{}` is a playlist below {MAX_DEPTH} others", path.display());
                self.list.push(Input::Failed(path.to_owned(), what));
            }
            Ok(Some(found)) => {
                self.addresses += found.others.len();
                for path in found.paths {
                    self.add(&path, depth + 1);
                }
            }
            Err(error) => self.list.push(Input::Failed(path.to_owned(), error.to_string())),
        }
    }

    fn add_folder(&mut self, folder: &Path) {
        let before = self.list.len();
        for found in walk(folder) {
            match found {
                FolderEntry::Folder(_) => {}
                FolderEntry::Hidden(path) => self.skip(&path),
                FolderEntry::Unreadable(path, what) => {
                    let what = format!("`{}` cannot be read: {what}", path.display());
                    self.list.push(Input::Failed(path, what));
                }
                FolderEntry::File(path) => match classify(&path) {
                    FileClass::Audio => self.list.push(Input::File(path)),
                    // The file is audio if its first packet can be decoded.
                    FileClass::Unknown if open_file(&path).is_ok() => self.list.push(Input::File(path)),
                    FileClass::Unknown | FileClass::Companion => self.skip(&path),
                },
            }
        }
        if self.list.len() == before {
            let what = format!("`{}` holds no audio file", folder.display());
            self.list.push(Input::Failed(folder.to_owned(), what));
        }
    }

    fn skip(&mut self, path: &Path) {
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            Some(extension) => format!(".{}", extension.to_ascii_lowercase()),
            None => "without extension".into(),
        };
        *self.skipped.entry(kind).or_default() += 1;
    }

    /// Reports skipped files on standard error.
    pub(crate) fn say_skipped(&self) {
        let count: usize = self.skipped.values().sum();
        if count > 0 {
            let mut kinds: Vec<_> = self.skipped.iter().collect();
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let shown: Vec<_> =
                kinds.iter().take(MAX_KINDS).map(|(kind, count)| format!("{count} {kind}")).collect();
            let more = if kinds.len() > MAX_KINDS { ", …" } else { "" };
            let files = if count == 1 { "file that is" } else { "files that are" };
            say(format_args!("skipped {count} {files} not audio ({}{more})", shown.join(", ")));
        }
        if self.addresses > 0 {
            let count = self.addresses;
            let addresses = if count == 1 { "address" } else { "addresses" };
            say(format_args!("skipped {count} {addresses} in playlists that are not files"));
        }
    }
}
