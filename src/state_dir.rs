//! Layer 0: state folder of a node, which one daemon at a time may use.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Largest number in the name of a node.
const MAX_NUMBERED_NODES: usize = 99;

/// Error of claiming the state folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// Another daemon uses the folder.
    #[error(
        "another genred runs as node `{node}` with the state folder `{}`; give this one another `node`",
        folder.display()
    )]
    Taken {
        /// The node.
        node: String,
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be used.
    #[error("the state folder `{}` cannot be used ({error}); name another with `state_dir`, or correct its permissions", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
}

/// Folder `<state_dir>/<node>`, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
    node: String,
    instance: Option<String>,
    /// The lock is released with the descriptor, also when the process is killed.
    _lock: File,
}

impl StateFolder {
    /// Locks the folder of `node` below `root`; both are created if necessary. If another process
    /// has locked it and the name is not `fixed`, `<node>-2`, `<node>-3` … are tried in turn.
    ///
    /// # Errors
    /// The folder is locked, or cannot be created or written.
    pub(crate) fn claim(root: &Path, node: &str, fixed: bool) -> Result<Self, StateError> {
        let mut number = 1;
        loop {
            let name = numbered(node, number);
            match Self::lock(root, &name) {
                Err(StateError::Taken { .. }) if !fixed && number < MAX_NUMBERED_NODES => number += 1,
                result => return result,
            }
        }
    }

    fn lock(root: &Path, node: &str) -> Result<Self, StateError> {
        let path = root.join(node);
        let unusable = |error| StateError::Unusable { folder: path.clone(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let instance = instance(&path.join("instance"));
                Ok(Self { path, node: node.to_owned(), instance, _lock: lock })
            }
            Err(Errno::WOULDBLOCK) => Err(StateError::Taken { node: node.to_owned(), folder: path }),
            Err(error) => Err(unusable(error.into())),
        }
    }

    /// A random name of the folder, the same at every start; `None` where it cannot be kept.
    /// Another daemon with that name no longer runs, since the folder belongs to one daemon.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    /// The folder.
    #[cfg_attr(
        not(any(feature = "mqtt", feature = "log", feature = "corrections", feature = "clips")),
        expect(dead_code, reason = "databases need it")
    )]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Node of the folder.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }
}

/// Content of the file at `path`, which is created if necessary.
fn instance(path: &Path) -> Option<String> {
    let kept = fs::read_to_string(path).unwrap_or_default();
    let is_one = kept.len() == 16 && kept.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one {
        return Some(kept);
    }
    let new = format!("{:016x}", fastrand::u64(..));
    fs::write(path, &new).ok().map(|()| new)
}

/// Name number `number` of `node`: `<node>`, `<node>-2`, `<node>-3` …
pub(crate) fn numbered(node: &str, number: usize) -> String {
    if number < 2 { node.to_owned() } else { format!("{node}-{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_one_daemons() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("a/b");
        let first = StateFolder::claim(&root, "den", true).unwrap();
        let instance = first.instance().unwrap().to_owned();
        assert_eq!(first.path(), root.join("den"));
        assert_eq!(first.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let error = StateFolder::claim(&root, "den", true).unwrap_err().to_string();
        assert!(error.contains("another genred runs as node `den`"), "{error}");
        let second = StateFolder::claim(&root, "den", false).unwrap();
        assert_eq!(second.node(), "den-2");
        assert_ne!(second.instance(), Some(&*instance));
        assert_eq!(StateFolder::claim(&root, "den", false).unwrap().node(), "den-3");
        drop(first);
        let again = StateFolder::claim(&root, "den", false).unwrap();
        assert_eq!((again.node(), again.instance()), ("den", Some(&*instance)));
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let root = tempfile::NamedTempFile::new().unwrap();
        let error = StateFolder::claim(root.path(), "den", false).unwrap_err().to_string();
        assert!(error.contains("den` cannot be used") && error.contains("`state_dir`"), "{error}");
    }
}
