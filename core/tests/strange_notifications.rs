//! What the fuzzer checks of any text, of the fixtures and of texts that are nearly like them: the same everywhere and each
//! time, where the fuzzer needs a C++ compiler and goes on for as long as it is let.

// A test may read its fixtures; the code it tests may not.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[path = "../fuzz/holds.rs"]
mod holds;

/// Of each fixture.
const MUTANTS: u64 = 24;

/// What servers write, and what breaks parsers.
const PIECES: [&str; 26] = [
    "\"Records\"",
    "\"Message\"",
    "\"detail\"",
    "\"s3\"",
    "\"body\"",
    "\"Sns\"",
    "\"eventName\"",
    "\"eventVersion\"",
    "\"key\"",
    "null",
    "true",
    "-1e999",
    "\"\"",
    "[]",
    "{}",
    "{\"Records\":[",
    "]}",
    "\\\"",
    "\\u0000",
    "\\ud800",
    "%2F",
    "%",
    "+",
    "../",
    "\u{feff}",
    "\u{1f480}",
];

fn fixtures() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/notifications");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut all: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    all.sort();
    all
}

/// Numbers that come in the same order each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

fn mutant(text: &str, another: &str, dice: &mut Dice) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=dice.below(4) {
        let (at, length) = (dice.below(bytes.len()), dice.below(40));
        let end = (at + length).min(bytes.len());
        match dice.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
            3 => bytes.truncate(at),
            4 => {
                let other = another.as_bytes();
                let from = dice.below(other.len());
                bytes.splice(at..end, other[from..].iter().copied());
            }
            _ => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].bytes())),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn what_holds_of_any_text_holds_of_the_fixtures_and_of_thousands_that_are_nearly_like_them() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 150, "{} fixtures", fixtures.len());
    let (mut dice, mut tried, mut readable) = (Dice(0x9e37_79b9_7f4a_7c15), 0, 0);
    for (path, text) in &fixtures {
        let mutants = (0..MUTANTS).map(|_| {
            let another = &fixtures[dice.below(fixtures.len())].1;
            mutant(text, another, &mut dice)
        });
        for text in std::iter::once(text.clone()).chain(mutants) {
            tried += 1;
            readable += usize::from(cloudyknight_core::notification::parse(&text, "workspaces").is_ok());
            let held = catch_unwind(|| holds::whatever_the_text(&text));
            assert!(held.is_ok(), "near {}, as the panic above tells: {text:?}", path.display());
        }
    }
    // Neither all nonsense nor all well-formed, or the mutants are no good.
    assert!(readable > tried / 10 && readable < tried * 9 / 10, "{readable} of {tried} could be read");
}
