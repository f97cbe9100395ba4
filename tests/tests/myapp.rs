//! The example that users start from, verbatim: pushed, changed and removed with each S3 client.

use std::path::Path;
use std::process::Command;

use cloudyknight_tests::{Client, Docker, Folder, Platform, run};
use serde_json::json;

#[test]
fn the_example_runs_verbatim_changes_and_goes_with_every_client() {
    let platform = Platform::start();
    for client in Client::ALL {
        let app = Folder::fixture("myapp");
        runs_as_pushed(&platform, client, &app);
        dependencies_exist_only_in_the_container(&platform);
        one_changed_file_is_live_without_installing_again(&platform, client, &app);
        changed_dependencies_are_installed(&platform, client, &app);
        platform.s3(client).rm("myapp");
        platform.removed("myapp");
        assert_eq!(platform.get("/myapp").0, 404, "{client:?}");
        assert_eq!(platform.docker().containers_of("myapp").len(), 0, "{client:?}");
    }
}

fn runs_as_pushed(platform: &Platform, client: Client, app: &Folder) {
    let foreign_before = is_foreign(platform);
    platform.s3(client).sync(app.path(), "myapp");
    let status = platform.live("myapp");
    assert_eq!(status["default_compose"], json!(null), "{client:?}: its own compose file is used");
    assert_eq!(platform.get("/myapp"), (200, "Hello from myapp 1.0.0\n".to_owned()), "{client:?}");
    assert_eq!(platform.get("/myapp/").0, 200, "{client:?}");

    // Under its own name; or, beside a container of somebody else's that bears it, under one that tells them apart.
    let containers = platform.docker().containers_of("myapp");
    let names: Vec<&String> = containers.keys().collect();
    let own = "workspace-myapp".to_owned();
    if foreign_before || is_foreign(platform) {
        println!("workspace-myapp is another platform's: the name cannot be checked");
        assert_eq!(names, [&format!("{own}.{}", platform.id())], "{client:?}");
    } else {
        assert_eq!(names, [&own], "{client:?}");
        assert_eq!(status["warnings"], json!([]), "{client:?}: the file needs no edit");
    }
    let logs = platform.docker().logs(names[0]);
    assert!(logs.contains("myapp 1.0.0 listens on 3000"), "{client:?}: {logs}");
    assert_eq!(status["services"][0]["container"], json!(names[0]), "{client:?}: status tells the name");
}

fn dependencies_exist_only_in_the_container(platform: &Platform) {
    let container = platform.docker().container_of("myapp");
    let express = platform.docker().shell(&container, "cd /app && node -p 'require.resolve(\"express\")'");
    assert!(express.contains("/node_modules/express/"), "{express}");
    let pushed = platform.s3(Client::Boto3).ls("myapp/");
    assert_eq!(pushed, ["myapp/docker-compose.yml", "myapp/index.js", "myapp/package.json"]);
    for folder in [platform.home(), &platform.source_dir()] {
        let found =
            Command::new("find").arg(folder).args(["-name", "node_modules"]).output().expect("find runs");
        assert_eq!(run::succeeded("find", &found), "", "in {}", folder.display());
    }
    let mounted = platform.docker().inspect(&container, "{{json .Mounts}}");
    let mounts: serde_json::Value = serde_json::from_str(&mounted).expect("JSON");
    let sources: Vec<&str> =
        mounts.as_array().into_iter().flatten().filter_map(|m| m["Source"].as_str()).collect();
    assert!(sources.iter().all(|source| Path::new(source).starts_with(platform.source_dir())), "{sources:?}");
}

fn one_changed_file_is_live_without_installing_again(platform: &Platform, client: Client, app: &Folder) {
    let docker = platform.docker();
    let before = docker.container_of("myapp");
    let image_before = image(docker, &before);
    let file = app.replace("index.js", "1.0.0", "2.0.0");
    platform.s3(client).cp(&file, "myapp/index.js");
    platform.live("myapp");
    assert_eq!(platform.get("/myapp"), (200, "Hello from myapp 2.0.0\n".to_owned()), "{client:?}");
    let after = live_container(docker, &before);
    assert_eq!(image(docker, &after), image_before, "{client:?}: the layer is still the same one");
}

fn changed_dependencies_are_installed(platform: &Platform, client: Client, app: &Folder) {
    let docker = platform.docker();
    let before = live_container(docker, "");
    let image_before = image(docker, &before);
    let file = app.replace("package.json", "\"express\"", "\"is-number\": \"7.0.0\",\n    \"express\"");
    platform.s3(client).cp(&file, "myapp/package.json");
    platform.live("myapp");
    let after = live_container(docker, &before);
    assert_ne!(image(docker, &after), image_before, "{client:?}: another layer");
    assert_eq!(docker.shell(&after, "cd /app && node -p 'require(\"is-number\")(5)'"), "true\n");
}

/// The container that serves, once `before` is on its way out.
fn live_container(docker: &Docker, before: &str) -> String {
    let containers = docker.containers_of("myapp");
    let mut live =
        containers.iter().filter(|(name, id)| !name.contains(".retired-") && id.as_str() != before);
    live.next().map(|(_, id)| id.clone()).unwrap_or_else(|| panic!("a new container: {containers:?}"))
}

fn image(docker: &Docker, container: &str) -> String {
    docker.inspect(container, "{{.Image}}")
}

/// Does a container that is not this platform's bear the name?
fn is_foreign(platform: &Platform) -> bool {
    let format = "{{index .Config.Labels \"cloudyknight.platform\"}}";
    let output = Command::new("docker").args(["inspect", "--format", format, "workspace-myapp"]).output();
    let output = output.expect("docker runs");
    output.status.success() && run::stdout(&output).trim() != platform.id()
}
