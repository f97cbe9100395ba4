//! What each key of a listing becomes on a file system, and which keys can be no file. Pure.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::manifest::{Entry, Manifest};

/// Objects as files: what each key becomes, and which keys can be no file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub files: BTreeMap<String, Entry>,
    pub folders: BTreeSet<String>,
    /// Key and reason.
    pub left_out: Vec<(String, &'static str)>,
}

/// The longest name of a file on Linux, in bytes.
const NAME_MAX: usize = 255;
/// The longest path that Linux takes, in bytes, less what the source directory needs.
const PATH_MAX: usize = 3800;

impl Layout {
    pub fn of(manifest: &Manifest) -> Self {
        let mut layout = Self::default();
        for (path, entry) in &manifest.entries {
            // Some clients mark a folder with an empty object.
            let (name, is_folder) = match path.strip_suffix('/') {
                Some(folder) if entry.size == 0 => (folder, true),
                _ => (path.as_str(), false),
            };
            match no_file(name) {
                _ if path.is_empty() => {}
                Some(why) => layout.left_out.push((path.clone(), why)),
                None if is_folder => drop(layout.folders.insert(name.to_owned())),
                None => drop(layout.files.insert(name.to_owned(), entry.clone())),
            }
        }
        let mut parents: BTreeSet<String> = layout.folders.clone();
        for path in layout.files.keys().chain(&layout.folders) {
            parents.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
        for path in &parents {
            if layout.files.remove(path).is_some() {
                layout.left_out.push((path.clone(), "other objects need a folder of this name"));
            }
        }
        layout.folders = parents;
        layout
    }
}

/// Why a key cannot be the path of a file.
pub fn no_file(path: &str) -> Option<&'static str> {
    if path.len() > PATH_MAX {
        return Some("it is longer than a path may be");
    }
    if path.contains('\0') {
        return Some("it contains a zero byte");
    }
    path.split('/').find_map(|name| match name {
        "" => Some("it has an empty folder name"),
        "." | ".." => Some("it has `.` or `..` for a folder name"),
        name if name.len() > NAME_MAX => Some("a name in it is longer than 255 bytes"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(keys: &[(&str, u64)]) -> Layout {
        let entry = |size| Entry { etag: "e".into(), size };
        Layout::of(&Manifest {
            entries: keys.iter().map(|(key, size)| ((*key).into(), entry(*size))).collect(),
        })
    }

    fn files(layout: &Layout) -> Vec<&str> {
        layout.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn ordinary_keys_are_files_and_their_parents_folders() {
        let layout = layout(&[("index.js", 1), ("lib/a/b.js", 1), ("ünïcode ✓ +%.txt", 1), ("new\nline", 1)]);
        assert_eq!(files(&layout), ["index.js", "lib/a/b.js", "new\nline", "ünïcode ✓ +%.txt"]);
        assert_eq!(layout.folders, BTreeSet::from(["lib".to_owned(), "lib/a".to_owned()]));
        assert_eq!(layout.left_out, []);
    }

    #[test]
    fn folder_markers_are_folders() {
        let layout = layout(&[("", 0), ("empty/", 0), ("a/b/", 0)]);
        assert_eq!(files(&layout), [""; 0]);
        let expected: BTreeSet<String> = ["a", "a/b", "empty"].map(str::to_owned).into();
        assert_eq!((layout.folders, layout.left_out), (expected, vec![]));
    }

    #[test]
    fn keys_that_can_be_no_file_are_left_out_with_the_reason() {
        let long = format!("{}/x", "n".repeat(256));
        for key in ["a/../b", "../b", "..", "./a", "a//b", "/a", "a/", "a\0b", &long, &"d/".repeat(2000)] {
            let layout = layout(&[(key, 7), ("fine", 1)]);
            assert_eq!(files(&layout), ["fine"], "{key:?}");
            assert_eq!(layout.left_out[0].0, key);
        }
    }

    #[test]
    fn a_folder_wins_over_a_file_of_its_name() {
        let layout = layout(&[("a", 1), ("a/b", 1)]);
        assert_eq!(files(&layout), ["a/b"]);
        assert_eq!(layout.left_out[0].0, "a");
    }
}
