//! The table in force, kept in a file: an edge that starts while the agent is down serves what it served before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cloudyknight_core::route::RouteTable;

/// Far more than any real table; a larger file is not one of ours.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error("cannot read the saved routes in {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("the saved routes in {path} are no routes")]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("cannot write the routes to {path}")]
    Write { path: PathBuf, source: io::Error },
}

/// The saved table; `None` when none was saved yet.
pub(crate) fn read(path: &Path) -> Result<Option<RouteTable>, SavedError> {
    let failed = |source| SavedError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
    let table = serde_json::from_slice(&text);
    table.map(Some).map_err(|source| SavedError::Malformed { path: path.to_owned(), source })
}

/// Puts the table in the place of the one before: after a crash at any moment, the file holds one or the other.
pub(crate) fn write(path: &Path, table: &RouteTable) -> Result<(), SavedError> {
    let failed = |source| SavedError::Write { path: path.to_owned(), source };
    let text = serde_json::to_vec_pretty(table).expect("a table is plain data");
    replace(path, &text).map_err(failed)
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The rename is on disk only when the folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        assert!(read(&path).unwrap().is_none());
        let table = RouteTable::new(Vec::new());
        write(&path, &table).unwrap();
        write(&path, &table).unwrap();
        assert_eq!(read(&path).unwrap(), Some(table));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_holds_no_table_is_an_error_and_not_an_empty_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        fs::write(&path, "{\"version\":1,").unwrap();
        assert!(matches!(read(&path), Err(SavedError::Malformed { .. })));
        assert!(matches!(
            write(&folder.path().join("no/such"), &RouteTable::default()),
            Err(SavedError::Write { .. })
        ));
    }
}
