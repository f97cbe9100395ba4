//! Where the files of an archive go: a folder of their own, in memory. Whatever an archive says, nothing is written
//! outside of that folder, nothing but files and folders is made in it, and it never holds more than the limits.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use cloudyknight_core::commit;

use super::refusal::{Refusal, UnpackError};
use crate::source::no_file;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of all files together.
    pub bytes: u64,
    pub entries: usize,
}

/// What came of an archive.
#[derive(Debug)]
pub struct Unpacked {
    /// Holds the files.
    pub folder: PathBuf,
    /// What is not among them, a sentence a kind.
    pub left_out: Vec<String>,
}

pub struct Tree {
    root: PathBuf,
    limits: Limits,
    /// With their sizes in bytes.
    files: BTreeMap<String, u64>,
    folders: BTreeSet<String>,
    bytes: u64,
    entries: usize,
    links: BTreeSet<String>,
    of_macos: usize,
    own: usize,
}

/// What an entry of an archive is about.
pub enum Place {
    /// A file or folder below the workspace's.
    At(String),
    /// The folder itself, or nothing for a workspace.
    Nowhere,
}

/// The longest path of a file in a workspace, in bytes: a key has 1024 at most, and a workspace's name 63.
const LONGEST: usize = 960;
/// What is copied at once, in bytes.
const PIECE: usize = 128 << 10;

impl Tree {
    /// `root` is a folder that exists, empty and nobody else's.
    pub fn new(root: &Path, limits: Limits) -> Self {
        Self {
            root: root.to_owned(),
            limits,
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            bytes: 0,
            entries: 0,
            links: BTreeSet::new(),
            of_macos: 0,
            own: 0,
        }
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Counts one entry and says where it belongs.
    pub fn place(&mut self, name: &str) -> Result<Place, Refusal> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Refusal::TooMany { limit: self.limits.entries });
        }
        let refused = |why| Refusal::Name { entry: shown(name), why };
        let mut path = name.strip_suffix('/').unwrap_or(name);
        while let Some(rest) = path.strip_prefix("./") {
            path = rest;
        }
        if matches!(path, "." | "") && !name.starts_with('/') {
            return Ok(Place::Nowhere);
        }
        if path.starts_with('/') {
            return Err(refused("its path begins at the root"));
        }
        if has_drive(path) {
            return Err(refused("its path begins with a drive"));
        }
        if path.len() > LONGEST {
            return Err(refused("its path is longer than an object's key may be"));
        }
        if let Some(why) = no_file(path) {
            return Err(refused(why));
        }
        if path.split('/').any(|part| part == "__MACOSX" || part.starts_with("._")) {
            self.of_macos += 1;
            return Ok(Place::Nowhere);
        }
        if path == commit::FOLDER || commit::is_own(path) {
            self.own += 1;
            return Ok(Place::Nowhere);
        }
        Ok(Place::At(path.to_owned()))
    }

    pub fn folder(&mut self, path: &str) -> Result<(), UnpackError> {
        self.folder_for(path, path)
    }

    fn folder_for(&mut self, path: &str, entry: &str) -> Result<(), UnpackError> {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        for folder in parents.chain([path]) {
            if self.links.contains(folder) {
                return Err(Refusal::ThroughLink { entry: shown(entry), link: shown(folder) }.into());
            }
            if self.files.contains_key(folder) {
                return Err(Refusal::FileAndFolder { entry: shown(folder) }.into());
            }
            if self.folders.insert(folder.to_owned()) {
                std::fs::create_dir(self.root.join(folder)).map_err(|source| on_disk(folder, source))?;
            }
        }
        Ok(())
    }

    /// Writes a file. `read` fails with what makes the archive bad.
    pub fn file(&mut self, path: &str, read: &mut dyn Read) -> Result<(), UnpackError> {
        let mut file = self.create(path)?;
        let (mut piece, mut size) = (vec![0; PIECE], 0);
        loop {
            let read = match read.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(damaged(path, &error).into()),
            };
            size += read as u64;
            self.count(read as u64)?;
            file.write_all(&piece[..read]).map_err(|source| on_disk(path, source))?;
        }
        self.files.insert(path.to_owned(), size);
        Ok(())
    }

    /// A hard link: the same content under another name, of a file that came before.
    pub fn hard_link(&mut self, path: &str, target: &str) -> Result<(), UnpackError> {
        let held = target.trim_start_matches("./");
        let Some(size) = self.files.get(held).copied() else {
            return Err(Refusal::HardLink { entry: shown(path), target: shown(target) }.into());
        };
        let held = self.root.join(held);
        let mut file = self.create(path)?;
        self.count(size)?;
        let mut from = std::fs::File::open(held).map_err(|source| on_disk(path, source))?;
        std::io::copy(&mut from, &mut file).map_err(|source| on_disk(path, source))?;
        self.files.insert(path.to_owned(), size);
        Ok(())
    }

    /// A bucket holds no links: one is left out. One that leads out of the archive was not meant for us.
    pub fn symbolic_link(&mut self, path: &str, target: &str) -> Result<(), Refusal> {
        if !stays_inside(path, target) {
            return Err(Refusal::SymbolicLink { entry: shown(path), target: shown(target) });
        }
        let taken = self.files.contains_key(path) || self.folders.contains(path);
        if taken || !self.links.insert(path.to_owned()) {
            return Err(Refusal::Twice { entry: shown(path) });
        }
        Ok(())
    }

    /// Where there is only one folder, and nothing beside it, its content is what was meant.
    pub fn finish(self) -> Result<Unpacked, Refusal> {
        if self.files.is_empty() {
            return Err(Refusal::NoFiles);
        }
        let mut left_out = Vec::new();
        if let Some(first) = self.links.first() {
            let (count, first) = (self.links.len(), shown(first));
            left_out.push(format!("{count} symbolic links, such as {first:?}: a bucket holds no links"));
        }
        if self.of_macos > 0 {
            left_out.push(format!("{} files that only macOS reads (`__MACOSX`, `._…`)", self.of_macos));
        }
        if self.own > 0 {
            left_out.push(format!("{} files of `{}`, which is no source", self.own, commit::FOLDER));
        }
        let mut top = self.folders.iter().filter(|folder| !folder.contains('/'));
        let alone = match (top.next(), top.next()) {
            (Some(folder), None) if self.files.keys().all(|path| path.contains('/')) => Some(folder),
            _ => None,
        };
        let folder = alone.map_or_else(|| self.root.clone(), |folder| self.root.join(folder));
        Ok(Unpacked { folder, left_out })
    }

    fn create(&mut self, path: &str) -> Result<std::fs::File, UnpackError> {
        if self.folders.contains(path) {
            return Err(Refusal::FileAndFolder { entry: shown(path) }.into());
        }
        if self.files.contains_key(path) || self.links.contains(path) {
            return Err(Refusal::Twice { entry: shown(path) }.into());
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder_for(parent, path)?;
        }
        std::fs::File::create_new(self.root.join(path)).map_err(|source| on_disk(path, source))
    }

    fn count(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(Refusal::TooLarge { limit: self.limits.bytes });
        }
        Ok(())
    }
}

/// Whether a link at this path leads to something below the folder that holds everything, without leaving it on the way.
fn stays_inside(path: &str, target: &str) -> bool {
    let target = target.replace('\\', "/");
    if target.starts_with('/') || has_drive(&target) {
        return false;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    true
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z', b':', ..])
}

fn on_disk(path: &str, source: std::io::Error) -> UnpackError {
    UnpackError::Disk { path: path.to_owned(), source }
}

/// What a reader of an archive answered. One that carries a refusal is that refusal.
pub fn damaged(entry: &str, error: &std::io::Error) -> Refusal {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TooMuch>()) {
        Some(TooMuch { limit }) => Refusal::TooLarge { limit: *limit },
        None => Refusal::Damaged { entry: shown(entry), why: error.to_string() },
    }
}

/// A name as people get to see it: of a bounded length.
pub fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(200).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

/// Reads no more than so many bytes, and says so.
pub struct Capped<R> {
    inner: R,
    left: u64,
    limit: u64,
}

/// An archive that goes on after everything that can be in it was read.
#[derive(Debug, thiserror::Error)]
#[error("it goes on beyond {limit} bytes")]
pub struct TooMuch {
    limit: u64,
}

impl<R> Capped<R> {
    /// `limit` is what people are told, and `slack` what may come beyond it: headers, padding, what is left out.
    pub fn new(inner: R, limit: u64, slack: u64) -> Self {
        Self { inner, left: limit.saturating_add(slack), limit }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            return Err(std::io::Error::other(TooMuch { limit: self.limit }));
        };
        self.left = left;
        Ok(read)
    }
}
