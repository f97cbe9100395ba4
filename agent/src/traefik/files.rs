//! The folder that Traefik reads: one file a workspace, replaced whole or not at all, and none of other people's
//! touched.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
#[error("could not {operation} {path}")]
pub struct FileError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

pub struct Files {
    dir: PathBuf,
    /// What the names of our files begin with; other platforms, and the operator, may keep theirs beside them.
    prefix: String,
}

impl Files {
    pub fn new(dir: PathBuf, platform: &str) -> Self {
        Self { dir, prefix: format!("cloudyknight-{platform}-") }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{}{name}.yml", self.prefix))
    }

    /// `None` when there is none.
    pub fn read(&self, name: &str) -> Result<Option<String>, FileError> {
        let path = self.path(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError { operation: "read", path, source }),
        }
    }

    /// Puts a text in the place of what is there.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FileError> {
        let path = self.path(name);
        // Beside the folder's files, but not among them: Traefik reads all of them again at any change.
        let aside = self.dir.join(".next");
        let next = aside.join(format!("{}{name}", self.prefix));
        let write = || {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&aside)?;
            std::fs::write(&next, text)?;
            // Traefik may run as somebody else. What labels say is no secret to whoever carries the traffic.
            std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o644))?;
            std::fs::File::open(&next)?.sync_all()?;
            std::fs::rename(&next, &path)
        };
        write().map_err(|source| FileError { operation: "write", path: path.clone(), source })
    }

    pub fn remove(&self, name: &str) -> Result<(), FileError> {
        let path = self.path(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError { operation: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// The names of all files of ours.
    pub fn names(&self) -> Result<BTreeSet<String>, FileError> {
        let failed = |source| FileError { operation: "list", path: self.dir.clone(), source };
        let listing = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            listing => listing.map_err(failed)?,
        };
        let mut names = BTreeSet::new();
        for entry in listing {
            let file = entry.map_err(failed)?.file_name();
            let name = file.to_str().and_then(|file| file.strip_prefix(&self.prefix)?.strip_suffix(".yml"));
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_listed_and_removed_and_those_of_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().join("dynamic"), "p1");
        assert_eq!(files.names().unwrap(), BTreeSet::new());
        files.write("app", "one").unwrap();
        files.write("app", "two").unwrap();
        std::fs::write(files.dir().join("tls.yml"), "the operator's").unwrap();
        Files::new(files.dir().to_owned(), "p2").write("app", "another platform's").unwrap();
        assert_eq!(files.read("app").unwrap().as_deref(), Some("two"));
        assert_eq!(files.names().unwrap(), BTreeSet::from(["app".to_owned()]));
        files.remove("app").unwrap();
        files.remove("app").unwrap();
        assert_eq!(files.read("app").unwrap(), None);
        assert_eq!(std::fs::read_to_string(files.dir().join("tls.yml")).unwrap(), "the operator's");
    }
}
