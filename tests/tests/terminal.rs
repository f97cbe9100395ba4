//! The command line on a terminal: what only people see.

use cloudyknight_tests::run::stdout;
use cloudyknight_tests::terminal::on_terminal;
use cloudyknight_tests::{Folder, Platform};

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start()
}

/// What takes long enough to upload that a bar is drawn.
fn large() -> Folder {
    let folder = Folder::of(&[("index.html", "one")]);
    for number in 0..8_u8 {
        folder.write(&format!("{number}.bin"), vec![number; 4 << 20]);
    }
    folder
}

/// Whether something in it is coloured: SGR, as ECMA-48 calls it.
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        let end = rest.find(|c: char| c.is_ascii_alphabetic());
        end.is_some_and(|end| rest[end..].starts_with('m'))
    })
}

#[test]
fn a_push_is_coloured_and_shows_how_far_it_is_and_no_color_takes_only_the_colours() {
    let (platform, folder) = (quick(), large());
    let dir = folder.path().to_str().expect("UTF-8");

    let pushed = on_terminal(&platform.cli_command(&["push", dir, "site"]), &[]);
    let seen = stdout(&pushed);
    assert!(pushed.status.success(), "{seen}");
    assert!(seen.contains("/32.00 MiB") && seen.contains('█'), "there is no bar: {seen:?}");
    assert!(seen.contains("site is \u{1b}[32mlive\u{1b}[0m at "), "{seen:?}");
    assert_eq!(platform.get("/site/"), (200, "one".to_owned()));

    folder.write("index.html", "two");
    folder.write("0.bin", vec![9_u8; 4 << 20]);
    let mut plain = platform.cli_command(&["push", dir, "site"]);
    let pushed = on_terminal(plain.env("NO_COLOR", "1"), &[]);
    let seen = stdout(&pushed);
    assert!(pushed.status.success(), "{seen}");
    assert!(seen.contains("/4.00 MiB") && seen.contains('█'), "there is no bar: {seen:?}");
    assert!(seen.contains("site is live at ") && !is_coloured(&seen), "{seen:?}");

    // A bar is for people who look, and for nobody who asked for quiet.
    folder.write("0.bin", vec![8_u8; 4 << 20]);
    let quiet = on_terminal(&platform.cli_command(&["push", dir, "site", "--quiet"]), &[]);
    assert_eq!(stdout(&quiet), "", "{quiet:?}");
}

#[test]
fn purge_is_asked_about_and_no_is_no() {
    let platform = quick();
    let home = platform.home().to_owned();
    let purge = platform.cli_command(&["down", "--purge"]);
    let question = &format!("Delete {}", home.display());

    let refused = on_terminal(&purge, &[(question, "n\n")]);
    let seen = stdout(&refused);
    assert_eq!(refused.status.code(), Some(1), "{seen}");
    assert!(seen.contains("[y/N]") && seen.contains("nothing was done"), "{seen:?}");
    assert_eq!(platform.cli_json(&["status"])["workspaces"], serde_json::json!([]), "it runs on");

    let done = on_terminal(&purge, &[(question, "y\n")]);
    let seen = stdout(&done);
    assert!(done.status.success(), "{seen}");
    assert!(seen.contains("its data is deleted") && !home.exists(), "{seen:?}");
}
