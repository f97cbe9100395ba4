//! What differs between a local folder and the bucket's. Sizes tell most of it; only where they are equal is a file read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use cloudyknight_core::commit;

use super::source::File;

/// What the bucket holds of a workspace, by path.
pub type There = BTreeMap<String, Object>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub size: u64,
    pub etag: String,
}

/// What has to be done for the bucket to be equal. Paths in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub upload: Vec<String>,
    pub delete: Vec<String>,
    pub unchanged: usize,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.upload.is_empty() && self.delete.is_empty()
    }

    /// What is to be done, found out with as many processors as there are.
    pub fn between(here: &BTreeMap<String, File>, there: &There) -> anyhow::Result<Self> {
        let mut difference = Self::default();
        let mut doubtful = Vec::new();
        // What the platform keeps in the workspace is not ours to change.
        let here: BTreeMap<_, _> = here.iter().filter(|(path, _)| !commit::is_own(path)).collect();
        for (path, file) in &here {
            match there.get(*path) {
                Some(object) if object.size == file.size => doubtful.push((*path, file.at.as_path(), object)),
                _ => difference.upload.push((*path).clone()),
            }
        }
        for ((path, _, object), hash) in doubtful.iter().zip(hashes(&doubtful)?) {
            if hash == object.etag {
                difference.unchanged += 1;
            } else {
                difference.upload.push((*path).clone());
            }
        }
        difference.upload.sort_unstable();
        let gone = there.keys().filter(|path| !here.contains_key(path) && !commit::is_own(path));
        difference.delete = gone.cloned().collect();
        Ok(difference)
    }
}

fn hashes(files: &[(&String, &Path, &Object)]) -> anyhow::Result<Vec<String>> {
    let workers = std::thread::available_parallelism().map_or(2, |count| count.get()).min(files.len());
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((_, file, _)) = files.get(at) else { return Ok(()) };
            let hash = etag(file)?;
            found.lock().expect("nobody panics while it is held").push((at, hash));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
    })
    .map_err(|error: anyhow::Error| error)?;
    let mut found = found.into_inner().expect("nobody panics while it is held");
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, hash)| hash).collect())
}

/// The ETag of an object uploaded in one piece: the MD5 of its content.
pub fn etag(file: &Path) -> anyhow::Result<String> {
    use std::io::BufRead;

    use md5::Digest;
    let read = || {
        let mut reader = std::io::BufReader::with_capacity(256 * 1024, std::fs::File::open(file)?);
        let mut hasher = md5::Md5::new();
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                return Ok::<String, std::io::Error>(hex::encode(hasher.finalize()));
            }
            hasher.update(piece);
            let read = piece.len();
            reader.consume(read);
        }
    };
    read().with_context(|| format!("could not read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(dir: &Path, files: &[(&str, &str)]) -> BTreeMap<String, File> {
        let file = |(path, content): &(&str, &str)| {
            let at = dir.join(path.replace('/', "_"));
            std::fs::write(&at, content).unwrap();
            ((*path).to_owned(), File { at, size: content.len() as u64, modified: None })
        };
        files.iter().map(file).collect()
    }

    fn there(files: &[(&str, u64, &str)]) -> There {
        let object = |(path, size, etag): &(&str, u64, &str)| {
            ((*path).to_owned(), Object { size: *size, etag: (*etag).to_owned() })
        };
        files.iter().map(object).collect()
    }

    const MD5_OF_ONE: &str = "f97c5d29941bfb1b2fdab0874906ab82";

    #[test]
    fn what_is_new_or_other_is_uploaded_and_what_is_gone_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let here = here(dir.path(), &[("same", "one"), ("other", "two"), ("longer", "three"), ("new", "x")]);
        let there = there(&[
            ("same", 3, MD5_OF_ONE),
            ("other", 3, MD5_OF_ONE),
            ("longer", 3, MD5_OF_ONE),
            ("gone", 3, MD5_OF_ONE),
            // Uploaded in parts: nobody knows of what.
            ("parts", 3, "f97c5d29941bfb1b2fdab0874906ab82-1"),
        ]);
        let difference = Difference::between(&here, &there).unwrap();
        assert_eq!(difference.upload, ["longer", "new", "other"]);
        assert_eq!(difference.delete, ["gone", "parts"]);
        assert_eq!(difference.unchanged, 1);
    }

    #[test]
    fn what_the_platform_keeps_in_a_workspace_is_neither_uploaded_nor_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let here = here(dir.path(), &[(".cloudyknight/other", "x")]);
        let difference = Difference::between(&here, &there(&[(".cloudyknight/commit", 3, "e")])).unwrap();
        assert!(difference.is_empty(), "{difference:?}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let here =
            BTreeMap::from([("a".to_owned(), File { at: "/nowhere/a".into(), size: 3, modified: None })]);
        let error = Difference::between(&here, &there(&[("a", 3, MD5_OF_ONE)])).unwrap_err();
        assert!(error.to_string().contains("/nowhere/a"), "{error}");
    }
}
