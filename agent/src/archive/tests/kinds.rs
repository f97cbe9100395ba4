//! What ordinary tools make.

use std::process::Command;

use super::*;

const FILES: [(&str, &str); 3] = [("docker-compose.yml", "services: {}\n"), ("lib/é +%.js", "1"), ("x", "")];

#[test]
fn every_kind_of_archive_gives_the_same_files() {
    let tar = tarred(&FILES);
    let frames = [zstd_of(&tar[..700]), zstd_of(&tar[700..])].concat();
    let members = [gzipped(&tar[..700]), gzipped(&tar[700..])].concat();
    for archive in [gzipped(&tar), zstd_of(&tar), frames, members, zipped(&FILES), tar] {
        assert_eq!(unpacked(&archive), owned(&FILES));
    }
}

#[test]
fn a_single_folder_with_nothing_beside_it_is_what_was_meant() {
    let deep = [("project-1.2/docker-compose.yml", "a"), ("project-1.2/src/x", "b")];
    assert_eq!(unpacked(&tarred(&deep)), owned(&[("docker-compose.yml", "a"), ("src/x", "b")]));
    let junk = [("p/index.html", "a"), ("__MACOSX/p/._index.html", "b"), ("._p", "c")];
    let (files, left_out) = unpacked_with(&zipped(&junk), LIMITS).unwrap();
    assert_eq!(files, owned(&[("index.html", "a")]));
    assert!(left_out[0].starts_with("2 files that only macOS reads"), "{left_out:?}");
    let beside = [("p/x", "a"), ("readme", "b")];
    assert_eq!(unpacked(&tarred(&beside)), owned(&beside));
    let two = [("p/x", "a"), ("q/x", "b")];
    assert_eq!(unpacked(&tarred(&two)), owned(&two));
}

#[test]
fn links_of_an_ordinary_project_are_left_out_and_told() {
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut add = |kind, path: &str, target: &str, body: &[u8]| {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        if target.is_empty() {
            tar.append_data(&mut header, path, body).unwrap();
        } else {
            tar.append_link(&mut header, path, target).unwrap();
        }
    };
    add(::tar::EntryType::Regular, "node_modules/x/cli.js", "", b"#!");
    add(::tar::EntryType::Symlink, "node_modules/.bin/x", "../x/cli.js", b"");
    add(::tar::EntryType::Symlink, "node_modules/latest", "x", b"");
    add(::tar::EntryType::Link, "node_modules/y", "./node_modules/x/cli.js", b"");
    let (files, left_out) = unpacked_with(&tar.into_inner().unwrap(), LIMITS).unwrap();
    assert_eq!(files, owned(&[("x/cli.js", "#!"), ("y", "#!")]));
    assert!(left_out[0].starts_with("2 symbolic links, such as \"node_modules/.bin/x\""), "{left_out:?}");
}

#[test]
fn the_platform_s_own_folder_is_no_source() {
    let (files, left_out) =
        unpacked_with(&tarred(&[("a", "1"), (".cloudyknight/commit", "2")]), LIMITS).unwrap();
    assert_eq!((files, left_out.len()), (owned(&[("a", "1")]), 1));
}

#[test]
fn names_longer_than_a_header_holds_are_whole_in_both_dialects() {
    let long = format!("{}/{}.txt", "d".repeat(120), "n".repeat(200));
    assert_eq!(unpacked(&tarred(&[(&long, "1"), ("b", "2")])), owned(&[("b", "2"), (&long, "1")]));
    let mut pax = ::tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", long.as_bytes()), ("mtime", b"1.5".as_slice())]).unwrap();
    let mut header = ::tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(1);
    header.set_cksum();
    pax.append(&header, b"1".as_slice()).unwrap();
    let mut beside = ::tar::Header::new_ustar();
    beside.set_path("b").unwrap();
    beside.set_size(0);
    beside.set_cksum();
    pax.append(&beside, b"".as_slice()).unwrap();
    assert_eq!(unpacked(&pax.into_inner().unwrap()), owned(&[("b", ""), (&long, "1")]));
}

#[test]
fn folders_of_older_windows_tools_are_folders() {
    assert_eq!(
        unpacked(&zipped(&[("a\\b\\c.txt", "1"), ("d", "2")])),
        owned(&[("a/b/c.txt", "1"), ("d", "2")])
    );
}

/// The real tools, where they are installed.
#[test]
fn what_the_tools_of_this_machine_make_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("project");
    std::fs::create_dir_all(source.join("sub/empty")).unwrap();
    std::fs::write(source.join("index.js"), "js").unwrap();
    std::fs::write(source.join("sub/ü.txt"), "text").unwrap();
    std::fs::hard_link(source.join("index.js"), source.join("sub/same.js")).unwrap();
    let expected = owned(&[("index.js", "js"), ("sub/same.js", "js"), ("sub/ü.txt", "text")]);
    let out = folder.path().join("out");
    let python = "import shutil,sys; shutil.make_archive(sys.argv[1],sys.argv[2],sys.argv[3],'.')";
    let commands: [(&str, &[&str]); 9] = [
        ("tar", &["czf", "OUT", "-C", "project", "."]),
        ("tar", &["cf", "OUT", "project"]),
        ("tar", &["--format=pax", "-czf", "OUT", "-C", "project", "."]),
        ("tar", &["--format=v7", "-cf", "OUT", "project"]),
        ("tar", &["--zstd", "-cf", "OUT", "project"]),
        ("bsdtar", &["-czf", "OUT", "-C", "project", "."]),
        ("sh", &["-c", "rm -f out.zip && zip -qr out.zip project && mv out.zip out"]),
        ("sh", &["-c", "cd project && zip -qr - . > ../out"]),
        ("python3", &["-c", python, "made", "zip", "project"]),
    ];
    let mut tried = 0;
    for (program, arguments) in commands {
        let _ = std::fs::remove_file(&out);
        let arguments = arguments.iter().map(|argument| if *argument == "OUT" { "out" } else { argument });
        let ran = Command::new(program).args(arguments).current_dir(folder.path()).output();
        let made = folder.path().join("made.zip");
        if made.exists() {
            std::fs::rename(made, &out).unwrap();
        }
        if !ran.is_ok_and(|ran| ran.status.success()) || !out.exists() {
            continue;
        }
        assert_eq!(unpacked(&std::fs::read(&out).unwrap()), expected, "{program}");
        tried += 1;
    }
    assert!(tried >= 3, "tar is on every machine that runs this");
}
