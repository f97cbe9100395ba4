use std::io::Write;
use std::path::Path;

mod hostile;
mod intake;
mod kinds;
mod random;

use super::*;

/// A tar archive of these files, as an ordinary tool makes it.
fn tarred(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    for (path, body) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, body.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, body) in files {
        zip.start_file(*path, ::zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(body.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Paths, and what the files hold.
type Files = Vec<(String, String)>;

const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 1000 };

/// Everything below a folder, with what the files hold.
fn files_below(folder: &Path) -> Files {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            assert!(!kind.is_symlink(), "{entry:?}");
            if kind.is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                let body = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
                files.push((path, body));
            }
        }
    }
    files.sort();
    files
}

/// Files with what they hold, and what was left out.
type Found = (Files, Vec<String>);

/// Unpacks with nothing but the archive's own folder to write to, and checks that nothing else was touched.
fn unpacked_with(archive: &[u8], limits: Limits) -> Result<Found, UnpackError> {
    let around = tempfile::tempdir().unwrap();
    let (file, folder) = (around.path().join("archive"), around.path().join("files"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&file, archive).unwrap();
    let result = unpack(&file, &folder, limits);
    let mut beside: Vec<_> =
        std::fs::read_dir(around.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    beside.sort();
    assert_eq!(beside, ["archive", "files"]);
    let size: u64 =
        files_below(&folder).iter().map(|(path, _)| folder.join(path).metadata().unwrap().len()).sum();
    assert!(size <= limits.bytes + (128 << 10), "{size}");
    result.map(|unpacked| (files_below(&unpacked.folder), unpacked.left_out))
}

fn unpacked(archive: &[u8]) -> Files {
    unpacked_with(archive, LIMITS).unwrap().0
}

fn refusal(archive: &[u8]) -> Refusal {
    match unpacked_with(archive, LIMITS) {
        Err(UnpackError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn owned(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, body)| ((*path).to_owned(), (*body).to_owned())).collect()
}
