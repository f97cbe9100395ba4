//! Any text, as one message of the events queue.

#![no_main]

#[path = "../holds.rs"]
mod holds;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| holds::whatever_the_text(&String::from_utf8_lossy(bytes)));
