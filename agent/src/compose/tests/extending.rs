//! `extends`: of the same file and of others, over several services, and what is refused.

use super::Workspace;

fn check(workspace: &Workspace, text: &str, expected: &str) {
    let expected = workspace.project(expected);
    let parsed = workspace.parse(text).unwrap_or_else(|error| panic!("{error}\n{:?}\n{text}", error.hint));
    assert_eq!(parsed.project.services["a"], expected.services["a"], "{text}");
}

#[test]
fn a_service_takes_over_another_one_and_its_own_keys_win() {
    let workspace = Workspace::new();
    check(
        &workspace,
        "services:\n  a: {extends: b, user: a, environment: [A=2]}\n  b: {image: x, user: b, working_dir: /b, environment: {A: 1, B: 1}}",
        "services: {a: {image: x, user: a, working_dir: /b, environment: {A: 2, B: 1}}}",
    );
    check(
        &workspace,
        "services:\n  a: {extends: {service: b}, command: [c]}\n  b: {extends: c, image: x, expose: [2]}\n  c: {image: y, expose: [1], command: d}",
        "services: {a: {image: x, expose: [1, 2], command: [c]}}",
    );
    check(&workspace, "services: {a: {image: x, extends: }}", "services: {a: {image: x}}");
}

#[test]
fn tags_bypass_what_is_inherited() {
    check(
        &Workspace::new(),
        "services:\n  a: {extends: b, ports: !reset [], environment: !override {A: 1}}\n  b: {image: x, ports: ['8080:80'], environment: {B: 1}}",
        "services: {a: {image: x, environment: {A: 1}}}",
    );
    // In an override file, both what is inherited there and what is overridden are reset.
    let workspace = Workspace::new()
        .overriding("o.yml", "services:\n  a: {extends: b, expose: !reset []}\n  b: {image: y, expose: [1]}");
    let services = workspace.project("services: {a: {image: x, expose: [2]}}").services;
    assert_eq!(services["a"].expose, [0u16; 0]);
    assert_eq!(services["b"].expose, [1]);
}

#[test]
fn another_file_s_paths_start_from_its_own_folder() {
    let workspace = Workspace::new()
        .file(
            "common/base.yml",
            "services:\n  b:\n    extends: {file: deep/er.yml, service: c}\n    env_file: b.env\n    volumes: ['./src:/src:ro', 'data:/data', '../up:/up:ro']\n",
        )
        .file("common/deep/er.yml", "services:\n  c:\n    build: {context: ../ctx, dockerfile: ./D}\n    env_file: [{path: c.env}]\n")
        .file("common/deep/c.env", "C=1\nB=0\n")
        .file("common/b.env", "B=1\n")
        .file("common/src/x", "")
        .file("common/ctx/D", "")
        .file("up/x", "");
    check(
        &workspace,
        "services: {a: {extends: {file: ./common/base.yml, service: b}}}\nvolumes: {data: }",
        "services:\n  a:\n    build: {context: common/ctx, dockerfile: D}\n    environment: {B: 1, C: 1}\n    volumes: ['./common/src:/src:ro', 'data:/data', './up:/up:ro']\nvolumes: {data: }",
    );
}

#[test]
fn variables_are_those_of_the_workspace_wherever_the_file_stands() {
    let workspace = Workspace::new()
        .file(".env", "U=root\n")
        .file("common/.env", "U=common\n")
        .file("common/base.yml", "services: {b: {image: x, user: \"$U\"}}");
    check(
        &workspace,
        "services: {a: {extends: {file: common/base.yml, service: b}}}",
        "services: {a: {image: x, user: root}}",
    );
}

#[test]
fn a_main_file_in_a_folder_has_that_folder_s_paths() {
    let workspace = Workspace::new()
        .file("deploy/compose.yml", "services: {c: {image: x}}")
        .file("deploy/.env", "A=deploy\nB=deploy\n")
        .file(".env", "A=root\n")
        .file("app/Dockerfile", "")
        .file("deploy/base.yml", "services: {b: {environment: [B]}}");
    let text = "services: {a: {build: ../app, user: $A, extends: {file: base.yml, service: b}}}";
    let parsed = workspace.parse_as("deploy/compose.yml", text).unwrap();
    let a = &parsed.project.services["a"];
    assert_eq!(a.user.as_deref(), Some("root"));
    assert_eq!(a.environment["B"], "deploy");
    let expected = workspace.project("services: {a: {build: ./app}}");
    assert_eq!(a.image, expected.services["a"].image);
}

#[test]
fn what_cannot_be_extended_is_refused() {
    let workspace = Workspace::new()
        .file(
            "o.yml",
            "services:\n  b: {image: x}\n  back: {extends: {file: docker-compose.yml, service: a}}",
        )
        .file("loop.yml", "services: {b: {extends: {file: ./loop.yml, service: b}}}")
        .file("bad.yml", "services:\n  b:\n    image: x\n    volumes: [\"/etc:/etc\"]\n    usr: x\n")
        .file("needs.yml", "services:\n  b:\n    image: x\n    depends_on: [gone]\n")
        .file("folder/x", "");
    let check = |line: &str, expected: &str| {
        let text = format!("services:\n  a:\n    {line}\n  c: {{image: x, extends: a}}\n");
        assert_eq!(workspace.error(&text).lines().next().unwrap(), expected, "{line}");
    };
    check(
        "extends: d",
        "docker-compose.yml:3:14: `extends`: there is no service `d` in `docker-compose.yml`",
    );
    check("extends: a", "docker-compose.yml:3:14: `extends` goes in a circle: `a` → `a`");
    check("extends: c", "docker-compose.yml:4:26: `extends` goes in a circle: `a` → `c` → `a`");
    check(
        "extends: {file: o.yml, service: back}",
        "o.yml:3:55: `extends` goes in a circle: `a` → `back` → `a`",
    );
    check(
        "extends: {file: loop.yml, service: b}",
        "loop.yml:1:53: `extends` goes in a circle: `a` → `b` → `b`",
    );
    check(
        "extends: {file: no.yml, service: b}",
        "docker-compose.yml:3:21: `extends`: `no.yml` does not exist in the workspace",
    );
    check(
        "extends: {file: folder, service: b}",
        "docker-compose.yml:3:21: `extends`: `folder` is no small text file",
    );
    check("extends: {file: o.yml}", "docker-compose.yml:3:14: `extends` without its `service`");
    check(
        "extends: {file: o.yml, service: x}",
        "docker-compose.yml:3:37: `extends`: there is no service `x` in `o.yml`",
    );
    check("extends: {servce: a}", "docker-compose.yml:3:15: `extends`: unknown key `servce`");
    check(
        "extends: [b]",
        "docker-compose.yml:3:14: `extends` must be the name of a service or a mapping, not a list",
    );
    check(
        "extends: {file: ../other/c.yml, service: b}",
        "docker-compose.yml:3:21: `extends`: `../other/c.yml` is refused: it leads to another workspace",
    );
    check(
        "extends: {file: /etc/passwd, service: b}",
        "docker-compose.yml:3:21: `extends`: `/etc/passwd` is refused: it lies outside of the workspace",
    );
    check(
        "extends: {file: 'oci://x.example/a', service: b}",
        "docker-compose.yml:3:21: `extends`: `oci://x.example/a` is refused: it lies outside of the workspace",
    );
    // Where the mistake stands, though the service is another one.
    check("extends: {file: bad.yml, service: b}", "bad.yml:5:5: service `a`: unknown key `usr`");
    check(
        "extends: {file: needs.yml, service: b}",
        "needs.yml:4:18: `depends_on`: there is no service `gone`",
    );
}

#[test]
fn copies_are_counted() {
    let list: String = (0..3000).map(|n| format!("x{n}, ")).collect();
    let services: String = (0..90).map(|n| format!("  s{n}: {{extends: base}}\n")).collect();
    let error =
        Workspace::new().error(&format!("services:\n  base: {{image: x, x-list: [{list}]}}\n{services}"));
    assert!(error.contains("larger than 100000 nodes"), "{error}");
    let chain: String = (0..60).map(|n| format!("  s{n}: {{image: x, extends: s{}}}\n", n + 1)).collect();
    let error = Workspace::new().error(&format!("services:\n{chain}  s60: {{image: x}}\n"));
    assert!(error.contains("`extends` over more than 32 services"), "{error}");
}
