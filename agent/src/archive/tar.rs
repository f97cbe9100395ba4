//! Tar archives, read block by block: we see every header ourselves, so that none of them decides how much is remembered,
//! and nothing that says two things is taken for one of them.

use std::io::Read;

use ::tar::{EntryType, Header, PaxExtensions};

use super::refusal::{Refusal, UnpackError};
use super::tree::{Place, Tree, damaged, shown};

const BLOCK: usize = 512;
/// The longest extended header that is read, in bytes.
const EXTENDED: u64 = 64 << 10;

/// What the extended headers said of the next entry.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

/// Reads an archive up to the end of its input.
pub fn unpack(mut input: impl Read, tree: &mut Tree) -> Result<(), UnpackError> {
    let mut extended = Extended::default();
    let mut last = String::new();
    loop {
        let mut header = Header::new_old();
        input.read_exact(header.as_mut_bytes()).map_err(|error| cut_off(&last, &error))?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(end(input, &last)?);
        }
        check_sum(&header, &last)?;
        let size = header.entry_size().map_err(|error| damaged(&last, &error))?;
        let kind = header.entry_type();
        if let Some(read) = extension(kind) {
            if size > EXTENDED {
                let why = format!("an extended header of {size} bytes");
                return Err(Refusal::Damaged { entry: shown(&last), why }.into());
            }
            let mut text = vec![0; size as usize];
            input.read_exact(&mut text).map_err(|error| cut_off(&last, &error))?;
            skip_padding(&mut input, size, &last)?;
            read(&mut extended, &text).map_err(|why| Refusal::Damaged { entry: shown(&last), why })?;
            continue;
        }
        let Extended { name, target, size: told, sparse } = std::mem::take(&mut extended);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let name = text(name, &last)?;
        last.clone_from(&name);
        if told.is_some_and(|told| told != size) {
            let why = "its two headers tell two sizes".to_owned();
            return Err(Refusal::Damaged { entry: shown(&name), why }.into());
        }
        let place = tree.place(&name)?;
        let mut content = (&mut input).take(size);
        if sparse || kind.is_gnu_sparse() {
            return Err(Refusal::Kind { entry: shown(&name), kind: "a sparse file" }.into());
        } else if kind.is_dir() || (kind.is_file() && name.ends_with('/')) {
            if let Place::At(path) = place {
                tree.folder(&path)?;
            }
        } else if kind.is_file() || kind.is_contiguous() {
            if let Place::At(path) = place {
                tree.file(&path, &mut content)?;
            }
        } else if kind.is_symlink() {
            let target = target.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
            if let Place::At(path) = place {
                tree.symbolic_link(&path, &String::from_utf8_lossy(&target.unwrap_or_default()))?;
            }
        } else if kind.is_hard_link() {
            let target = target.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
            let target = text(target.unwrap_or_default(), &name)?;
            if let Place::At(path) = place {
                tree.hard_link(&path, &target)?;
            }
        } else {
            return Err(Refusal::Kind { entry: shown(&name), kind: strange(kind) }.into());
        }
        // What was left out, and a content that ended early.
        let rest = content.limit();
        let skipped =
            std::io::copy(&mut content, &mut std::io::sink()).map_err(|error| damaged(&name, &error))?;
        if skipped < rest {
            return Err(cut_off(&name, &std::io::ErrorKind::UnexpectedEof.into()).into());
        }
        skip_padding(&mut input, size, &name)?;
    }
}

/// Two blocks of zeros end an archive, and nothing but zeros follows: anything else would be dropped in silence.
fn end(mut input: impl Read, last: &str) -> Result<(), Refusal> {
    let mut piece = [0; 16 * BLOCK];
    let mut seen = 0;
    loop {
        match input.read(&mut piece).map_err(|error| damaged(last, &error))? {
            0 if seen < BLOCK => return Err(cut_off(last, &std::io::ErrorKind::UnexpectedEof.into())),
            0 => return Ok(()),
            read if piece[..read].iter().any(|byte| *byte != 0) => {
                let why = "something follows after its end".to_owned();
                return Err(Refusal::Damaged { entry: shown(last), why });
            }
            read => seen += read,
        }
    }
}

fn check_sum(header: &Header, last: &str) -> Result<(), Refusal> {
    let bytes = header.as_bytes();
    let sum: u32 =
        bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    match header.cksum() {
        Ok(told) if told == sum => Ok(()),
        _ => Err(Refusal::Damaged { entry: shown(last), why: "the checksum of a header is wrong".into() }),
    }
}

type Read1 = fn(&mut Extended, &[u8]) -> Result<(), String>;

/// How a header that is about the next entry is read.
fn extension(kind: EntryType) -> Option<Read1> {
    if kind.is_gnu_longname() {
        Some(|extended, text| {
            extended.name = Some(until_zero(text));
            Ok(())
        })
    } else if kind.is_gnu_longlink() {
        Some(|extended, text| {
            extended.target = Some(until_zero(text));
            Ok(())
        })
    } else if kind.is_pax_local_extensions() {
        Some(pax)
    } else if kind.is_pax_global_extensions() {
        // Such as the commit that `git archive` notes. What would change every entry after it is not a note.
        Some(|_, text| {
            let mut ignored = Extended::default();
            pax(&mut ignored, text)?;
            match ignored {
                Extended { name: None, target: None, size: None, sparse: false } => Ok(()),
                _ => Err("a global header tells what only one entry's can".into()),
            }
        })
    } else {
        None
    }
}

fn pax(extended: &mut Extended, text: &[u8]) -> Result<(), String> {
    for record in PaxExtensions::new(text) {
        let record = record.map_err(|error| error.to_string())?;
        let value = record.value_bytes();
        match record.key_bytes() {
            b"path" => extended.name = Some(value.to_vec()),
            b"linkpath" => extended.target = Some(value.to_vec()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                extended.size = Some(size.ok_or("a size that is no number")?);
            }
            key if key.starts_with(b"GNU.sparse.") => extended.sparse = true,
            _ => {}
        }
    }
    Ok(())
}

fn until_zero(text: &[u8]) -> Vec<u8> {
    text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn text(name: Vec<u8>, last: &str) -> Result<String, Refusal> {
    String::from_utf8(name).map_err(|error| Refusal::Name {
        entry: shown(&format!("{} (after {last:?})", error.into_bytes().escape_ascii())),
        why: "it is not UTF-8",
    })
}

fn skip_padding(input: &mut impl Read, size: u64, entry: &str) -> Result<(), Refusal> {
    let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    let mut block = [0; BLOCK];
    input.read_exact(&mut block[..padding as usize]).map_err(|error| cut_off(entry, &error))
}

fn cut_off(entry: &str, error: &std::io::Error) -> Refusal {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Refusal::Damaged { entry: shown(entry), why: "it ends too early".into() };
    }
    damaged(entry, error)
}

fn strange(kind: EntryType) -> &'static str {
    if kind.is_character_special() || kind.is_block_special() {
        "a device"
    } else if kind.is_fifo() {
        "a named pipe"
    } else {
        "of a kind that is not known here"
    }
}
