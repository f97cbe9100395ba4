//! Secrets and configs of a service, as files: in memory beside the source of the release, in a folder that only the
//! platform enters. A container sees its own, mounted one by one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::compose::model::{Content, PrivateFile};
use crate::source::{Source, SourceError};

/// Where the files of a service lie.
pub fn folder(source: &Source, service: &str) -> PathBuf {
    source.private().join(service)
}

/// Writes them, each named by its place in the list.
pub async fn write(source: &Source, service: &str, files: &[PrivateFile]) -> Result<(), SourceError> {
    if files.is_empty() {
        return Ok(());
    }
    let folder = folder(source, service);
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| SourceError::Disk { path, source }
    };
    tokio::fs::create_dir_all(&folder).await.map_err(failed(&folder))?;
    let closed = std::fs::Permissions::from_mode(0o700);
    tokio::fs::set_permissions(source.private(), closed).await.map_err(failed(&folder))?;
    for (at, file) in files.iter().enumerate() {
        let path = folder.join(at.to_string());
        match &file.content {
            Content::File(from) => {
                let from = source.path.join(from);
                tokio::fs::copy(&from, &path).await.map_err(failed(&from))?;
            }
            Content::Text(text) => tokio::fs::write(&path, text).await.map_err(failed(&path))?,
        }
        if file.uid.is_some() || file.gid.is_some() {
            let owned = std::os::unix::fs::chown(&path, file.uid, file.gid);
            owned.map_err(failed(&path))?;
        }
        // The permissions last: a change of the owner takes some of them away.
        let mode = std::fs::Permissions::from_mode(file.mode);
        tokio::fs::set_permissions(&path, mode).await.map_err(failed(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Layout;

    #[tokio::test]
    async fn a_file_has_its_content_and_its_permissions_in_a_folder_that_others_do_not_enter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.1");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("key"), "from the workspace").unwrap();
        let source =
            Source { folder: "app.1".into(), path, layout: Layout::default(), content: Default::default() };
        let file = |content, mode| PrivateFile { target: "/x".into(), content, uid: None, gid: None, mode };
        let files = [file(Content::File("key".into()), 0o440), file(Content::Text("written".into()), 0o604)];
        write(&source, "web", &files).await.unwrap();
        let folder = folder(&source, "web");
        let look = |at: &str| {
            let mode = std::fs::metadata(folder.join(at)).unwrap().permissions().mode() & 0o7777;
            (std::fs::read_to_string(folder.join(at)).unwrap(), mode)
        };
        assert_eq!(look("0"), ("from the workspace".to_owned(), 0o440));
        assert_eq!(look("1"), ("written".to_owned(), 0o604));
        let mode = std::fs::metadata(source.private()).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700);
        source.discard().await;
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing of it stays");
    }
}
