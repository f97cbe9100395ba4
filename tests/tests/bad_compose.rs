//! Mistakes in a compose file, and demands that nobody allowed: each is told in the status, in the log and on the
//! terminal, with its place and what to do; the release before it goes on serving, and nobody else notices anything.

use cloudyknight_tests::run::{stderr, stdout};
use cloudyknight_tests::{Client, Neighbour, Platform, Visitor};
use serde_json::Value;

/// A platform with a live workspace `app`, a visitor of it, and a neighbour.
struct Stage<'a> {
    platform: &'a Platform,
    neighbour: Neighbour<'a>,
    visitor: Visitor,
    release: Value,
    container: String,
}

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start()
}

impl<'a> Stage<'a> {
    fn on(platform: &'a Platform) -> Self {
        platform.s3(Client::Boto3).put("app/index.html", "the release before");
        let release = platform.live("app")["release"].clone();
        Self {
            platform,
            neighbour: Neighbour::of(platform),
            visitor: Visitor::at(platform, "/app/"),
            release,
            container: platform.docker().container_of("app"),
        }
    }

    /// Pushes this compose file: it fails with this message and hint, and the release before stays.
    #[track_caller]
    fn check(&self, compose: impl AsRef<[u8]>, message: &str, hint: Option<&str>) {
        self.platform.s3(Client::Boto3).put("app/docker-compose.yml", compose);
        let status = self.platform.failed("app");
        let failure = &status["deployment"]["outcome"];
        assert_eq!(failure["message"], message);
        assert_eq!(failure["hint"].as_str(), hint, "the hint for: {message}");
        assert_eq!((&status["state"], &status["release"]), (&Value::from("degraded"), &self.release));
        assert_eq!(self.platform.docker().container_of("app"), self.container);
        self.is_told(message, hint);
    }

    /// `status` says it to people, and the log to operators.
    #[track_caller]
    fn is_told(&self, message: &str, hint: Option<&str>) {
        let output = self.platform.cli(&["status", "app"]);
        let shown = stdout(&output);
        assert!(shown.contains(&format!("\nerror: {message}\n")), "{shown}{}", stderr(&output));
        assert!(shown.contains("degraded: the newest release failed; the one before it serves"), "{shown}");
        if let Some(hint) = hint {
            assert!(shown.contains(&format!("\nhint: {hint}\n")), "{shown}");
        }
        // The log quotes it, with its quotation marks escaped.
        let quoted = message.replace('"', "\\\"");
        assert!(self.platform.log().contains(&quoted), "the log tells: {quoted}");
    }

    /// The next good push goes live, and all the time nobody was hurt.
    #[track_caller]
    fn ends(self) {
        self.platform.s3(Client::Boto3).rm_one("app/docker-compose.yml");
        let status = self.platform.live("app");
        assert_eq!(status["release"], self.release);
        let visits = self.visitor.leave();
        visits.all_answered();
        assert_eq!(visits.bodies, ["the release before"]);
        self.neighbour.is_unhurt();
    }
}

fn app(lines: &str) -> String {
    format!("services:\n  app:\n    image: workspace-static-ephemeral:latest\n{lines}")
}

#[test]
fn a_mistake_in_a_compose_file_is_told_with_its_line_and_column() {
    let platform = quick();
    let stage = Stage::on(&platform);
    let check = |lines: &str, message: &str, hint: Option<&str>| stage.check(app(lines), message, hint);
    check(
        "    command: [nginx\n    user: root\n",
        "docker-compose.yml:5:9: invalid YAML: illegal placement of ':' indicator",
        None,
    );
    check(
        "    depends_on: [databse]\n  database:\n    image: x\n",
        "docker-compose.yml:4:18: `depends_on`: there is no service `databse`",
        Some("did you mean `database`? services: `app`, `database`"),
    );
    check(
        "    volumes: ['data:/data']\n",
        "docker-compose.yml:4:15: the volume `data` is not declared",
        Some("declare it under `volumes:` at the top level; declared there: none"),
    );
    check(
        "    imagee: x\n",
        "docker-compose.yml:4:5: service `app`: unknown key `imagee`",
        Some("did you mean `image`?"),
    );
    check(
        "    labels: ['traefik.http.routers.app.rule=PathPrefix(/app)']\n",
        "docker-compose.yml:4:14: service `app`: label `traefik.http.routers.app.rule` is no rule: column 12: expected a value in \
         `backticks` or \"double quotes\", found '/'",
        Some(
            "rules are built from Host(`…`), Path(`…`), PathPrefix(`…`) and the like, with &&, ||, ! and parentheses",
        ),
    );
    stage.check(
        b"services:\n  app:\n    image: caf\xe9\n",
        "docker-compose.yml: it is no UTF-8 text",
        Some("save the compose file as UTF-8"),
    );
    stage.check("", "docker-compose.yml: the file is empty", Some("a compose file has at least `services:`"));
    stage.ends();
}

#[test]
fn what_the_operator_did_not_allow_is_refused() {
    let platform = quick();
    let stage = Stage::on(&platform);
    let refused = |lines: &str, what: &str, instead: &str, setting: &str| {
        let message = format!(
            "docker-compose.yml:{what} is refused: the operator's policy does not allow it for workspace `app`"
        );
        let file = platform.home().join("policy.toml");
        let hint = format!(
            "{instead}; or ask the operator to allow `{setting}` for `app` in {}, and then `cloudyknight retry app`",
            file.display()
        );
        stage.check(app(lines), &message, Some(&hint));
    };
    refused("    privileged: true\n", "4:17: `privileged: true`", "remove it", "privileged");
    refused("    network_mode: host\n", "4:19: `network_mode: host`", "remove it", "host_namespaces");
    refused(
        "    cap_add: [SYS_ADMIN]\n",
        "4:15: adding the capability `SYS_ADMIN`",
        "remove it",
        "capabilities",
    );
    refused(
        "    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n",
        "4:15: `volumes`: the container engine's socket `/var/run/docker.sock` (root on the host)",
        "remove the mount",
        "docker_socket",
    );
    for path in ["/etc", "./../../etc/passwd"] {
        refused(
            &format!("    volumes: ['{path}:/host:ro']\n"),
            &format!("4:15: `volumes`: the host path `{path}`, which lies outside of the workspace,"),
            "use a path of the workspace (`./…`) or a named volume",
            "host_paths",
        );
    }
    for path in ["../neighbour", "/workspaces/neighbour", "/workspaces/app/../neighbour"] {
        stage.check(
            app(&format!("    volumes: ['{path}:/x:ro']\n")),
            &format!(
                "docker-compose.yml:4:15: `volumes`: `{path}` is refused: it leads to another workspace"
            ),
            Some("paths start with `./`, or with `/workspaces/app/`"),
        );
    }
    stage.ends();
}

#[test]
fn a_missing_image_is_named() {
    let platform = quick();
    let stage = Stage::on(&platform);
    // Nothing listens there, so that no registry is asked and the answer is the same everywhere.
    let image = "localhost:1/missing:1";
    platform
        .s3(Client::Boto3)
        .put("app/docker-compose.yml", format!("services:\n  app:\n    image: {image}\n"));
    let failure = &platform.failed("app")["deployment"]["outcome"];
    let message = failure["message"].as_str().expect("a message");
    let begin = format!("service `app`: there is no image `{image}`, and it could not be pulled: ");
    assert!(message.starts_with(&begin) && message.contains("connection refused"), "{message}");
    assert_eq!(failure["service"], "app");
    let hint = failure["hint"].as_str().expect("a hint");
    assert!(hint.starts_with("check the name and the tag"), "{hint}");
    stage.is_told(message, Some(hint));
    assert_eq!(platform.docker().container_of("app"), stage.container);
    stage.ends();
}

#[test]
fn a_rule_belongs_to_the_workspace_that_had_it_first() {
    let platform = quick();
    let stage = Stage::on(&platform);
    let thief =
        "    labels: ['traefik.http.routers.thief.rule=PathPrefix(`/neighbour/`) || Path(`/neighbour`)']\n";
    stage.check(
        app(thief),
        "docker-compose.yml:4:14: service `app` would take the route PathPrefix(`/neighbour/`) || Path(`/neighbour`), which workspace \
         `neighbour` already has",
        Some("choose another rule; or remove the other workspace, and then `cloudyknight retry`"),
    );
    stage.ends();
}

#[test]
fn two_workspaces_that_ask_for_one_container_name_both_go_live() {
    let platform = quick();
    let compose = "services:\n  web:\n    image: workspace-static-ephemeral:latest\n    container_name: ck-test-same-name\n";
    let push = |name: &str| {
        platform.s3(Client::Boto3).put(&format!("{name}/docker-compose.yml"), compose);
        platform.s3(Client::Boto3).put(&format!("{name}/index.html"), name);
        platform.live(name)
    };
    push("first");
    let second = push("second");
    assert_eq!(
        second["warnings"][0],
        "service `web`: another container is called `ck-test-same-name` already; this one is \
         `ck-test-same-name.second`"
    );
    assert_eq!(second["services"][0]["container"], "ck-test-same-name.second");
    for name in ["first", "second"] {
        assert_eq!(platform.get(&format!("/{name}/")), (200, name.to_owned()));
    }
}
