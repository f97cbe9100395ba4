//! Where workspaces answer when their labels say nothing; and one file is an app.

use cloudyknight_tests::{Client, Folder, Platform};
use serde_json::Value;

#[test]
fn one_file_is_an_app_at_its_name_and_www_is_at_the_root() {
    let platform = Platform::start();
    let page = Folder::of(&[("index.html", "hello\n"), ("sub/index.html", "sub\n")]);

    // One file: no compose file, detected, and the default one is shown.
    platform.s3(Client::Aws).cp(&page.path().join("index.html"), "hello/index.html");
    let status = platform.live("hello");
    assert_eq!(platform.get("/hello/"), (200, "hello\n".to_owned()));
    let compose = status["default_compose"].as_str().expect("it is shown");
    assert!(compose.contains("image: workspace-static-ephemeral:latest"), "{compose}");
    assert_eq!(status["warnings"], Value::Array(vec![]));
    let people = platform.cli(&["status", "hello"]);
    let people = String::from_utf8_lossy(&people.stdout);
    assert!(people.contains("image: workspace-static-ephemeral:latest"), "people see it too: {people}");
    assert!(people.contains(&format!("{}/hello", platform.url())), "and where it answers: {people}");

    // Without `www` nothing is at the root.
    assert_eq!(platform.get("/").0, 404);
    let www = Folder::of(&[("index.html", "www\n"), ("hello.html", "not the workspace\n")]);
    platform.s3(Client::Rclone).sync(www.path(), "www");
    platform.live("www");
    platform.s3(Client::Boto3).sync(page.path(), "blog");
    platform.live("blog");

    let check = |host: &str, path: &str, status: u16, body: &str| {
        let answer = platform.get_as(host, path);
        assert_eq!((answer.0, answer.1.contains(body)), (status, true), "{host}{path}: {answer:?}");
    };
    let own = platform.host();
    check(own, "/", 200, "www\n");
    check(own, "/hello.html", 200, "not the workspace\n");
    check(own, "/www/", 200, "www\n");
    check(own, "/hello/", 200, "hello\n");
    check(own, "/blog/", 200, "hello\n");
    check(own, "/blog/sub/", 200, "sub\n");
    // A name is a whole part of the path, and not a beginning.
    check(own, "/blogs/", 404, "");
    // Any name that leads to the edge will do, for paths.
    check("127.0.0.1", "/hello/", 200, "hello\n");

    let port = platform.edge_port();
    for (name, body) in [("hello", "hello\n"), ("www", "www\n"), ("blog", "hello\n")] {
        check(&format!("{name}.localhost{port}"), "/", 200, body);
        check(&format!("{name}.localhost"), "/", 200, body);
        check(&format!("{}.LOCALHOST{port}", name.to_uppercase()), "/", 200, body);
    }
    check(&format!("blog.localhost{port}"), "/sub/", 200, "sub\n");
    // A host's workspace has all of the host's paths, also those that are another's name.
    check(&format!("blog.localhost{port}"), "/hello/", 404, "");
}

#[test]
fn a_label_without_effect_is_a_warning_that_people_and_programs_see() {
    let platform = Platform::start();
    let compose = "services:
  app:
    image: workspace-static-ephemeral:latest
    volumes: ['./html:/workspace:ro']
    labels:
      traefik.http.routers.app.rule: PathPrefix(`/here`)
      traefik.http.routers.app.observability.metrics: 'true'
      traefik.http.routers.app.rulle: PathPrefix(`/there`)
";
    let app = Folder::of(&[("compose.yaml", compose), ("html/here/index.html", "x")]);
    platform.s3(Client::Boto3).sync(app.path(), "app");
    let status = platform.live("app");
    assert_eq!(platform.get("/here/").0, 200, "what is known has its effect");
    let warnings: Vec<&str> =
        status["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let output = platform.cli(&["status", "app"]);
    let people = String::from_utf8_lossy(&output.stdout);
    for label in ["traefik.http.routers.app.observability.metrics", "traefik.http.routers.app.rulle"] {
        let begin = format!("service `app`: the label `{label}` has no effect: ");
        assert_eq!(warnings.iter().filter(|text| text.starts_with(&begin)).count(), 1, "{warnings:?}");
        assert!(people.contains(label), "{people}");
    }
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}
