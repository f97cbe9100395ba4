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
}
