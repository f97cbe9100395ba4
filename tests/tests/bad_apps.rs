//! Apps that do not come up: whoever pushed them reads why, and what they said last; the release before goes on
//! serving, and nothing of the attempt is left.

use cloudyknight_tests::run::stdout;
use cloudyknight_tests::{Client, Neighbour, Platform, Visitor};
use serde_json::Value;

fn app(body: &str) -> String {
    format!(
        "const http = require('http');\nconst answer = (_, response) => response.end('it serves');\n{body}\n"
    )
}

const PLAIN: &str = "http.createServer(answer).listen(process.env.PORT);";

/// A service has 8 s: on a busy machine Node takes seconds to say that it crashes.
fn quick() -> Platform {
    Platform::builder()
        .setting("quiet_ms", 20)
        .setting("burst_quiet_ms", 20)
        .setting("health_timeout_s", 8)
        .start()
}

const COMPOSE: &str = "services:
  app:
    image: workspace-node-ephemeral:latest
    expose: ['3000']
    environment:
      PORT: 3000
";

/// Names of everything that the platform made in Docker, and its folders of source.
fn things(platform: &Platform) -> Vec<String> {
    let docker = platform.docker();
    let folders = std::fs::read_dir(platform.source_dir()).expect("it is there");
    let folder = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let folders = folders.map(|entry| folder(entry).to_string_lossy().into_owned());
    let mut all: Vec<String> = docker.containers().into_iter().chain(folders).collect();
    all.sort();
    all
}

/// Pushes a broken `index.js` into `app`, and answers the failure.
#[track_caller]
fn failure(platform: &Platform, body: &str) -> Value {
    platform.s3(Client::Boto3).put("app/index.js", app(body));
    let failure = platform.failed("app")["deployment"]["outcome"].clone();
    let message = failure["message"].as_str().expect("a message");
    assert_eq!(failure["service"], "app");
    assert!(platform.log().contains(message), "the log tells: {message}");
    let shown = stdout(&platform.cli(&["status", "app"]));
    for told in ["message", "hint"].map(|name| failure[name].as_str().expect("both are there")) {
        assert!(shown.contains(told), "{told:?} is in: {shown}");
    }
    failure
}

#[test]
fn an_app_that_does_not_come_up_is_told_apart_and_the_release_before_goes_on_serving() {
    let platform = quick();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/docker-compose.yml", COMPOSE);
    s3.put("app/index.js", app(PLAIN));
    let release = platform.live("app")["release"].clone();
    let neighbour = Neighbour::of(&platform);
    let container = platform.docker().container_of("app");
    let visitor = Visitor::at(&platform, "/app/");
    let before = things(&platform);

    let crashes =
        failure(&platform, "console.log('so far so good'); console.error('out of luck'); process.exit(7);");
    assert_eq!(crashes["message"], "service `app` exited with code 7 before it was ready");
    // Docker takes them from two pipes, and does not know which came first.
    let mut log: Vec<&str> =
        crashes["log"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    log.sort_unstable();
    assert_eq!(log, ["out of luck", "so far so good"]);
    assert_eq!(crashes["hint"], "the end of its output is in the log below");

    let silent = failure(&platform, "console.log('I only think'); setInterval(() => {}, 1000);");
    assert_eq!(silent["message"], "service `app` does not answer on port 3000 after 8 s");
    assert_eq!(
        silent["hint"],
        "it listens on no port at all; make the app listen on 0.0.0.0:3000 (the variable PORT says so)"
    );
    assert_eq!(silent["log"], serde_json::json!(["I only think"]));

    let shy = failure(&platform, "http.createServer(answer).listen(3000, '127.0.0.1');");
    assert_eq!(shy["message"], "service `app` does not answer on port 3000 after 8 s");
    assert_eq!(
        shy["hint"],
        "it listens on 127.0.0.1:3000, which only the container itself can reach: make it 0.0.0.0:3000"
    );

    let elsewhere = failure(&platform, "http.createServer(answer).listen(4000, '0.0.0.0');");
    assert_eq!(elsewhere["message"], "service `app` does not answer on port 3000 after 8 s");
    assert_eq!(
        elsewhere["hint"],
        "it listens on 0.0.0.0:4000: make it listen on port 3000, or say the right port with a label or `expose`"
    );

    let status = platform.status("app");
    assert_eq!((&status["state"], &status["release"]), (&Value::from("degraded"), &release));
    assert_eq!(platform.docker().container_of("app"), container);
    assert_eq!(things(&platform), before, "nothing is left of the attempts");
    s3.put("app/index.js", app(&PLAIN.replace("listen", "/* better */ listen")));
    platform.live("app");
    let visits = visitor.leave();
    visits.all_answered();
    assert_eq!(visits.bodies, ["it serves"]);
    neighbour.is_unhurt();
}

#[test]
fn a_first_release_that_fails_serves_nothing_and_leaves_nothing() {
    let platform = quick();
    let neighbour = Neighbour::of(&platform);
    let before = things(&platform);
    platform.s3(Client::Boto3).put("app/docker-compose.yml", COMPOSE);
    let crashes = failure(&platform, "throw new Error('not today');");
    assert_eq!(crashes["message"], "service `app` exited with code 1 before it was ready");
    let log = crashes["log"].to_string();
    assert!(log.contains("Error: not today"), "{log}");
    let status = platform.status("app");
    assert_eq!((&status["state"], &status["release"]), (&Value::from("failed"), &Value::Null));
    assert_eq!(platform.get("/app/").0, 404);
    assert_eq!(things(&platform), before);
    neighbour.is_unhurt();
}

#[test]
fn an_unhealthy_service_and_a_missing_command_are_told_apart_too() {
    let platform = quick();
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    s3.put("sick/index.html", "");
    s3.put(
        "sick/docker-compose.yml",
        "services:\n  web:\n    image: workspace-static-ephemeral:latest\n    healthcheck:\n      test: exit 1\n",
    );
    let sick = platform.failed("sick")["deployment"]["outcome"].clone();
    assert_eq!(sick["message"], "service `web` is not healthy after 8 s: `CMD-SHELL exit 1` fails");
    s3.put("lost/index.html", "");
    s3.put(
        "lost/docker-compose.yml",
        "services:\n  web:\n    image: workspace-static-ephemeral:latest\n    entrypoint: [/no/such/program]\n",
    );
    let lost = platform.failed("lost")["deployment"]["outcome"].clone();
    assert_eq!(lost["message"], "service `web` exited with code 127 before it was ready");
    assert_eq!(lost["hint"], "its command was not found in the image");
    assert!(lost["log"].to_string().contains("/no/such/program"), "{lost:#}");
    neighbour.is_unhurt();
}
