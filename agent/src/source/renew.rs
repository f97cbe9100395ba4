//! A source folder that containers mount, brought to another release while they run: each file at once, and none by halves.

use std::path::Path;

use super::{Source, SourceError, discard};

impl Source {
    /// Makes `folder` hold at these paths what this source holds there; takes from it what is gone, and the folders that
    /// are empty then (the deepest first).
    pub async fn renew<'p>(
        &self,
        folder: &Path,
        put: impl Iterator<Item = &'p String>,
        gone: impl Iterator<Item = &'p String>,
        folders: &[String],
    ) -> Result<(), SourceError> {
        let on_disk = |path: &str| {
            let path = path.to_owned();
            move |source| SourceError::Disk { path, source }
        };
        tokio::fs::metadata(folder).await.map_err(on_disk(""))?;
        // Beside it: whoever sees the folder never sees a name that is no file of the workspace.
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let beside = folder.with_file_name(format!("{name}.sync"));
        for path in put {
            let target = folder.join(path);
            if let Some(parent) = target.parent() {
                tokio::fs::create_dir_all(parent).await.map_err(on_disk(path))?;
            }
            discard(&beside).await;
            tokio::fs::hard_link(self.path.join(path), &beside).await.map_err(on_disk(path))?;
            tokio::fs::rename(&beside, &target).await.map_err(on_disk(path))?;
        }
        // Where it was the same file already, the rename has done nothing.
        discard(&beside).await;
        for path in gone {
            match tokio::fs::remove_file(folder.join(path)).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(on_disk(path)(error));
                }
                _ => {}
            }
        }
        for path in folders {
            // One in which something else is stays.
            let _ = tokio::fs::remove_dir(folder.join(path)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Layout;

    #[tokio::test]
    async fn a_folder_is_brought_to_another_release_and_what_it_was_linked_with_stays() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (path, text) in
            [("app.1/a", "old"), ("app.1/same", "s"), ("app.1/d/e/gone", "g"), ("app.2/a", "new")]
        {
            write(path, text);
        }
        write("app.2/n/b", "b");
        std::fs::hard_link(dir.path().join("app.1/a"), dir.path().join("older")).unwrap();
        std::fs::hard_link(dir.path().join("app.1/same"), dir.path().join("app.2/same")).unwrap();
        let path = dir.path().join("app.2");
        let source =
            Source { folder: "app.2".into(), path, layout: Layout::default(), content: Default::default() };
        let strings = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (put, gone) = (strings(&["a", "n/b", "same"]), strings(&["d/e/gone", "never/was"]));
        let mounted = dir.path().join("app.1");
        source.renew(&mounted, put.iter(), gone.iter(), &strings(&["d/e", "d", "n"])).await.unwrap();
        let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).ok();
        assert_eq!(read("app.1/a").as_deref(), Some("new"));
        assert_eq!(read("app.1/n/b").as_deref(), Some("b"));
        assert_eq!(read("app.1/same").as_deref(), Some("s"));
        assert_eq!(read("older").as_deref(), Some("old"), "the file was replaced, and not written to");
        assert!(!mounted.join("d").exists());
        assert!(!dir.path().join("app.1.sync").exists());
        let missing = dir.path().join("app.0");
        assert!(source.renew(&missing, put.iter(), gone.iter(), &[]).await.is_err());
        assert!(!missing.exists(), "a folder that nobody mounts is not made");
    }
}
