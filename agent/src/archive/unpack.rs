//! From an archive in a file to a folder of files. What kind it is, its first bytes say, not its name.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::refusal::{Refusal, UnpackError};
use super::tree::{Capped, Limits, Tree, Unpacked};
use super::{tar, zip, zstd};

/// What an archive may hold beyond its files, in bytes: headers, padding, what is left out.
const SLACK: u64 = 256 << 20;

/// Unpacks `archive` into `folder`, which exists and is empty.
///
/// Guarantee: nothing is written outside of the folder, and no more in it than the limits say. What was written before an
/// archive turned out to be bad stays there, for the caller to discard.
pub fn unpack(archive: &Path, folder: &Path, limits: Limits) -> Result<Unpacked, UnpackError> {
    let on_disk = |source| UnpackError::Disk { path: archive.display().to_string(), source };
    let mut file = File::open(archive).map_err(on_disk)?;
    let mut first = Vec::new();
    (&mut file).take(512).read_to_end(&mut first).map_err(on_disk)?;
    file.rewind().map_err(on_disk)?;
    let mut tree = Tree::new(folder, limits);
    let capped = |input: Box<dyn Read>| Capped::new(input, limits.bytes, SLACK);
    let buffered = BufReader::with_capacity(128 << 10, file);
    match kind(&first)? {
        Kind::Zip => zip::unpack(buffered, &mut tree)?,
        Kind::Gzip => tar::unpack(capped(Box::new(MultiGzDecoder::new(buffered))), &mut tree)?,
        Kind::Zstd => tar::unpack(capped(Box::new(zstd::Frames::new(buffered))), &mut tree)?,
        Kind::Tar => tar::unpack(capped(Box::new(buffered)), &mut tree)?,
    }
    Ok(tree.finish()?)
}

enum Kind {
    Tar,
    Gzip,
    Zstd,
    Zip,
}

fn kind(first: &[u8]) -> Result<Kind, Refusal> {
    match first {
        [] => Err(Refusal::Empty),
        [0x1f, 0x8b, ..] => Ok(Kind::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Kind::Zstd),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Kind::Zip),
        // Of the original tar, only the checksum tells; it is checked when the header is read.
        first if first.len() == 512 && (first[257..262] == *b"ustar" || looks_like_a_header(first)) => {
            Ok(Kind::Tar)
        }
        _ => Err(Refusal::Unknown),
    }
}

/// Whether the field of the checksum holds an octal number, as it does in every header of a tar archive.
fn looks_like_a_header(block: &[u8]) -> bool {
    let field = &block[148..156];
    field.iter().any(u8::is_ascii_digit) && field.iter().all(|byte| matches!(byte, b'0'..=b'7' | b' ' | 0))
}
