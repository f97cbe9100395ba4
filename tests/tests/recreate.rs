//! What cannot run twice is never there twice: it is stopped before its successor starts, it comes back when that one fails, and
//! the status says so.

use std::net::TcpListener;
use std::time::Duration;

use cloudyknight_tests::{Client, Folder, Lives, Platform, eventually, http};
use serde_json::Value;

const APP: &str = "require('node:http').createServer((_, answer) => answer.end('version 1')).listen(process.env.PORT || 3000);\n";

fn compose(more: &str) -> String {
    format!(
        "services:
  app:
    image: workspace-node-ephemeral:latest
    volumes: ['./src:/workspace:ro']
    {more}
  beside:
    image: workspace-static-ephemeral:latest
    volumes: ['./html:/workspace:ro']
    networks: [apart]
networks: {{apart: {{}}}}
"
    )
}

/// Redeploys such a service, well and badly, and answers what the status warned of.
#[track_caller]
fn exchanged(platform: &Platform, more: &str, ask: impl Fn() -> String) -> String {
    let app =
        Folder::of(&[("compose.yaml", &compose(more)), ("src/index.js", APP), ("html/index.html", "x")]);
    let s3 = platform.s3(Client::Boto3);
    let lives = Lives::of(platform.docker());
    s3.sync(app.path(), "app");
    let status = platform.live("app");
    let strategies: Vec<(&str, &str)> = status["services"]
        .as_array()
        .expect("services")
        .iter()
        .map(|one| {
            (one["service"].as_str().unwrap_or_default(), one["strategy"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(strategies, [("app", "recreate"), ("beside", "")], "the rule is not told");
    assert_eq!(ask(), "version 1");

    s3.cp(&app.replace("src/index.js", "version 1", "version 2"), "app/src/index.js");
    platform.live("app");
    assert_eq!(ask(), "version 2");
    let good = eventually("the one before is gone", Duration::from_secs(60), || {
        Some(platform.docker().containers_of("app")).filter(|all| all.len() == 2)
    });

    // One that fails: the one before is started again.
    s3.cp(&app.write("src/index.js", "process.exit(7)"), "app/src/index.js");
    let failed = platform.failed("app");
    assert_eq!(failed["deployment"]["outcome"]["service"], "app");
    assert_eq!(platform.docker().containers_of("app"), good);
    eventually("the one before answers again", Duration::from_secs(20), || {
        (ask() == "version 2").then_some(())
    });

    let of_app = |what: &str| {
        let all = lives.so_far().into_iter();
        all.filter(|event| event.what == what && !event.name.contains("beside")).count()
    };
    // Two that were good, one that failed, and the second once more.
    eventually("Docker has told all", Duration::from_secs(20), || (of_app("start") == 4).then_some(()));
    assert_eq!(lives.most_at_once(), 2, "one of each service: {:?}", lives.so_far());
    let warnings = status["warnings"].as_array().expect("a list").iter();
    let about: Vec<&str> =
        warnings.filter_map(Value::as_str).filter(|text| text.contains("is stopped before")).collect();
    assert_eq!(about.len(), 1, "{about:?}");
    about[0].to_owned()
}

#[test]
fn a_service_with_a_port_of_the_host_is_never_there_twice_and_the_status_says_so() {
    let platform = Platform::start();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let address = free.to_string();
    let ask = || http::get(&address, &address, "/").map(|answer| answer.body).unwrap_or_default();
    let warning = exchanged(&platform, &format!("ports: ['127.0.0.1:{}:3000']", free.port()), ask);
    assert_eq!(
        warning,
        "service `app` is stopped before its new container starts, because it publishes a fixed port of the host"
    );
}

#[test]
fn a_service_that_asks_to_be_recreated_is_never_there_twice_and_the_status_says_so() {
    let platform = Platform::start();
    let ask = || platform.get("/app/").1;
    let warning = exchanged(&platform, "x-cloudyknight: {strategy: recreate}", ask);
    assert_eq!(
        warning,
        "service `app` is stopped before its new container starts, because its file asks for that (`strategy: recreate`)"
    );
}
