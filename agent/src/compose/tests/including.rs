//! `include`: other files of the workspace with their own folders and variables, and what is refused.

use super::Workspace;

const MAIN: &str = "include: [db/compose.yaml]\nservices: {a: {image: x, depends_on: [db]}}\n";

fn error(workspace: &Workspace, text: &str) -> String {
    workspace.error(text).lines().next().unwrap().to_owned()
}

#[test]
fn services_networks_and_volumes_are_taken_in() {
    let workspace = Workspace::new()
        .file(
            "db/compose.yaml",
            "services:\n  db:\n    image: postgres\n    volumes: ['data:/data', './init:/init:ro']\n    networks: [back]\n    env_file: db.env\n\
             volumes: {data: }\nnetworks: {back: {internal: true}}\n",
        )
        .file("db/init/a.sql", "")
        .file("db/db.env", "A=1\n");
    let project = workspace.project(MAIN);
    let expected = workspace.project(
        "services:\n  a: {image: x, depends_on: [db]}\n  db:\n    image: postgres\n    volumes: ['data:/data', './db/init:/init:ro']\n    \
         networks: [back]\n    environment: {A: 1}\nvolumes: {data: }\nnetworks: {back: {internal: true}}\n",
    );
    assert_eq!(project, expected);
}

#[test]
fn the_long_form_merges_files_and_names_folder_and_variables() {
    let workspace = Workspace::new()
        .file("db/compose.yaml", "services: {db: {build: ., user: \"$U-$V-$W\", environment: [U, X, Y]}}")
        .file("over.yaml", "services: {db: {build: {dockerfile: D}, working_dir: /w, environment: {Y: }}}")
        .file("ctx/D", "")
        .file("db/.env", "U=db\n")
        .file("ctx/.env", "U=ctx\n")
        .file("1.env", "U=one\nV=one\n")
        .file("2.env", "V=two$U\nX=two\nW=two\n")
        .file(".env", "W=root\n");
    let text = "include:\n  - path: [db/compose.yaml, ./over.yaml]\n    project_directory: ./ctx\n    env_file: [1.env, 2.env]\n";
    let db = &workspace.project(text).services["db"];
    assert_eq!(db.user.as_deref(), Some("one-twoone-root"));
    assert_eq!(db.working_dir.as_deref(), Some("/w"));
    let environment: Vec<_> = db.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(environment, ["U=one", "X=two"]);
    let expected = workspace.project("services: {db: {build: {context: ctx, dockerfile: D}}}");
    assert_eq!(db.image, expected.services["db"].image);
    // Without its own, the folder's `.env`; and `/dev/null` for none.
    let user = |include: &str| {
        let text = format!("include: [{{path: db/compose.yaml, project_directory: ctx{include}}}]");
        let workspace = Workspace::new()
            .file("db/compose.yaml", "services: {db: {image: x, user: \"u${U-}\"}}")
            .file("ctx/.env", "U=ctx\n")
            .file("db/.env", "U=db\n");
        workspace.project(&text).services["db"].user.clone().unwrap()
    };
    assert_eq!([user(""), user(", env_file: db/.env"), user(", env_file: /dev/null")], ["uctx", "udb", "u"]);
}

#[test]
fn a_build_without_a_context_means_the_included_folder() {
    let workspace = Workspace::new()
        .file("sub/compose.yaml", "services: {b: {build: {args: {A: 1}}}}")
        .file("sub/Dockerfile", "");
    let found = workspace.project("include: [sub/compose.yaml]").services["b"].image.clone();
    let expected =
        workspace.project("services: {b: {build: {context: sub, args: {A: 1}}}}").services["b"].image.clone();
    assert_eq!(found, expected);
}

#[test]
fn an_included_file_includes_others_and_two_may_include_a_third() {
    let workspace = Workspace::new()
        .file("a/compose.yaml", "include: [../c/compose.yaml]\nservices: {a: {image: x, depends_on: [c]}}")
        .file(
            "b/compose.yaml",
            "include: [../c/compose.yaml]\nservices: {b: {extends: {file: ../c/compose.yaml, service: c}}}",
        )
        .file("c/compose.yaml", "services: {c: {image: x, volumes: ['./f:/f:ro']}}")
        .file("c/f", "");
    let project = workspace.project("include:\n  - a/compose.yaml\n  - path: b/compose.yaml\n");
    assert_eq!(project.services.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(project.services["b"].mounts, project.services["c"].mounts);
}

#[test]
fn what_is_included_is_changed_by_an_override_file_only() {
    let workspace = Workspace::new()
        .file("db/compose.yaml", "services: {db: {image: postgres}}")
        .overriding("docker-compose.override.yml", "services: {db: {user: me}}");
    assert_eq!(workspace.project(MAIN).services["db"].user.as_deref(), Some("me"));
    let workspace = Workspace::new().file("db/compose.yaml", "services: {db: {image: postgres}}");
    let text = "include: [db/compose.yaml]\nservices:\n  db: {user: me}\n";
    assert_eq!(
        workspace.error(text),
        "docker-compose.yml:3:3: `services.db` is already what `db/compose.yaml` includes, and says something else\n\
         hint: give it another name; an override file can change what is included"
    );
}

#[test]
fn what_cannot_be_included_is_refused() {
    let workspace = Workspace::new()
        .file("a.yml", "include: [b.yml]\nservices: {x: {image: x}}")
        .file("b.yml", "include: [a.yml]")
        .file("me.yml", "include: [docker-compose.yml]")
        .file("folder/x", "")
        .file("empty.yml", "# nothing")
        .file("bad.yml", "services:\n  b:\n    image: x\n    privileged: true\n")
        .file("sub/up.yml", "include: [../../other/c.yml]")
        .file("vol.yml", "services: {b: {image: x, volumes: ['../../../etc:/etc']}}")
        .file("sub/vol.yml", "services: {b: {image: x, volumes: ['../../../etc:/etc']}}")
        .file("unknown.yml", "service: {b: {image: x}}");
    let check = |entry: &str, expected: &str| {
        let text = format!("include:\n  - {entry}\nservices: {{a: {{image: x}}}}\n");
        assert_eq!(error(&workspace, &text), expected, "{entry}");
    };
    let refused = |entry: &str, why: &str| {
        check(entry, &format!("docker-compose.yml:2:5: `include`: `{entry}` is refused: {why}"));
    };
    let outside = "it lies outside of the workspace";
    refused("../other/compose.yml", "it leads to another workspace");
    refused("/etc/compose.yml", outside);
    refused("/workspaces/other/compose.yml", "it leads to another workspace");
    refused("~/compose.yml", "there is no home folder here");
    refused("oci://registry.example/app:latest", outside);
    refused("https://github.com/a/b.git", outside);
    refused("git@github.com:a/b.git", outside);
    refused("github.com/a/b", outside);
    check("no.yml", "docker-compose.yml:2:5: `include`: `no.yml` does not exist in the workspace");
    check("folder", "docker-compose.yml:2:5: `include`: `folder` is no small text file");
    check("empty.yml", "empty.yml: the file is empty");
    check(
        "a.yml",
        "b.yml:1:11: `include` goes in a circle: `docker-compose.yml` → `a.yml` → `b.yml` → `a.yml`",
    );
    check(
        "docker-compose.yml",
        "docker-compose.yml:2:5: `include` goes in a circle: `docker-compose.yml` → `docker-compose.yml`",
    );
    check(
        "{path: a.yml, env_file: no.env}",
        "docker-compose.yml:2:29: `include`: `env_file`: `no.env` does not exist in the workspace",
    );
    check(
        "{path: a.yml, env_file: ../x/.env}",
        "docker-compose.yml:2:29: `include`: `env_file`: `../x/.env` is refused: it leads to another workspace",
    );
    check(
        "{path: a.yml, project_directory: ../x}",
        "docker-compose.yml:2:38: `project_directory`: `../x` is refused: it leads to another workspace",
    );
    check("{paths: a.yml}", "docker-compose.yml:2:6: `include`: unknown key `paths`");
    check("{env_file: a.env}", "docker-compose.yml:2:5: an entry of `include` without its `path`");
    check("[a.yml]", "docker-compose.yml:2:5: an entry of `include` must be text, not a list");
    check(
        "bad.yml",
        "bad.yml:4:17: `privileged: true` is refused: the operator's policy does not allow it for workspace `myapp`",
    );
    check(
        "sub/up.yml",
        "sub/up.yml:1:11: `include`: `./sub/../../other/c.yml` is refused: it leads to another workspace",
    );
    check("unknown.yml", "unknown.yml:1:1: top level: unknown key `service`");
    for file in ["vol.yml", "sub/vol.yml"] {
        let text = format!("include: [{file}]\nservices: {{a: {{image: x}}}}\n");
        assert!(
            error(&workspace, &text).contains("which lies outside of the workspace, is refused"),
            "{file}"
        );
    }
    assert_eq!(
        error(&workspace, "include: a.yml\n"),
        "docker-compose.yml:1:10: `include` must be a list, not text"
    );
}

#[test]
fn what_an_included_file_says_beside_its_sections_is_told() {
    let workspace = Workspace::new().file(
        "i.yml",
        "name: other\nversion: '3'\nx-any: 1\nx-cloudyknight: {fresh: true}\nservices: {b: {image: x}}",
    );
    let parsed = workspace.parse("include: [i.yml]").unwrap();
    let shown: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "i.yml:1: `name` has no effect in an included file",
            "i.yml:4: `x-cloudyknight` has no effect in an included file"
        ]
    );
    assert!(!parsed.project.fresh);
}

#[test]
fn included_files_have_an_end() {
    // Each includes the next one twice.
    let mut workspace = Workspace::new().file("20.yml", "services: {a: {image: x}}");
    for n in 0..20 {
        let text = format!("include: [{{path: {m}.yml}}, {{path: {m}.yml, env_file: /dev/null}}]", m = n + 1);
        workspace = workspace.file(format!("{n}.yml").leak(), text.leak());
    }
    let error = workspace.error("include: [10.yml]");
    assert!(error.contains("more than 100 compose files and documents"), "{error}");
    let error = workspace.error("include: [0.yml]");
    assert!(error.contains("`include` more than 16 files deep"), "{error}");
    let large = format!("x-a: [{}]", "a, ".repeat(40_000)).leak();
    let workspace = Workspace::new().file("l.yml", large);
    let error = workspace.error("include: [l.yml, l.yml, l.yml]");
    assert!(error.contains("larger than 100000 nodes"), "{error}");
}
