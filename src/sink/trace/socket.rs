//! File of the trace socket: path, ownership and permissions.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Extension of socket files; the name before it is the node.
pub(crate) const EXTENSION: &str = "sock";

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 16;

/// Path of the socket of the daemon `node` in `folder`.
pub(crate) fn path(folder: &Path, node: &str) -> PathBuf {
    folder.join(format!("{node}.{EXTENSION}"))
}

/// Error of opening the socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The folder cannot be created or used.
    #[error("the folder `{}` cannot be used ({error}); name another with `runtime_dir`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// The folder is in a world-writable place and not private to this user.
    #[error("`{}` {why}; remove it, or name another folder with `runtime_dir`", folder.display())]
    Shared {
        /// The folder.
        folder: PathBuf,
        /// The fault.
        why: &'static str,
    },
    /// Another daemon uses the socket.
    #[error("another one answers at `{}`; give one of them another `node`", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Another kind of file is in its place.
    #[error("`{}` is no socket; remove it, or name another folder with `runtime_dir`", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// The system refuses the socket.
    #[error("the socket `{}` cannot be made ({error}); name another folder with `runtime_dir`", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
}

/// Socket that only the user of the daemon can connect to. Dropping it removes its file.
#[derive(Debug)]
pub(crate) struct TraceSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file.
    file: Option<(u64, u64)>,
}

impl TraceSocket {
    /// Creates the socket of the daemon `node` in `folder`, which is created if necessary. A socket
    /// that no process listens on is replaced. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The socket cannot be created; the message includes the remedy.
    pub(crate) async fn open(folder: &Path, node: &str) -> Result<Self, SocketError> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        prepare(&folder)?;
        let path = path(&folder, node);
        clear(&path).await?;
        let refused = |error| SocketError::Refused { path: path.clone(), error };
        let listener = bind(&path).map_err(refused)?;
        let file = fs::symlink_metadata(&path).ok().as_ref().map(identity);
        Ok(Self { listener, path, file })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for TraceSocket {
    fn drop(&mut self) {
        // A file that has replaced it stays.
        let file = fs::symlink_metadata(&self.path).ok().as_ref().map(identity);
        if file.is_some() && file == self.file {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    // On Linux the file has this mode when it is created.
    let _ = fchmod(&socket, Mode::RUSR | Mode::WUSR);
    socket.bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)
}

/// Creates the folder. Below a world-writable folder, such as `/tmp`, it must be private to this
/// user.
fn prepare(folder: &Path) -> Result<(), SocketError> {
    let unusable = |error| SocketError::Folder { folder: folder.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let is_public = |above: &Path| fs::metadata(above).is_ok_and(|found| found.mode() & 0o002 != 0);
    if !folder.ancestors().skip(1).any(is_public) {
        return Ok(());
    }
    let found = fs::symlink_metadata(folder).map_err(unusable)?;
    let why = match () {
        () if !found.is_dir() => "is a link",
        () if found.uid() != rustix::process::geteuid().as_raw() => "belongs to somebody else",
        () if found.mode() & 0o077 != 0 => "is open to others",
        () => return Ok(()),
    };
    Err(SocketError::Shared { folder: folder.to_owned(), why })
}

/// Removes the socket of a daemon that no longer runs.
async fn clear(path: &Path) -> Result<(), SocketError> {
    let refused = |error| SocketError::Refused { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::InTheWay { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(refused(error)),
            _ => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A daemon with a full queue is busy.
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(refused(error)),
        _ => Err(SocketError::Taken { path: path.to_owned() }),
    }
}
