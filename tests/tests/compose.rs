//! A compose file with several services, as people write them.

use cloudyknight_tests::{Client, Folder, Platform};
use serde_json::json;

const COMPOSE: &str = "name: shop
services:
  shop:
    image: workspace-node-ephemeral:latest
    command: node shop.js
    volumes:
      - ./shop:/workspace:ro
    env_file: shop.env
    environment:
      GREETING: ${GREETING:-good day}
      OWNER: ${OWNER}
      PRICE: $$5
      BOTH: the service wins
    depends_on:
      data:
        condition: service_healthy
    labels:
      - traefik.http.routers.shop.rule=PathPrefix(`/shop`)
      - traefik.http.services.shop.loadbalancer.server.port=3000
  data:
    image: workspace-node-ephemeral:latest
    command: [node, data.js]
    volumes:
      - ./data:/workspace:ro
      - kept:/kept
    expose: ['4000']
    healthcheck:
      test: [CMD, node, -e, \"fetch('http://127.0.0.1:4000/').then(a => process.exit(a.ok ? 0 : 1), () => process.exit(1))\"]
      interval: 1s
  help:
    build: ./help
    labels:
      traefik.http.routers.help.rule: PathPrefix(`/shop/help`)
      traefik.http.routers.help.middlewares: strip
      traefik.http.middlewares.strip.stripprefix.prefixes: /shop/help
      traefik.http.services.help.loadbalancer.server.port: '8080'
volumes:
  kept:
";

/// Asks its data service at its start, and gives up at once when that is not ready.
const SHOP: &str = "const { GREETING, OWNER, PRICE, FROM_FILE, BOTH } = process.env;
fetch('http://data:4000/').then(a => a.text()).then(text => {
  const server = require('node:http').createServer(async (_, response) => {
    const now = await (await fetch('http://data:4000/')).text();
    response.end(JSON.stringify({ version: 1, GREETING, OWNER, PRICE, FROM_FILE, BOTH, now }));
  });
  server.listen(3000);
}, error => { console.error('no data', error); process.exit(1); });
";

/// Is slow to start, and counts its starts in the named volume.
const DATA: &str = "const fs = require('node:fs');
const file = '/kept/starts';
const starts = (fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0) + 1;
fs.writeFileSync(file, String(starts));
const server = require('node:http').createServer((_, response) => response.end(`start ${starts}`));
setTimeout(() => server.listen(4000), 1500);
";

#[test]
fn several_services_find_wait_for_and_outlive_each_other() {
    let platform = Platform::start();
    let app = Folder::of(&[
        ("compose.yaml", COMPOSE),
        (".env", "OWNER=Ada\n"),
        ("shop.env", "FROM_FILE=a file\nBOTH=the file loses\n"),
        ("shop/shop.js", SHOP),
        ("data/data.js", DATA),
        ("help/Dockerfile", "FROM workspace-static-ephemeral:latest\nCOPY . /workspace\n"),
        ("help/index.html", "help yourself"),
    ]);
    let s3 = platform.s3(Client::Boto3);
    s3.sync(app.path(), "shop");
    let status = platform.live("shop");
    let shown = |path: &str| -> serde_json::Value {
        let (status, body) = platform.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    };
    assert_eq!(
        shown("/shop"),
        json!({
            "version": 1, "GREETING": "good day", "OWNER": "Ada", "PRICE": "$5", "FROM_FILE": "a file",
            "BOTH": "the service wins", "now": "start 1",
        })
    );
    assert_eq!(platform.get("/shop/help/"), (200, "help yourself".to_owned()), "built from its Dockerfile");
    // `data` has no route: it is reached by its neighbours only.
    assert_eq!(status["services"].as_array().map(Vec::len), Some(3));
    let routed: Vec<&str> =
        status["urls"].as_array().into_iter().flatten().filter_map(|url| url.as_str()).collect();
    assert!(!routed.iter().any(|url| url.contains("data")), "{routed:?}");

    // One service changes: what may call it is replaced with it, and what cannot run twice is the same container as before.
    let before = live(&platform);
    s3.cp(&app.replace("shop/shop.js", "version: 1", "version: 2"), "shop/shop/shop.js");
    platform.live("shop");
    let after = live(&platform);
    assert_eq!(after["workspace-shop-data"], before["workspace-shop-data"]);
    assert_ne!(after["workspace-shop-help"], before["workspace-shop-help"]);
    assert_ne!(after["workspace-shop-shop"], before["workspace-shop-shop"]);
    let now = shown("/shop");
    assert_eq!((&now["version"], &now["now"]), (&json!(2), &json!("start 1")));
    assert_eq!(platform.get("/shop/help/").0, 200);

    // The service with the volume changes: the volume outlives it, and its neighbours stay and find the new one.
    s3.cp(&app.replace("data/data.js", "`start", "`again, start"), "shop/data/data.js");
    platform.live("shop");
    assert_eq!(shown("/shop")["now"], "again, start 2");
    let exchanged = live(&platform);
    assert_ne!(exchanged["workspace-shop-data"], after["workspace-shop-data"]);
    for neighbour in ["workspace-shop-help", "workspace-shop-shop"] {
        assert_eq!(exchanged[neighbour], after[neighbour]);
    }

    // The build's context changes: it is built again.
    s3.cp(&app.write("help/index.html", "help is here"), "shop/help/index.html");
    platform.live("shop");
    assert_eq!(platform.get("/shop/help/"), (200, "help is here".to_owned()));
}

/// Container ids by name, without those on their way out.
fn live(platform: &Platform) -> std::collections::BTreeMap<String, String> {
    let containers = platform.docker().containers_of("shop").into_iter();
    let serving = containers.filter(|(name, _)| !name.contains(".retired-"));
    // Beside another platform's container of the same name it bears a longer one.
    let suffix = format!(".{}", platform.id());
    let plain = |(name, id): (String, String)| (name.trim_end_matches(&suffix).to_owned(), id);
    let containers: std::collections::BTreeMap<String, String> = serving.map(plain).collect();
    assert_eq!(containers.len(), 3, "{containers:?}");
    containers
}
