//! Where the socket is, and whose.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Of the sockets' names; what comes before it is the node's.
pub const EXTENSION: &str = "sock";

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 16;

/// Where the socket of the daemon `node` is in `folder`.
pub fn path(folder: &Path, node: &str) -> PathBuf {
    folder.join(format!("{node}.{EXTENSION}"))
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The folder cannot be made or used.
    #[error("the folder `{}` cannot be used ({error}); name another with `runtime_dir`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The folder lies where anybody can make one, and is not this user's alone.
    #[error("`{}` {why}; remove it, or name another folder with `runtime_dir`", folder.display())]
    Shared {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another daemon has it.
    #[error("another one answers at `{}`; give one of them another `node`", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is in its place.
    #[error("`{}` is no socket; remove it, or name another folder with `runtime_dir`", path.display())]
    InTheWay {
        /// What is there.
        path: PathBuf,
    },
    /// The system refuses it.
    #[error("the socket `{}` cannot be made ({error}); name another folder with `runtime_dir`", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A socket that this user alone can connect to; its file is removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode.
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Makes `folder` where it does not exist, and in it the socket of the daemon `node`, in place of one that nobody
    /// answers at any more. Within a tokio runtime.
    ///
    /// # Errors
    /// What keeps it from being made, and the cure.
    pub async fn open(folder: &Path, node: &str) -> Result<Self, SocketError> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        prepare(&folder)?;
        let path = path(&folder, node);
        clear(&path).await?;
        let refused = |error| SocketError::Refused { path: path.clone(), error };
        let listener = bind(&path).map_err(refused)?;
        let file = fs::symlink_metadata(&path).ok().as_ref().map(identity);
        Ok(Self { listener, path, file })
    }

    /// The next connection.
    ///
    /// # Errors
    /// What the system says.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever took its place keeps it.
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
    // On Linux the file has this mode from its first moment.
    let _ = fchmod(&socket, Mode::RUSR | Mode::WUSR);
    socket.bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)
}

/// Makes the folder; one that lies below a folder that anybody may write to, such as `/tmp`, must be this user's alone.
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

/// Removes the socket of a daemon that is gone.
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
        // One whose queue is full is busy, and alive.
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(refused(error)),
        _ => Err(SocketError::Taken { path: path.to_owned() }),
    }
}
