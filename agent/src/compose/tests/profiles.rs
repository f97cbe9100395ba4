//! `profiles` and `COMPOSE_PROFILES`: which services are started.

use super::Workspace;

const TEXT: &str = "\
services:
  web: {image: x}
  debug: {image: x, profiles: [debug]}
  tools: {image: x, profiles: [dev, debug], depends_on: [debug]}
";

#[test]
fn a_service_with_profiles_is_started_when_one_is_active() {
    let check = |dotenv: Option<&'static str>, operator: Option<&str>, expected: &[&str]| {
        let mut workspace = Workspace::new();
        if let Some(text) = dotenv {
            workspace = workspace.file(".env", text);
        }
        if let Some(value) = operator {
            workspace = workspace.variable("COMPOSE_PROFILES", value);
        }
        let services = workspace.parse(TEXT).unwrap().project.services;
        assert_eq!(services.keys().collect::<Vec<_>>(), expected, "{dotenv:?} {operator:?}");
    };
    check(None, None, &["web"]);
    check(Some("COMPOSE_PROFILES="), None, &["web"]);
    check(Some("COMPOSE_PROFILES=debug"), None, &["debug", "tools", "web"]);
    check(Some("COMPOSE_PROFILES='x , debug'"), None, &["debug", "tools", "web"]);
    check(Some("COMPOSE_PROFILES=*"), None, &["debug", "tools", "web"]);
    check(None, Some("debug"), &["debug", "tools", "web"]);
    check(Some("COMPOSE_PROFILES=x"), Some("debug"), &["web"]);
}

#[test]
fn a_service_that_needs_one_of_an_inactive_profile_is_an_error() {
    assert_eq!(
        Workspace::new().file(".env", "COMPOSE_PROFILES=dev").error(TEXT),
        "docker-compose.yml:4:58: `depends_on`: the service `debug` is left out, because no profile of it is active\n\
         hint: name one in `.env` (`COMPOSE_PROFILES=…`), remove `profiles` from `debug`, or write `required: false`"
    );
}

#[test]
fn what_is_left_out_and_what_no_service_has_is_told() {
    let parsed = Workspace::new().file(".env", "COMPOSE_PROFILES=devv,other").parse(TEXT).unwrap();
    let shown: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            ".env: `COMPOSE_PROFILES`: no service has the profile `devv`, `other`",
            "docker-compose.yml:3: service `debug` is left out: no profile of it (`debug`) is active",
            "docker-compose.yml:4: service `tools` is left out: no profile of it (`dev`, `debug`) is active",
        ]
    );
    let parsed =
        Workspace::new().variable("COMPOSE_PROFILES", "all-of-them").parse("services: {a: {image: x}}");
    assert_eq!(parsed.unwrap().warnings, []);
}

#[test]
fn a_key_that_nobody_knows_is_an_error_also_where_the_service_is_left_out() {
    let check = |lines: &str, expected: &str| {
        let text = format!(
            "services:\n  web: {{image: x}}\n  debug:\n    image: x\n    profiles: [debug]\n    {lines}\n"
        );
        assert_eq!(Workspace::new().error(&text), expected);
    };
    check(
        "enviroment: {A: b}",
        "docker-compose.yml:6:5: service `debug`: unknown key `enviroment`\nhint: did you mean `environment`?",
    );
    check(
        "deploy: {replica: 2}",
        "docker-compose.yml:6:14: service `debug`: `deploy`: unknown key `replica`\nhint: did you mean `replicas`?",
    );
    // What it may not do, it does not do.
    let text =
        "services:\n  web: {image: x}\n  debug: {image: x, profiles: [debug], privileged: true, x-mine: 1}\n";
    assert_eq!(Workspace::new().parse(text).unwrap().warnings.len(), 1);
}

#[test]
fn profiles_are_merged_and_inherited_and_reset() {
    let workspace = Workspace::new()
        .file(".env", "COMPOSE_PROFILES=two")
        .overriding("o.yml", "services: {a: {profiles: [two]}, b: {profiles: !reset []}}");
    let text = "services:\n  a: {image: x, profiles: [one]}\n  b: {image: x, profiles: [one]}\n  c: {extends: d}\n  d: {image: x, profiles: [one]}";
    let services = workspace.parse(text).unwrap().project.services;
    assert_eq!(services.keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn mistakes_in_profiles() {
    let check = |profiles: &str, expected: &str| {
        let error = Workspace::new().service_error(&format!("profiles: {profiles}"));
        assert_eq!(error.lines().next().unwrap(), format!("docker-compose.yml:{expected}"));
    };
    check("debug", "4:15: `profiles` must be a list, not text");
    check("['']", "4:16: a profile is empty");
    check("['a b']", "4:16: `a b` is no name for a profile");
    check("['*']", "4:16: `*` is no name for a profile");
}
