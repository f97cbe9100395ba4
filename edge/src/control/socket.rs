//! The control socket's place in the file system: never open to others, not even for a moment, and taken over
//! from an edge that crashed but not from one that lives.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("another edge answers at {0}")]
    InUse(PathBuf),
    #[error("{0} is there already, and is no socket")]
    Occupied(PathBuf),
    #[error("cannot make the control socket {path}")]
    Make { path: PathBuf, source: io::Error },
}

/// Listens at `path`, with mode 0600. What a crashed edge left there is replaced.
pub async fn bind(path: &Path) -> Result<UnixListener, BindError> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(BindError::InUse(path.to_owned()));
    }
    let left = fs::symlink_metadata(path);
    if left.is_ok_and(|left| !left.file_type().is_socket()) {
        return Err(BindError::Occupied(path.to_owned()));
    }
    make(path).map_err(|source| BindError::Make { path: path.to_owned(), source })
}

/// Made inside a folder that only the owner may enter, and moved to its place with its mode already set.
fn make(path: &Path) -> io::Result<UnixListener> {
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(".d");
    let hidden = PathBuf::from(hidden);
    if hidden.exists() {
        fs::remove_dir_all(&hidden)?;
    }
    DirBuilder::new().mode(0o700).create(&hidden)?;
    let made = hidden.join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    fs::remove_dir(&hidden)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_the_owners_alone_and_outlives_a_crash_but_not_a_rival() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.sock");
        let first = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(bind(&path).await, Err(BindError::InUse(_))));
        drop(first);
        let _second = bind(&path).await.unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let file = folder.path().join("precious");
        fs::write(&file, "text").unwrap();
        assert!(matches!(bind(&file).await, Err(BindError::Occupied(_))));
        assert_eq!(fs::read(&file).unwrap(), b"text");
    }
}
