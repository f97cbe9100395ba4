//! What `down` leaves and what `down --purge` takes: named before it is gone, asked for, and all of it, whatever happened
//! before. The end of each platform looks for what is left of it in Docker, the kernel, memory and among processes.

use std::fs;

use cloudyknight_tests::run::{stderr, succeeded};
use cloudyknight_tests::{Client, Folder, Mounted, Platform, firewall};

/// An app with everything that a platform makes for one: an image with dependencies, a volume, networks.
const COMPOSE: &str = "services:\n  app:\n    image: workspace-node-ephemeral:latest\n    volumes: [kept:/kept]\nvolumes:\n  kept: {}\n";
const SERVER: &str = "require('is-number');\n\
    require('node:http').createServer((_, answer) => answer.end('ok')).listen(process.env.PORT);\n";

fn with_app() -> Platform {
    let platform = Platform::builder().rclone().start();
    let app = Folder::of(&[
        ("docker-compose.yml", COMPOSE),
        ("index.js", SERVER),
        ("package.json", r#"{"dependencies": {"is-number": "^7.0.0"}}"#),
    ]);
    platform.s3(Client::Boto3).sync(app.path(), "app");
    platform.live("app");
    platform
}

#[test]
fn down_takes_what_runs_and_keeps_what_is_data() {
    let platform = with_app();
    let docker = platform.docker();
    assert_eq!(docker.volumes().len(), 1);
    assert_ne!(docker.images(), [""; 0]);
    platform.down();
    assert_eq!((docker.containers(), docker.networks()), (vec![], vec![]));
    assert_eq!(docker.volumes().len(), 1);
    assert!(firewall::of(platform.id()).is_none());
    assert!(!platform.source_dir().exists());
    assert!(platform.home().join("store").exists());
    platform.up();
    assert_eq!(platform.live("app")["state"], "live");
}

#[test]
fn purge_names_what_it_deletes_and_deletes_nothing_unasked() {
    let platform = with_app();
    let mounted = Mounted::of(&platform);
    mounted.write("app/.env", "SECRET=1\n");
    let refused = platform.cli(&["down", "--purge"]);
    assert!(!refused.status.success());
    let words = stderr(&refused);
    let volume = platform.docker().volumes().pop().expect("a volume");
    let home = platform.home().display().to_string();
    for named in
        [home.as_str(), volume.as_str(), "all buckets", "credentials", "images", "in no bucket", "--yes"]
    {
        assert!(words.contains(named), "{named} is not named: {words}");
    }
    assert_eq!(platform.get("/app/"), (200, "ok".to_owned()));
    assert_eq!(mounted.read("app/.env"), "SECRET=1\n");
}

#[test]
fn what_runs_is_found_although_the_home_forgot_it() {
    let platform = with_app();
    let _mounted = Mounted::of(&platform);
    // The locks, sockets and addresses; what runs goes on.
    fs::remove_dir_all(platform.home().join("run")).expect("it is there");
    succeeded("cloudyknight down", &platform.cli(&["down"]));
    assert_eq!(platform.mounts(), [""; 0]);
    assert_eq!(platform.docker().containers(), [""; 0]);
    platform.up();
    assert_eq!(platform.live("app")["state"], "live");
}

#[test]
fn all_of_it_goes_although_every_process_was_killed() {
    use cloudyknight_tests::platform::Role;
    let platform = with_app();
    let mounted = Mounted::of(&platform);
    for role in [Role::Run, Role::Serve, Role::Edge, Role::Mount] {
        platform.kill(role);
    }
    assert!(mounted.rclone().is_some(), "it goes on without its keeper");
    // The end looks.
}
