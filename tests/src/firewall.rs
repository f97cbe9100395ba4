//! The rules that a platform has in the kernel.

use std::process::Command;

use crate::run::{run, stderr, stdout, succeeded};

fn table(platform: &str) -> String {
    format!("cloudyknight_{platform}")
}

fn nft(arguments: &[&str]) -> std::process::Output {
    run(Command::new("nft").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(arguments))
}

/// As `nft` lists them; `None` when there are none.
#[track_caller]
pub fn of(platform: &str) -> Option<String> {
    let output = nft(&["list", "table", "inet", &table(platform)]);
    if output.status.success() {
        return Some(stdout(&output));
    }
    assert!(stderr(&output).contains("No such file"), "nft: {}", stderr(&output));
    None
}

/// Takes them away, as somebody would who flushes everything.
#[track_caller]
pub fn flush(platform: &str) {
    succeeded("nft delete", &nft(&["delete", "table", "inet", &table(platform)]));
}

/// Empties them.
#[track_caller]
pub fn empty(platform: &str) {
    succeeded("nft flush", &nft(&["flush", "chain", "inet", &table(platform), "judge"]));
}
