//! Archives with random damage and random entries: no panic, nothing outside, no more than the limits.

use proptest::prelude::*;

use super::*;

/// Two folders with a file each, large enough to be compressed in earnest.
fn sound() -> Vec<Vec<u8>> {
    let body = "abcdefgh".repeat(500);
    let files = [("a/x", body.as_str()), ("b/y", "2"), ("c", "")];
    let tar = tarred(&files);
    vec![gzipped(&tar), zstd_of(&tar), zipped(&files), tar]
}

fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(String::new()),
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("__MACOSX".to_owned()),
        Just("C:".to_owned()),
        "[a-z./\\\\ ]{1,6}",
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

proptest! {
    #[test]
    fn damage_anywhere_is_refused_or_harmless(
        which in 0..4usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = sound().swap_remove(which);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        // Asserts itself that nothing was written elsewhere, and not too much.
        let result = unpacked_with(&bytes, LIMITS);
        prop_assert!(matches!(result, Ok(_) | Err(UnpackError::Refused(_))), "{result:?}");
    }

    #[test]
    fn any_names_and_kinds_stay_inside(
        entries in prop::collection::vec((name(), name(), 0..8usize, 0..2000usize), 0..12),
    ) {
        let mut bytes = Vec::new();
        for (name, target, kind, size) in entries {
            let mut header = ::tar::Header::new_old();
            let old = header.as_old_mut();
            let (name, target) = (name.as_bytes(), target.as_bytes());
            let (name, target) = (&name[..name.len().min(99)], &target[..target.len().min(99)]);
            old.name[..name.len()].copy_from_slice(name);
            old.linkname[..target.len()].copy_from_slice(target);
            old.linkflag = [b"0125xLgK"[kind]];
            header.set_size(size as u64);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
            bytes.resize(bytes.len() + size.next_multiple_of(512), b'1');
        }
        bytes.resize(bytes.len() + 1024, 0);
        let result = unpacked_with(&bytes, Limits { bytes: 4000, entries: 8 });
        prop_assert!(matches!(result, Ok(_) | Err(UnpackError::Refused(_))), "{result:?}");
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..3000), magic in 0..5usize) {
        let magic: &[u8] = [&b""[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PK\x05\x06"][magic];
        let bytes = [magic, &bytes].concat();
        let result = unpacked_with(&bytes, LIMITS);
        prop_assert!(matches!(result, Err(UnpackError::Refused(_))), "{result:?}");
    }

    #[test]
    fn any_names_and_modes_in_a_zip_stay_inside(
        entries in prop::collection::vec((name(), name(), 0..4usize, 0..2000usize), 0..12),
    ) {
        let mut zip = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        for (name, target, kind, size) in entries {
            // The writer itself refuses what comes twice.
            let began = match kind {
                0 => zip.start_file(name, options),
                1 => zip.start_file(name, options.compression_method(::zip::CompressionMethod::Stored)),
                2 => zip.add_symlink(name, target, options).and(Err(::zip::result::ZipError::FileNotFound)),
                _ => zip.add_directory(name, options).and(Err(::zip::result::ZipError::FileNotFound)),
            };
            if began.is_ok() {
                zip.write_all(&vec![b'1'; size]).unwrap();
            }
        }
        let bytes = zip.finish().unwrap().into_inner();
        let result = unpacked_with(&bytes, Limits { bytes: 4000, entries: 8 });
        prop_assert!(matches!(result, Ok(_) | Err(UnpackError::Refused(_))), "{result:?}");
    }

    #[test]
    fn what_is_taken_holds_no_more_than_the_limits(
        entries in prop::collection::vec(("[a-c](/[a-c]){0,2}", 0..600usize), 1..14),
        bytes in 0..4000u64,
        limit in 0..16usize,
        packing in 0..4usize,
    ) {
        let bodies: Vec<_> = entries.iter().map(|(path, size)| (path.clone(), "x".repeat(*size))).collect();
        let mut seen = std::collections::BTreeSet::new();
        let files: Vec<_> = bodies
            .iter()
            .filter(|(path, _)| seen.insert(path.clone()))
            .map(|(path, body)| (path.as_str(), body.as_str()))
            .collect();
        let tar = tarred(&files);
        let packed = match packing {
            0 => gzipped(&tar),
            1 => zstd_of(&tar),
            2 => zipped(&files),
            _ => tar,
        };
        let total: u64 = files.iter().map(|(_, body)| body.len() as u64).sum();
        let is_nested = files.iter().any(|(path, _)| {
            files.iter().any(|(other, _)| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
        });
        match unpacked_with(&packed, Limits { bytes, entries: limit }) {
            Ok((found, _)) => {
                prop_assert!(total <= bytes && files.len() <= limit && !is_nested);
                prop_assert_eq!(found.len(), files.len());
                prop_assert_eq!(found.iter().map(|(_, body)| body.len() as u64).sum::<u64>(), total);
            }
            Err(UnpackError::Refused(Refusal::TooLarge { .. })) => prop_assert!(total > bytes),
            Err(UnpackError::Refused(Refusal::TooMany { .. })) => prop_assert!(files.len() > limit),
            Err(UnpackError::Refused(Refusal::FileAndFolder { .. })) => prop_assert!(is_nested),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}
