//! What nobody should upload, and somebody will.

use super::*;

/// An entry with a header that no tool would write.
fn raw(kind: u8, name: &[u8], target: &[u8], body: &[u8]) -> Vec<u8> {
    let mut header = ::tar::Header::new_old();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name);
    old.linkname[..target.len()].copy_from_slice(target);
    old.linkflag = [kind];
    header.set_size(body.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn file(name: &str, body: &str) -> Vec<u8> {
    raw(b'0', name.as_bytes(), b"", body.as_bytes())
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_by_name() {
    let names = [
        "../x",
        "a/../../x",
        "..",
        "/etc/passwd",
        "//x",
        "a//b",
        "a/./b",
        "C:/x",
        "c:x",
        "./../x",
        "./",
        "/",
    ];
    for name in names {
        let bytes = archive(&[file("fine", "1"), file(name, "2")]);
        match unpacked_with(&bytes, LIMITS) {
            Err(UnpackError::Refused(Refusal::Name { entry, .. })) => assert_eq!(entry, name),
            // The folder itself.
            Ok((files, _)) if name == "./" => assert_eq!(files, owned(&[("fine", "1")])),
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in ["..\\x", "a\\..\\..\\x", "\\x", "C:\\x", "../x", "/x", "a/\u{0}b"] {
        let refused = refusal(&zipped(&[("fine", "1"), (name, "2")]));
        assert!(matches!(refused, Refusal::Name { .. } | Refusal::Damaged { .. }), "{name}: {refused}");
    }
    let not_utf8 = archive(&[raw(b'0', b"a\xff", b"", b"")]);
    assert!(matches!(refusal(&not_utf8), Refusal::Name { why: "it is not UTF-8", .. }));
    let long = "d/".repeat(600) + "x";
    assert!(matches!(refusal(&tarred(&[(&long, "1")])), Refusal::Name { .. }));
}

#[test]
fn nothing_is_written_through_a_link() {
    let out = tempfile::tempdir().unwrap();
    let target = out.path().to_str().unwrap().as_bytes();
    let bytes = archive(&[raw(b'2', b"link", target, b""), file("link/x", "1"), file("y", "2")]);
    assert!(matches!(refusal(&bytes), Refusal::SymbolicLink { .. }));
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    for target in ["/etc/passwd", "../x", "later", "link"] {
        let bytes = archive(&[raw(b'2', b"link", b"a/b", b""), raw(b'1', b"h", target.as_bytes(), b"")]);
        assert!(matches!(refusal(&bytes), Refusal::HardLink { .. }), "{target}");
    }
    let within = [raw(b'2', b"d/link", b"e", b""), file("d/link/x", "1")];
    let through = refusal(&archive(&within));
    assert!(
        matches!(&through, Refusal::ThroughLink { entry, link } if entry == "d/link/x" && link == "d/link"),
        "{through}"
    );
}

/// A zip archive with a symbolic link, and a file beside it.
fn zipped_link(path: &str, target: &str) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default();
    zip.add_symlink(path, target, options).unwrap();
    zip.start_file("beside", options).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_symbolic_link_that_leads_out_is_refused_by_name_and_one_that_does_not_is_left_out() {
    let out = ["/etc/passwd", "../x", "b/../../x", "../../d/x", "..", "\\\\server", "C:\\x", "..\\x"];
    for target in out {
        for path in ["link", "d/link"] {
            // A folder deeper, the same leads to a place that is inside.
            if path == "d/link" && ["../x", "b/../../x", "..", "..\\x"].contains(&target) {
                continue;
            }
            let tar = archive(&[raw(b'2', path.as_bytes(), target.as_bytes(), b""), file("beside", "")]);
            for bytes in [tar, zipped_link(path, target)] {
                match refusal(&bytes) {
                    Refusal::SymbolicLink { entry, target: told } => {
                        assert_eq!((entry.as_str(), told.as_str()), (path, target));
                    }
                    other => panic!("{path} -> {target}: {other}"),
                }
            }
        }
    }
    for (path, target) in [("link", "beside"), ("d/link", "../beside"), ("link", "./d/../beside")] {
        let tar = archive(&[raw(b'2', path.as_bytes(), target.as_bytes(), b""), file("beside", "")]);
        for bytes in [tar, zipped_link(path, target)] {
            let (files, left_out) = unpacked_with(&bytes, LIMITS).unwrap();
            assert_eq!((files, left_out.len()), (owned(&[("beside", "")]), 1), "{path} -> {target}");
        }
    }
}

#[test]
fn names_that_differ_in_case_are_two_files() {
    let both = [("Readme", "1"), ("a/X", "3"), ("a/x", "4"), ("readme", "2")];
    for bytes in [tarred(&both), zipped(&both)] {
        assert_eq!(unpacked(&bytes), owned(&both));
    }
}

#[test]
fn a_zstd_frame_that_wants_more_memory_than_anybody_gives_is_refused() {
    // No size of the content, no checksum; a window of 2^41 bytes, and one of 2^28.
    for window in [0xf8, 0x90] {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x01, 0x00, 0x00];
        assert!(matches!(refusal(&frame), Refusal::Damaged { .. }), "{window:#x}");
    }
    // What is packed twice is no tar archive after the first time.
    let tar = tarred(&[("a", "1")]);
    assert!(matches!(refusal(&zstd_of(&zstd_of(&tar))), Refusal::Damaged { .. }));
    assert!(matches!(refusal(&gzipped(&zstd_of(&tar))), Refusal::Damaged { .. }));
}

#[test]
fn devices_pipes_and_sparse_files_are_refused() {
    for (kind, what) in
        [(b'3', "a device"), (b'4', "a device"), (b'6', "a named pipe"), (b'S', "a sparse file")]
    {
        match refusal(&archive(&[raw(kind, b"x", b"", b"")])) {
            Refusal::Kind { kind, .. } => assert_eq!(kind, what),
            other => panic!("{other}"),
        }
    }
    assert!(matches!(refusal(&archive(&[raw(b'Z', b"x", b"", b"")])), Refusal::Kind { .. }));
    let sparse = pax("GNU.sparse.major", "1");
    assert!(matches!(refusal(&archive(&[sparse, file("x", "1")])), Refusal::Kind { .. }));
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    raw(b'x', b"PaxHeader", b"", format!("{length} {key}={value}\n").as_bytes())
}

#[test]
fn what_says_two_things_is_refused() {
    assert!(matches!(refusal(&archive(&[file("a", "1"), file("a", "2")])), Refusal::Twice { .. }));
    assert!(matches!(refusal(&archive(&[file("a", "1"), file("./a", "2")])), Refusal::Twice { .. }));
    let link = || raw(b'2', b"a", b"b", b"");
    for entries in [[link(), link()], [link(), file("a", "1")], [file("a", "1"), link()]] {
        assert!(matches!(refusal(&archive(&entries)), Refusal::Twice { .. }));
    }
    assert!(matches!(refusal(&archive(&[file("a", "1"), file("a/b", "2")])), Refusal::FileAndFolder { .. }));
    assert!(matches!(refusal(&archive(&[file("a/b", "1"), file("a", "2")])), Refusal::FileAndFolder { .. }));
    let sizes = archive(&[pax("size", "1024"), file("a", "1")]);
    assert!(matches!(refusal(&sizes), Refusal::Damaged { .. }));
    let smuggled = [archive(&[file("a", "1")]), archive(&[file("b", "2")])].concat();
    assert!(matches!(refusal(&smuggled), Refusal::Damaged { .. }));
    // Folders come twice in many archives.
    let folders = archive(&[raw(b'5', b"d/", b"", b""), file("d/x", "1"), raw(b'5', b"d", b"", b"")]);
    assert_eq!(unpacked(&folders), owned(&[("x", "1")]));
}

#[test]
fn a_zip_whose_two_directories_disagree_is_refused() {
    let fine = zipped(&[("fine-name", "1"), ("other", "2")]);
    let at = fine.windows(9).position(|window| window == b"fine-name").unwrap();
    let mut other_name = fine.clone();
    other_name[at..at + 9].copy_from_slice(b"else-name");
    assert!(matches!(refusal(&other_name), Refusal::Damaged { .. }));
    let twice = {
        let mut bytes = zipped(&[("a", "1"), ("b", "2")]);
        for at in 0..bytes.len() - 1 {
            // The one-letter names, each after the fixed part of its header.
            if bytes[at..].starts_with(b"b") && at > 30 {
                bytes[at] = b'a';
            }
        }
        bytes
    };
    assert!(matches!(refusal(&twice), Refusal::Damaged { .. } | Refusal::Twice { .. }));
    let mut encrypted = fine.clone();
    for signature in [b"PK\x03\x04".as_slice(), b"PK\x01\x02"] {
        let flags = if signature[2] == 3 { 6 } else { 8 };
        let found: Vec<usize> =
            (0..encrypted.len() - 4).filter(|at| encrypted[*at..].starts_with(signature)).collect();
        for at in found {
            encrypted[at + flags] |= 1;
        }
    }
    assert!(matches!(refusal(&encrypted), Refusal::Encrypted { .. }), "{}", refusal(&encrypted));
}

#[test]
fn a_bomb_is_refused_while_it_is_read() {
    let zeros = "\0".repeat(64 << 20);
    let bomb = tarred(&[("zeros", &zeros)]);
    for archive in [gzipped(&bomb), zstd_of(&bomb), zipped(&[("zeros", &zeros)]), bomb] {
        assert!(matches!(refusal(&archive), Refusal::TooLarge { limit } if limit == LIMITS.bytes));
    }
    // Not in a file, but where it is left out.
    let link = |n: usize| raw(b'2', format!("link{n}").as_bytes(), b"x", &[0; 1 << 20]);
    let many = archive(&(0..400).map(link).collect::<Vec<_>>());
    assert!(matches!(refusal(&many), Refusal::TooLarge { .. }));
    let headers = archive(&[raw(b'L', b"././@LongLink", b"", &[b'a'; 100_000]), file("a", "1")]);
    assert!(matches!(refusal(&headers), Refusal::Damaged { .. }));
    let entries: Vec<_> = (0..=LIMITS.entries).map(|n| file(&format!("{n}"), "")).collect();
    assert!(matches!(refusal(&archive(&entries)), Refusal::TooMany { .. }));
    let names: Vec<_> = (0..=LIMITS.entries).map(|n| n.to_string()).collect();
    let names: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert!(matches!(refusal(&zipped(&names)), Refusal::TooMany { .. }));
}

#[test]
fn what_is_cut_off_anywhere_is_refused() {
    let files = [("a", "1"), ("b/c", "22")];
    let tar = tarred(&files);
    for archive in [gzipped(&tar), zstd_of(&tar), zipped(&files)] {
        for length in 1..archive.len() {
            let cut = unpacked_with(&archive[..length], LIMITS);
            assert!(matches!(cut, Err(UnpackError::Refused(_))), "{length} of {}: {cut:?}", archive.len());
        }
    }
    // A tar archive ends with two blocks of zeros; without the second of them it was cut off.
    for length in (1..tar.len() - 512).step_by(37).chain([tar.len() - 513]) {
        assert!(matches!(unpacked_with(&tar[..length], LIMITS), Err(UnpackError::Refused(_))), "{length}");
    }
}

#[test]
fn what_is_no_archive_is_refused_in_words() {
    for bytes in [b"hello".to_vec(), vec![b'x'; 4096], b"<html></html>".to_vec()] {
        assert!(matches!(refusal(&bytes), Refusal::Unknown));
    }
    assert!(matches!(refusal(b""), Refusal::Empty));
    assert!(matches!(refusal(&archive(&[])), Refusal::Unknown | Refusal::NoFiles));
    assert!(matches!(refusal(&gzipped(&archive(&[]))), Refusal::NoFiles));
    assert!(matches!(refusal(&gzipped(b"hello")), Refusal::Damaged { .. }));
    assert!(matches!(refusal(&zipped(&[])), Refusal::NoFiles));
    let garbage = [gzipped(&tarred(&[("a", "1")])), b"garbage".to_vec()].concat();
    assert!(matches!(refusal(&garbage), Refusal::Damaged { .. }));
}
