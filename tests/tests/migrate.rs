//! A platform moves from its own store to somebody else's S3, and back, with all that its buckets hold.

use cloudyknight_tests::run::{run, stderr};
use cloudyknight_tests::{Backend, Client, Folder, Platform};

const BIG: usize = 20 * 1024 * 1024;

#[test]
fn a_platform_moves_to_another_store_and_back() {
    let laptop = Platform::start();
    let app = Folder::of(&[("index.html", "one"), ("a b+c/ä%.txt", "odd")]);
    app.write("large.bin", "x".repeat(BIG));
    // In parts, as clients upload what is large: the ETag is another one then, and has to survive too.
    laptop.s3(Client::Aws).sync(app.path(), "site");
    let release = laptop.live("site")["release"].clone();

    let cloud = Backend::ministack();
    let settings = Folder::new();
    let text: String = cloud.settings().iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    settings.write("config.toml", &text);
    let there = settings.path().join("config.toml");
    let migrate = |platform: &Platform, arguments: &[&str]| {
        let mut command = platform.cli_command(&[&["migrate", "--json", "--to"], arguments].concat());
        command.envs(cloud.variables());
        run(&mut command)
    };
    let moved = migrate(&laptop, &[there.to_str().unwrap()]);
    let report = said(&moved);
    assert!(report["copied"].as_u64() >= Some(4), "the files and the platform's own documents: {report}");
    assert_eq!(report["copied"], report["verified"], "{report}");
    // Once more, and there is nothing left to do.
    let again = said(&migrate(&laptop, &[there.to_str().unwrap()]));
    assert_eq!((again["copied"].as_u64(), again["deleted"].as_u64()), (Some(0), Some(0)), "{again}");
    laptop.down();

    let server = Platform::builder().backend(&cloud).start();
    let live = server.live("site");
    assert_eq!(live["release"], release, "it is the same release, under the same digest");
    assert_eq!(server.get("/site/index.html"), (200, "one".into()));
    server.s3(Client::Boto3).put("site/index.html", "two");
    server.s3(Client::Boto3).rm_one("site/large.bin");
    let release = server.live("site")["release"].clone();

    // Back: what is gone there is still here, and is not deleted without a word.
    let home = laptop.home().to_str().unwrap().to_owned();
    laptop_has_settings(&laptop);
    let refused = migrate(&server, &[&home]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(stderr(&refused).contains("site/large.bin") && stderr(&refused).contains("--delete"), "{refused:?}");
    let report = said(&migrate(&server, &[&home, "--delete"]));
    assert_eq!(report["deleted"].as_u64(), Some(1), "{report}");
    server.down();
    laptop.up();
    assert_eq!(laptop.live("site")["release"], release);
    assert_eq!(laptop.get("/site/index.html"), (200, "two".into()));
    assert_eq!(laptop.get("/site/large.bin").0, 404);
}

/// `--to` names a file, and a platform with only defaults has none.
fn laptop_has_settings(laptop: &Platform) {
    let file = laptop.home().join("config.toml");
    if !file.exists() {
        std::fs::write(file, "").expect("the settings are written");
    }
}

#[track_caller]
fn said(output: &std::process::Output) -> serde_json::Value {
    let text = cloudyknight_tests::run::succeeded("cloudyknight migrate", output);
    let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    said["report"].clone()
}
