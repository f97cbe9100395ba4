//! Zip archives. Their directory at the end and the header before each file must tell the same, or two tools would see two
//! archives.

use std::cell::Cell;
use std::io::{Read, Seek, SeekFrom};
use std::rc::Rc;

use ::zip::ZipArchive;
use ::zip::read::{ArchiveOffset, Config};
use ::zip::result::ZipError;

use super::refusal::{Refusal, UnpackError};
use super::tree::{Place, Tree, damaged, shown};

/// How much of an archive is read before its first file, in bytes: its directory is remembered whole.
const DIRECTORY: u64 = 32 << 20;

/// So much is read of what a symbolic link leads to, in bytes: no system takes a longer one.
const LONGEST_TARGET: u64 = 4096;

/// The bits of a Unix mode that tell what kind of file it is of.
const KIND: u32 = 0o170_000;

pub fn unpack(input: impl Read + Seek, tree: &mut Tree) -> Result<(), UnpackError> {
    let left = Rc::new(Cell::new(DIRECTORY));
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let opened = ZipArchive::with_config(config, Metered { input, left: left.clone() });
    let mut archive = opened.map_err(|error| refused("", error))?;
    left.set(u64::MAX);
    let limit = tree.limits().entries;
    if archive.len() > limit {
        return Err(Refusal::TooMany { limit }.into());
    }
    if archive.has_duplicate_names() {
        let why = "its directory names an entry more than once".to_owned();
        return Err(Refusal::Damaged { entry: String::new(), why }.into());
    }
    archive.validate_header_consistency().map_err(|error| refused("", error))?;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|error| refused("", error))?;
        let name = match std::str::from_utf8(entry.name_raw()) {
            Ok(name) => name.to_owned(),
            Err(_) => entry.name().map_err(|error| refused("", error))?.into_owned(),
        };
        // What older tools of Windows write between folders.
        let name = name.replace('\\', "/");
        let (encrypted, mode) = (entry.encrypted(), entry.unix_mode().unwrap_or_default());
        let place = tree.place(&name)?;
        if encrypted {
            return Err(Refusal::Encrypted { entry: shown(&name) }.into());
        }
        let Place::At(path) = place else { continue };
        match mode & KIND {
            _ if name.ends_with('/') => tree.folder(&path)?,
            0o120_000 => {
                let mut target = Vec::new();
                let content = archive.by_index(index).map_err(|error| refused(&name, error))?;
                content
                    .take(LONGEST_TARGET)
                    .read_to_end(&mut target)
                    .map_err(|error| damaged(&name, &error))?;
                tree.symbolic_link(&path, &String::from_utf8_lossy(&target))?;
            }
            0 | 0o100_000 => {
                let mut content = archive.by_index(index).map_err(|error| refused(&name, error))?;
                tree.file(&path, &mut content)?;
            }
            _ => return Err(Refusal::Kind { entry: shown(&name), kind: "a device or a pipe" }.into()),
        }
    }
    Ok(())
}

fn refused(entry: &str, error: ZipError) -> Refusal {
    match error {
        ZipError::Io(error) => damaged(entry, &error),
        error => Refusal::Damaged { entry: shown(entry), why: error.to_string() },
    }
}

/// Gives no more than is left.
struct Metered<R> {
    input: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| std::io::Error::other("its directory is too large"))?);
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.input.seek(to)
    }
}
