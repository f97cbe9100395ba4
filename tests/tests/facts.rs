//! What is told of workspaces beside their status: what they use, carry and hold, and what everybody may know of them.

use std::time::Duration;

use cloudyknight_tests::{Api, Client, Folder, Platform, eventually};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// Works for two seconds whenever it is asked to, holds 64 MiB, and writes 3 MiB into its own layer.
const APP: &str = "const held = Buffer.alloc(64 << 20, 1);
require('node:fs').writeFileSync('/srv/written', Buffer.alloc(3 << 20));
require('node:http').createServer((request, response) => {
  const until = Date.now() + (request.url.endsWith('/work') ? 2000 : 0);
  while (Date.now() < until);
  response.statusCode = request.url.endsWith('/none') ? 404 : 200;
  response.end(String(held.length));
}).listen(3000, () => require('node:fs').writeFileSync('/srv/ready', ''));
";

const DOCKERFILE: &str = "FROM workspace-node-ephemeral:latest
RUN head -c 5242880 /dev/urandom > /srv/dependency
COPY app.js /srv/app.js
ENTRYPOINT []
CMD [\"node\", \"/srv/app.js\"]
";

const COMPOSE: &str = "services:
  web:
    build: .
    expose: ['3000']
    mem_limit: 300m
    healthcheck: {test: [CMD, test, -e, /srv/ready], interval: 3s}
";

fn of<'v>(answer: &'v Value, workspace: &str) -> Option<&'v Value> {
    answer["workspaces"].as_array()?.iter().find(|one| one["workspace"] == workspace)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn what_a_workspace_uses_carries_and_holds_is_told() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let app = Folder::of(&[("app.js", APP), ("Dockerfile", DOCKERFILE), ("compose.yaml", COMPOSE)]);
    let page = Folder::of(&[("index.html", "page")]);
    platform.s3(Client::Rclone).sync(app.path(), "app");
    platform.s3(Client::Rclone).sync(page.path(), "page");
    platform.live("app");
    platform.live("page");
    for _ in 0..3 {
        assert_eq!(platform.get("/app/").0, 200);
    }
    assert_eq!(platform.get("/app/none").0, 404);
    assert_eq!(platform.get("/nowhere/").0, 404);

    let stats = api.read("/api/v1/stats").expect("stats");
    let own = of(&stats, "app").expect("the workspace is among them");
    let containers = own["containers"].as_array().expect("containers");
    assert_eq!(containers.len(), 1, "{own:#}");
    let one = &containers[0];
    assert_eq!((&one["service"], &one["state"]), (&json!("web"), &json!("running")), "{one:#}");
    assert_eq!(one["memory_limit_bytes"], 300 << 20);
    assert!(one["started_at"].as_str().is_some_and(|at| at.starts_with("20")), "{one:#}");
    let memory = number(&own["memory_bytes"]);
    assert!(memory > 64 << 20 && memory < 300 << 20, "it holds 64 MiB and less than it may: {memory}");
    assert_eq!(number(&own["traffic"]["requests"]), 4, "{own:#}");
    assert_eq!(own["traffic"]["answers"], json!([0, 3, 0, 1, 0]));
    assert_eq!(number(&stats["edge"]["unrouted"]), 1);
    assert!(of(&stats, "page").is_some());
    eventually("its health shows", PATIENCE, || {
        let stats = api.read("/api/v1/stats")?;
        (of(&stats, "app")?["containers"][0]["health"] == "healthy").then_some(())
    });

    // It works for two seconds at a time, on one core.
    std::thread::scope(|scope| {
        let working = scope.spawn(|| (0..4).map(|_| platform.get("/app/work").0).collect::<Vec<_>>());
        let busy = eventually("it is seen to work", PATIENCE, || {
            let stats = api.read("/api/v1/stats")?;
            let percent = of(&stats, "app")?["cpu_percent"].as_f64()?;
            // As much of a core as a busy machine leaves it.
            (percent > 10.0).then_some(percent)
        });
        assert!(busy < 150.0, "no more than one core: {busy}");
        assert_eq!(working.join().expect("it answers"), [200; 4]);
        eventually("it is seen to rest", PATIENCE, || {
            let stats = api.read("/api/v1/stats")?;
            of(&stats, "app")?["cpu_percent"].as_f64().filter(|percent| *percent < busy / 2.0)
        });
    });

    let storage = api.read("/api/v1/storage").expect("storage");
    let own = of(&storage, "app").expect("the workspace is among them");
    assert_eq!(number(&own["source_bytes"]), (APP.len() + DOCKERFILE.len() + COMPOSE.len()) as u64);
    assert_eq!(number(&own["source_files"]), 3);
    let (dependencies, written) = (number(&own["dependency_bytes"]), number(&own["written_bytes"]));
    assert!(
        (5 << 20..6 << 20).contains(&dependencies),
        "what the build adds, and nothing of Node: {dependencies}"
    );
    assert!((3 << 20..4 << 20).contains(&written), "what the app wrote: {written}");
    let page = of(&storage, "page").expect("the other one");
    assert_eq!((number(&page["source_bytes"]), number(&page["dependency_bytes"])), (4, 0), "{page:#}");
    assert_eq!(number(&storage["held_bytes"]), dependencies + written + number(&page["written_bytes"]));
    assert_eq!(number(&storage["source_bytes"]), number(&own["source_bytes"]) + 4);
}

#[test]
fn public_workspaces_that_are_live_are_in_the_catalogue_and_no_others() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    let site = |labels: &str| {
        format!(
            "services:\n  site:\n    image: workspace-static-ephemeral\n    volumes: ['.:/workspace:ro']\n    \
             expose: ['8080']\n    labels:\n{labels}"
        )
    };
    let package =
        r#"{"name": "shop", "description": "Buy\nthings", "icon": "img/shop.svg", "private": true}"#;
    let start = "require('node:http').createServer((q, a) => a.end('shop')).listen(3000);";
    let (titled, hidden, guarded) = (
        site("      cloudyknight.title: '<b>Notes</b>'\n      cloudyknight.icon: 'javascript:alert(1)'\n"),
        site("      cloudyknight.public: 'false'\n"),
        site(
            "      traefik.http.routers.guarded.rule: PathPrefix(`/guarded`)\n      \
             traefik.http.routers.guarded.middlewares: door\n      \
             traefik.http.middlewares.door.basicauth.users: 'me:$$apr1$$H6uskkkW$$IgXLP6ewTrSuBkTrqE8wj/'\n",
        ),
    );
    for (workspace, files) in [
        ("shop", vec![("package.json", package), ("index.js", start)]),
        ("notes", vec![("index.html", "notes"), ("compose.yaml", &titled)]),
        ("hidden", vec![("index.html", "hidden"), ("compose.yaml", &hidden)]),
        ("guarded", vec![("index.html", "guarded"), ("compose.yaml", &guarded)]),
        ("www", vec![("index.html", "www")]),
    ] {
        s3.sync(Folder::of(&files).path(), workspace);
    }
    for workspace in ["shop", "notes", "hidden", "guarded", "www"] {
        platform.live(workspace);
    }
    let url = |workspace: &str| format!("{}/{workspace}/", platform.url());
    let catalogue = || api.read("/api/v1/catalogue").expect("the catalogue");
    let shop = json!({"name": "shop", "title": "shop", "description": "Buy things", "path": "/shop/",
        "url": url("shop"), "icon": format!("{}img/shop.svg", url("shop"))});
    let notes = json!({"name": "notes", "title": "<b>Notes</b>", "description": null, "path": "/notes/",
        "url": url("notes"), "icon": null});
    assert_eq!(catalogue()["workspaces"], json!([notes, shop]));
    let about = platform.status("guarded")["about"].clone();
    assert_eq!(about, json!({"public": false}), "its door is known");

    platform.cli_json(&["stop", "shop"]);
    eventually("what was stopped is not listed", PATIENCE, || {
        (catalogue()["workspaces"].as_array()?.len() == 1).then_some(())
    });
}
