//! Folders to push: made file by file, or copied from `tests/fixtures`.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder of its own, gone with it.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("ck-folder-").tempdir().expect("a temporary folder"))
    }

    pub fn of(files: &[(&str, &str)]) -> Self {
        let folder = Self::new();
        for (path, content) in files {
            folder.write(path, content);
        }
        folder
    }

    /// A copy of `tests/fixtures/<name>`.
    pub fn fixture(name: &str) -> Self {
        let folder = Self::new();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let entries = fs::read_dir(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        for entry in entries {
            let entry = entry.expect("an entry of the fixture");
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes one file and answers where it lies.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("it is inside the folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    /// Replaces text in a file, which must hold it, and answers where it lies.
    #[track_caller]
    pub fn replace(&self, path: &str, from: &str, to: &str) -> PathBuf {
        let text = fs::read_to_string(self.path().join(path)).expect("a text file");
        assert!(text.contains(from), "{path} does not hold {from:?}");
        self.write(path, text.replace(from, to))
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}
