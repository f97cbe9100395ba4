//! Removing a workspace from the bucket removes what runs of it, and nothing else.

use std::time::Duration;

use cloudyknight_tests::{Client, Folder, Platform, eventually};

/// Counts its starts in a named volume.
const NOTES: &str = "const fs = require('node:fs');
const file = '/kept/starts';
const starts = (fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0) + 1;
fs.writeFileSync(file, String(starts));
require('node:http').createServer((_, response) => response.end(`start ${starts}`)).listen(3000);
";

const COMPOSE: &str = "services:
  notes:
    image: workspace-node-ephemeral:latest
    volumes:
      - .:/workspace:ro
      - kept:/kept
  second:
    image: workspace-static-ephemeral:latest
    volumes:
      - .:/workspace:ro
    labels: [traefik.enable=false]
volumes:
  kept:
";

#[test]
fn rm_recursive_removes_containers_routes_and_networks_and_nothing_else() {
    let platform = Platform::start();
    let docker = platform.docker();
    let site = Folder::of(&[("index.html", "still here")]);
    platform.s3(Client::Boto3).sync(site.path(), "neighbour");
    // Its name begins like the other's, and S3 knows only prefixes.
    platform.s3(Client::Boto3).sync(site.path(), "notes-2");
    platform.live("neighbour");
    platform.live("notes-2");
    let others = || {
        let of = |name: &str| (docker.containers_of(name), platform.get(&format!("/{name}/")));
        (of("neighbour"), of("notes-2"))
    };
    let others_before = others();
    assert_eq!(others_before.0.1, (200, "still here".to_owned()));
    let networks_before = docker.networks();

    let app = Folder::of(&[("index.js", NOTES), ("compose.yaml", COMPOSE)]);
    for (n, client) in Client::ALL.into_iter().enumerate() {
        platform.s3(client).sync(app.path(), "notes");
        platform.live("notes");
        // What the volume held before the removal is there again.
        assert_eq!(platform.get("/notes"), (200, format!("start {}", n + 1)), "{client:?}");
        assert_eq!(docker.containers_of("notes").len(), 2, "{client:?}");
        assert!(docker.networks().len() > networks_before.len(), "{client:?}: it has networks of its own");

        platform.s3(client).rm("notes");
        platform.removed("notes");
        assert_eq!(docker.containers_of("notes").len(), 0, "{client:?}");
        assert_eq!(docker.networks(), networks_before, "{client:?}");
        assert_eq!(platform.get("/notes").0, 404, "{client:?}");
        assert_eq!(
            platform.get_as(&format!("notes.localhost{}", platform.edge_port()), "/").0,
            404,
            "{client:?}"
        );
        let sources = std::fs::read_dir(platform.source_dir()).expect("the sources");
        let names = sources.map(|entry| entry.expect("a folder").file_name().into_string().expect("UTF-8"));
        let left: Vec<String> = names.filter(|name| name.starts_with("notes.")).collect();
        assert_eq!(left, Vec::<String>::new(), "{client:?}: no source of it stays");
        assert_eq!(docker.volumes().len(), 1, "{client:?}: its data stays");
        assert_eq!(others(), others_before, "{client:?}: the others were not touched");
    }
}

#[test]
fn removing_while_a_deployment_is_under_way_ends_with_nothing() {
    let platform = Platform::start();
    let site = Folder::of(&[("index.html", "soon gone")]);
    let s3 = platform.s3(Client::Boto3);
    s3.sync(site.path(), "brief");
    s3.rm("brief");
    let gone = || platform.docker().containers_of("brief").is_empty().then_some(());
    let settled = || {
        let all = platform.cli_json(&["status"]);
        let known =
            all["workspaces"].as_array().into_iter().flatten().find(|one| one["workspace"] == "brief");
        known.is_none_or(|one| one["state"] == "removed").then_some(())
    };
    eventually("the workspace is removed", Duration::from_secs(30), settled);
    eventually("no container of it is left", Duration::from_secs(30), gone);
    assert_eq!(platform.get("/brief/").0, 404);
}
