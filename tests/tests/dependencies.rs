//! Dependencies: installed once for each content of the files that decide them, unless the operator wants them fresh.

use cloudyknight_tests::{Client, Folder, Platform};

const APP: &str = "const http = require('node:http');
http.createServer((_, response) => response.end(`${VERSION} ${require('is-number')(5)}`)).listen(process.env.PORT);
const VERSION = 'one';
";

fn app() -> Folder {
    Folder::of(&[
        ("index.js", APP),
        ("package.json", r#"{"private": true, "dependencies": {"is-number": "7.0.0"}}"#),
    ])
}

#[test]
fn the_setting_fresh_installs_for_every_deployment() {
    let platform = Platform::builder().setting("fresh", true).start();
    let app = app();
    let s3 = platform.s3(Client::Boto3);
    s3.sync(app.path(), "always");
    platform.live("always");
    assert_eq!(platform.get("/always"), (200, "one true".to_owned()));
    let first = image_of(&platform, "always");

    s3.cp(&app.replace("index.js", "'one'", "'two'"), "always/index.js");
    platform.live("always");
    assert_eq!(platform.get("/always"), (200, "two true".to_owned()));
    assert_ne!(
        image_of(&platform, "always"),
        first,
        "installed anew, though nothing that decides it changed"
    );
}

#[test]
fn a_workspace_may_ask_for_fresh_itself_and_others_keep_their_layer() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let (always, once) = (app(), app());
    always.write(
        "compose.yaml",
        "x-cloudyknight: {fresh: true}
services:
  always:
    image: workspace-node-ephemeral:latest
    volumes: ['.:/workspace:ro']
",
    );
    s3.sync(always.path(), "always");
    s3.sync(once.path(), "once");
    let layers = |expected: &str| {
        ["always", "once"].map(|name| {
            platform.live(name);
            assert_eq!(platform.get(&format!("/{name}")), (200, expected.to_owned()), "{name}");
            image_of(&platform, name)
        })
    };
    let before = layers("one true");
    for (folder, name) in [(&always, "always"), (&once, "once")] {
        s3.cp(&folder.replace("index.js", "'one'", "'two'"), &format!("{name}/index.js"));
    }
    let after = layers("two true");
    assert_ne!(after[0], before[0], "it asked for it");
    assert_eq!(after[1], before[1], "it did not");
}

/// The image of the container that serves.
fn image_of(platform: &Platform, workspace: &str) -> String {
    let containers = platform.docker().containers_of(workspace);
    let live = containers.iter().find(|(name, _)| !name.contains(".retired-"));
    let (_, id) = live.unwrap_or_else(|| panic!("a live container of `{workspace}`: {containers:?}"));
    platform.docker().inspect(id, "{{.Image}}")
}
