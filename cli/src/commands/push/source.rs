//! What of a local folder is source: everything but what version control, package managers, ignore files and editors keep
//! out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use cloudyknight_core::leftover;
use ignore::{DirEntry, WalkBuilder};

/// Never source: what package managers and version control keep beside it.
const LEFT_OUT: [&str; 3] = ["node_modules", ".git", ".DS_Store"];
/// Of ours: what git does not know and is not to be pushed, or git ignores and is. It is no source itself.
const IGNORE_FILE: &str = ".cloudyknightignore";
/// Deeper than any source, and where a link to its own folder would never end.
const DEEPEST: usize = 64;

/// A folder as it was at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// By the path inside the workspace.
    pub files: BTreeMap<String, File>,
    /// The folders that files could appear in.
    pub folders: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub at: PathBuf,
    /// In bytes.
    pub size: u64,
    pub modified: Option<SystemTime>,
}

impl Source {
    pub fn of(dir: &Path) -> anyhow::Result<Self> {
        let mut source = Self::default();
        for entry in walk(dir).build() {
            let entry = match entry {
                Ok(entry) => entry,
                // What went while we looked is not there.
                Err(error) if gone(&error) => continue,
                Err(error) => return Err(error).with_context(|| format!("could not list {}", dir.display())),
            };
            if entry.depth() > DEEPEST {
                anyhow::bail!("{} lies too deep; is it a link to its own folder?", entry.path().display());
            }
            // Links are followed: the bucket holds content, not links.
            let Ok(kind) = std::fs::metadata(entry.path()) else { continue };
            if kind.is_dir() {
                source.folders.insert(entry.into_path());
            } else if kind.is_file() {
                let path = inside(dir, entry.path())?;
                // What the platform would not deploy is not pushed.
                if leftover::of_object(&path, kind.len()).is_some() {
                    continue;
                }
                let file = File { size: kind.len(), modified: kind.modified().ok(), at: entry.into_path() };
                source.files.insert(path, file);
            }
        }
        Ok(source)
    }
}

fn walk(dir: &Path) -> WalkBuilder {
    let mut walk = WalkBuilder::new(dir);
    walk.standard_filters(false)
        .git_ignore(true)
        .git_exclude(true)
        .require_git(false)
        // What lies above the folder counts as it does for git: within a repository.
        .parents(is_in_repository(dir))
        .add_custom_ignore_filename(IGNORE_FILE)
        .follow_links(true)
        .filter_entry(|entry| entry.depth() == 0 || is_source(entry));
    walk
}

fn is_in_repository(dir: &Path) -> bool {
    dir.ancestors().any(|folder| folder.join(".git").exists())
}

fn is_source(entry: &DirEntry) -> bool {
    // What is no UTF-8 is told of, and not left out in silence.
    entry.file_name().to_str().is_none_or(|name| !LEFT_OUT.contains(&name) && name != IGNORE_FILE)
}

/// The path inside the workspace.
fn inside(dir: &Path, path: &Path) -> anyhow::Result<String> {
    let rest = path.strip_prefix(dir).unwrap_or(path);
    let text = rest.to_str();
    let text = text.with_context(|| format!("the file name {rest:?} is no UTF-8, as S3 wants it"))?;
    Ok(text.to_owned())
}

/// Whether an error says only that there is nothing any more: a file that was deleted, a link to nowhere.
fn gone(error: &ignore::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn of(files: &[(&str, &str)]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (path, content) in files {
                let path = folder.0.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
            folder
        }

        fn files(&self, dir: &str) -> Vec<String> {
            Source::of(&self.0.path().join(dir)).unwrap().files.into_keys().collect()
        }
    }

    #[test]
    fn ignore_files_count_at_every_depth_and_also_without_git() {
        let folder = Folder::of(&[
            (".gitignore", "*.log\n/dist\n"),
            ("a.log", ""),
            ("index.js", ""),
            ("dist/bundle.js", ""),
            ("sub/.gitignore", "!b.log\n*.tmp\n"),
            ("sub/b.log", ""),
            ("sub/c.log", ""),
            ("sub/dist/kept.js", ""),
            ("sub/x.tmp", ""),
            ("x.tmp", ""),
            (".env", ""),
        ]);
        let expected =
            [".env", ".gitignore", "index.js", "sub/.gitignore", "sub/b.log", "sub/dist/kept.js", "x.tmp"];
        assert_eq!(folder.files(""), expected);
    }

    #[test]
    fn our_own_ignore_file_counts_more_than_gits_and_is_no_source() {
        let folder = Folder::of(&[
            (".gitignore", "dist\n"),
            (".cloudyknightignore", "!dist\n*.md\n"),
            ("dist/a.js", ""),
            ("README.md", ""),
        ]);
        assert_eq!(folder.files(""), [".gitignore", "dist/a.js"]);
    }

    #[test]
    fn what_git_excludes_here_and_above_counts_in_a_repository() {
        let folder = Folder::of(&[
            (".git/info/exclude", "secret\n"),
            (".git/HEAD", "ref: refs/heads/main\n"),
            (".gitignore", "*.log\n"),
            ("app/secret", ""),
            ("app/a.log", ""),
            ("app/index.js", ""),
        ]);
        assert_eq!(folder.files("app"), ["index.js"]);
    }

    #[test]
    fn what_lies_above_does_not_count_outside_of_a_repository() {
        let folder = Folder::of(&[(".gitignore", "*\n"), ("app/index.js", "")]);
        assert_eq!(folder.files("app"), ["index.js"]);
    }

    #[test]
    fn dependencies_version_control_and_what_editors_keep_are_no_source() {
        let folder = Folder::of(&[
            ("node_modules/m/index.js", ""),
            ("sub/node_modules/m/index.js", ""),
            ("sub/.git", "gitdir: elsewhere"),
            (".index.js.swp", ""),
            ("index.js~", ""),
            ("4913", ""),
            ("#index.js#", ""),
            (".~lock.table.ods#", ""),
            ("sub/.DS_Store", ""),
            ("index.js", ""),
            ("#", ""),
            ("~", ""),
            ("game.swp", ""),
        ]);
        assert_eq!(folder.files(""), ["#", "game.swp", "index.js", "~"]);
    }

    #[test]
    fn links_are_followed_and_those_to_nowhere_left_out() {
        let folder = Folder::of(&[("real/a.txt", "a")]);
        let at = |path: &str| folder.0.path().join(path);
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at(".#lock")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        assert_eq!(folder.files(""), ["link/a.txt", "real/a.txt"]);
    }

    #[test]
    fn a_link_to_its_own_folder_is_an_error() {
        let folder = Folder::of(&[("a.txt", "a")]);
        std::os::unix::fs::symlink(folder.0.path(), folder.0.path().join("again")).unwrap();
        assert!(Source::of(folder.0.path()).is_err());
    }

    #[test]
    fn folders_that_are_left_out_are_not_watched() {
        let folder =
            Folder::of(&[(".gitignore", "dist\n"), ("dist/a", ""), ("src/a", ""), ("node_modules/a", "")]);
        let folders = Source::of(folder.0.path()).unwrap().folders;
        let names: Vec<_> = folders.iter().map(|one| one.strip_prefix(folder.0.path()).unwrap()).collect();
        assert_eq!(names, [Path::new(""), Path::new("src")]);
    }
}
