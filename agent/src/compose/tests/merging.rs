//! Override files, `!reset` and `!override`, several documents: the specification's chapter "Merge".

use proptest::prelude::*;

use super::Workspace;
use crate::compose::model::Project;

const OVERRIDE: &str = "docker-compose.override.yml";

fn leak(text: String) -> &'static str {
    text.leak()
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}\n")).collect()
}

fn file(lines: &str) -> String {
    format!("services:\n  a:\n    image: x\n{}\nvolumes: {{v: , w: }}\n", indented(lines))
}

fn over(lines: &str) -> &'static str {
    leak(format!("services:\n  a:\n{}", indented(lines)))
}

fn workspace() -> Workspace {
    ["1.env", "2.env", "3.env", "a/f", "b/f", "Dockerfile", "a/Dockerfile", "b/Dockerfile"]
        .into_iter()
        .fold(Workspace::new(), |workspace, path| workspace.file(path, ""))
}

/// What a service means whose lines are overridden by other lines is what these lines mean.
fn check(base: &str, overriding: &str, expected: &str) {
    let merged = project(&workspace().overriding(OVERRIDE, over(overriding)), &file(base));
    let expected = project(&workspace(), &file(expected));
    assert_eq!(merged, expected, "{base}\n--- overridden by\n{overriding}");
}

fn project(workspace: &Workspace, text: &str) -> Project {
    let parsed = workspace.parse(text).unwrap_or_else(|error| panic!("{error}\n{:?}\n{text}", error.hint));
    parsed.project
}

#[test]
fn mappings_are_merged_and_texts_replaced() {
    check("working_dir: /a", "user: b", "working_dir: /a\nuser: b");
    check("working_dir: /a\nuser: a", "user: b", "working_dir: /a\nuser: b");
    check(
        "healthcheck: {test: x, interval: 1s}",
        "healthcheck: {interval: 2s}",
        "healthcheck: {test: x, interval: 2s}",
    );
    check("user: a", "user: ", "user: a");
    check("environment: {A: 1}", "environment: ", "environment: {A: 1}");
    check("user: ", "user: b", "user: b");
}

#[test]
fn lists_are_appended_without_repeating_themselves() {
    check("expose: [1, 2]", "expose: [2, 3]", "expose: [1, 2, 3]");
    check("cap_drop: [A]", "cap_drop: [B, A]", "cap_drop: [A, B]");
    check("volumes: [/x]", "volumes: [/y]", "volumes: [/x, /y]");
}

#[test]
fn commands_are_replaced() {
    check("command: [a, b]", "command: [c]", "command: [c]");
    check("command: a b", "command: [c]", "command: [c]");
    check("command: a b", "command: ", "");
    check("entrypoint: [a]", "entrypoint: c d", "entrypoint: [c, d]");
    check("healthcheck: {test: [CMD, a]}", "healthcheck: {test: b}", "healthcheck: {test: b}");
}

#[test]
fn pairs_are_merged_by_name_in_whichever_form() {
    for key in ["environment", "labels"] {
        let check = |base: &str, over: &str, expected: &str| {
            check(&format!("{key}: {base}"), &format!("{key}: {over}"), &format!("{key}: {expected}"));
        };
        check("{A: 1, B: 2}", "{B: 3, C: 4}", "{A: 1, B: 3, C: 4}");
        check("[A=1, B=2]", "[B=3, C=4]", "{A: 1, B: 3, C: 4}");
        check("[A=1, B=2]", "{B: 3}", "{A: 1, B: 3}");
        check("{A: 1, B: 2}", "[B=3, B=4]", "{A: 1, B: 4}");
        check("[A=1=2]", "[B]", "{A: 1=2, B: }");
        check("{A: 1}", "[A]", "{A: }");
        check("{A: 1}", "{A: }", "{A: }");
    }
    check(
        "build: {context: ., args: {A: 1, B: 2}}",
        "build: {args: [B=3]}",
        "build: {context: ., args: {A: 1, B: 3}}",
    );
}

#[test]
fn unique_resources_are_replaced_by_those_with_the_same_key() {
    check("volumes: ['v:/x', '/y']", "volumes: ['w:/x']", "volumes: ['w:/x', '/y']");
    check(
        "volumes: ['v:/x']",
        "volumes: [{type: tmpfs, target: /x/}]",
        "volumes: [{type: tmpfs, target: /x}]",
    );
    check("volumes: ['./a:/x:ro']", "volumes: ['./b:/x:ro']", "volumes: ['./b:/x:ro']");
    let ports = |list: &str| format!("ports: [{list}]");
    let check = |base: &str, over: &str, expected: &str| check(&ports(base), &ports(over), &ports(expected));
    check("'8080:80'", "'8081:80'", "'8080:80', '8081:80'");
    check("'8080:80'", "{target: 80, published: 8080}", "'8080:80'");
    check("'8080:80'", "'8080:80/udp'", "'8080:80', '8080:80/udp'");
    check("'8080:80'", "'127.0.0.1:8081:80'", "'8080:80', '127.0.0.1:8081:80'");
}

#[test]
fn one_text_stands_for_a_list_of_it() {
    let env_file = "environment: {A: 1}\nenv_file: ";
    check(&format!("{env_file}1.env"), "env_file: [2.env]", &format!("{env_file}[1.env, 2.env]"));
    check("tmpfs: /a", "tmpfs: /b", "tmpfs: [/a, /b]");
    check("tmpfs: [/a]", "tmpfs: ['/a']", "tmpfs: /a");
    check("env_file: [1.env]", "env_file: {path: ./1.env, required: false}", "env_file: 1.env");
}

#[test]
fn short_forms_are_merged_as_what_they_stand_for() {
    check("build: ./a", "build: {args: {A: 1}}", "build: {context: ./a, args: {A: 1}}");
    check("build: {context: ./a, args: {A: 1}}", "build: ./b", "build: {context: ./b, args: {A: 1}}");
    check(
        "networks: [default]",
        "networks: {default: {aliases: [b]}}",
        "networks: {default: {aliases: [b]}}",
    );
    check(
        "networks: {default: {aliases: [a]}}",
        "networks: {default: {aliases: [b]}}",
        "networks: {default: {aliases: [a, b]}}",
    );
    let text = |depends: &str| {
        leak(format!(
            "services:\n  b: {{image: x, depends_on: {depends}}}\n  c: {{image: x}}\n  d: {{image: x}}"
        ))
    };
    for (base, over, expected) in [
        ("[c]", "[d]", "[c, d]"),
        ("[c]", "{d: {condition: service_healthy}}", "{c: , d: {condition: service_healthy}}"),
        ("[c]", "{c: {condition: service_healthy}}", "{c: {condition: service_healthy}}"),
        ("{c: {condition: service_healthy}}", "[c]", "[c]"),
        (
            "{c: {condition: service_healthy}}",
            "{c: {required: false}}",
            "{c: {condition: service_healthy, required: false}}",
        ),
    ] {
        let merged = project(&Workspace::new().overriding(OVERRIDE, text(over)), text(base));
        assert_eq!(merged, project(&Workspace::new(), text(expected)), "{base} {over}");
    }
}

#[test]
fn reset_takes_away_what_is_overridden() {
    check("ports: ['8085:80']\nuser: a", "ports: !reset []", "user: a");
    check("ports: ['8085:80']", "ports: !reset ['8086:81']", "");
    check("environment: {A: 1, B: 2}", "environment: {A: !reset null}", "environment: {B: 2}");
    check("environment: [A=1, B=2]", "environment: {A: !reset ''}", "environment: {B: 2}");
    check("command: x\nuser: a", "command: !reset\nuser: b", "user: b");
    check("user: a", "ports: !reset []", "user: a");
    check("ports: !reset ['8085:80']", "user: a", "user: a");
    check("depends_on: [a]", "depends_on: !reset {}", "");
}

#[test]
fn override_replaces_what_is_overridden() {
    check("ports: ['8085:80']", "ports: !override ['8086:81']", "ports: ['8086:81']");
    check("environment: {A: 1}", "environment: !override {B: 2}", "environment: {B: 2}");
    check("environment: {A: 1}", "environment: !override [B=2]", "environment: {B: 2}");
    check("healthcheck: {test: x}", "healthcheck: !override {disable: true}", "healthcheck: {disable: true}");
    check("ports: !override ['8085:80']", "ports: ['8086:81']", "ports: ['8085:80', '8086:81']");
    check("build: {context: ./a, args: {A: 1}}", "build: !override {context: ./b}", "build: {context: ./b}");
    // An alias stands for what its anchor says, tag and all.
    let text = leak("x-p: &p !override ['8086:81']\nservices: {a: {ports: *p}}".to_owned());
    let merged = project(&workspace().overriding(OVERRIDE, text), &file("ports: ['8085:80']"));
    assert_eq!(merged, project(&workspace(), &file("ports: ['8086:81']")));
}

#[test]
fn whole_services_networks_and_volumes_can_be_reset_and_added() {
    let base = "services: {a: {image: x}, b: {image: x}}\nvolumes: {v: }";
    let over = "services: {b: !reset null, c: {image: y}}\nvolumes: !reset {}";
    let merged = project(&Workspace::new().overriding(OVERRIDE, over), base);
    assert_eq!(merged.services.keys().collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn several_override_files_are_merged_in_their_order() {
    let workspace = Workspace::new()
        .overriding("b.yml", "services: {a: {user: b, environment: {B: 1}}}")
        .overriding("c.yml", "services: {a: {user: c, environment: {C: 1}}}");
    let service = workspace.service("environment: {A: 1}");
    assert_eq!(service.user.as_deref(), Some("c"));
    assert_eq!(service.environment.keys().collect::<Vec<_>>(), ["A", "B", "C"]);
}

#[test]
fn a_later_document_of_a_file_is_merged_over_the_earlier_ones() {
    let text =
        "---\nservices: {a: {image: x, user: a}}\n---\n---\nservices: {a: {user: b, working_dir: /w}}\n...\n";
    let a = &Workspace::new().project(text).services["a"];
    assert_eq!((a.user.as_deref(), a.working_dir.as_deref()), (Some("b"), Some("/w")));
    let error = Workspace::new().error("x: &a 1\n---\nservices: *a\n");
    assert_eq!(error, "docker-compose.yml:3:11: an alias without an anchor of its name before it");
}

#[test]
fn variables_are_filled_in_before_files_are_merged() {
    let workspace = Workspace::new()
        .file(".env", "USER=me\n")
        .overriding(OVERRIDE, "services: {a: {user: \"$USER\", environment: [\"A=${NOPE:-b}\", 'C=$$x']}}");
    let service = workspace.service("user: ${USER:?}\nenvironment: {A: a}");
    assert_eq!(service.user.as_deref(), Some("me"));
    assert_eq!(service.environment["A"], "b");
    assert_eq!(service.environment["C"], "$x");
}

#[test]
fn mistakes_name_the_file_that_they_stand_in() {
    let check = |base: &str, over: &'static str, expected: &str| {
        assert_eq!(Workspace::new().overriding(OVERRIDE, over).error(base), expected);
    };
    let base = "services:\n  a:\n    image: x\n    ports: ['8080:80']\n";
    check(
        base,
        "services:\n  a:\n    ports: 81\n",
        "docker-compose.override.yml:3:12: `services.a.ports`, which this overrides, must be a list, not text\n\
         hint: write `!override` before the value to put it in the place of the other",
    );
    check(
        base,
        "services:\n  a: [x]\n",
        "docker-compose.override.yml:2:6: `services.a`, which this overrides, must be a mapping, not a list\n\
         hint: write `!override` before the value to put it in the place of the other",
    );
    check(
        base,
        "services:\n  a:\n    usr: x\n",
        "docker-compose.override.yml:3:5: service `a`: unknown key `usr`\nhint: did you mean `user`?",
    );
    check(
        base,
        "services:\n  a:\n    ports:\n      - 8080:80:80:80\n",
        &Workspace::new()
            .error("services:\n  a: {image: x,\n    ports: [\n\n       8080:80:80:80]}\n")
            .replace("docker-compose.yml:5:8", "docker-compose.override.yml:4:9"),
    );
    check(
        base,
        "services: [",
        "docker-compose.override.yml:2:1: invalid YAML: while parsing a node, did not find expected node content",
    );
    check(
        base,
        "# nothing\n",
        "docker-compose.override.yml: the file is empty\nhint: a compose file has at least `services:`",
    );
    check(base, "- a\n", "docker-compose.override.yml:1:1: a compose file must be a mapping, not a list");
    check(
        base,
        "services:\n  a:\n    user: ${X:?who}\n",
        "docker-compose.override.yml:3:11: the variable `X` is required: who\nhint: set it in the file `.env` of the workspace",
    );
    check(
        base,
        "services:\n  a:\n    volumes: [\"/etc:/etc\"]\n",
        "docker-compose.override.yml:3:15: `volumes`: the host path `/etc`, which lies outside of the workspace, is refused: \
         the operator's policy does not allow it for workspace `myapp`\nhint: use a path of the workspace (`./…`) or a named \
         volume; or ask the operator to allow `host_paths` for `myapp` in policy.toml, \
         and then `cloudyknight retry myapp`",
    );
    // What stays from the base is still shown there.
    check(
        "services:\n  a:\n    image: x\n    usr: 1\n",
        "services:\n  a:\n    user: x\n",
        "docker-compose.yml:4:5: service `a`: unknown key `usr`\nhint: did you mean `user`?",
    );
}

#[test]
fn warnings_name_their_file_too_and_come_in_the_order_of_the_files() {
    let workspace = Workspace::new().overriding(OVERRIDE, "services:\n  a:\n    user: \"${B}\"\n");
    let parsed = workspace.parse("services:\n  a:\n    image: x\n    restart: no${A}\n").unwrap();
    let shown: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "docker-compose.yml:4: the variable `A` is not set: empty text stands in its place",
            "docker-compose.override.yml:3: the variable `B` is not set: empty text stands in its place",
        ]
    );
}

#[test]
fn tags_stand_before_values_of_keys_only() {
    let check = |text: &str, expected: &str| {
        let error = Workspace::new().error(text);
        assert_eq!(error.lines().next().unwrap(), format!("docker-compose.yml:{expected}"), "{text}");
    };
    check("a: [!reset x]", "1:5: `!reset` has no meaning here");
    check("a: [!override [x]]", "1:5: `!override` has no meaning here");
    check("!override {a: b}", "1:1: `!override` has no meaning here");
    check("!reset a: b", "1:1: `!reset` has no meaning here");
    check("a: &a !override {b: c}\nd:\n  <<: *a", "1:4: `!override` has no meaning here");
    check("a: !resett x", "1:4: the YAML tag `!resett` is not supported");
    check("a: !!reset x", "1:4: the YAML tag `reset` has no meaning here");
}

#[test]
fn the_project_s_name_is_what_its_variable_stands_for() {
    let check = |dotenv: &'static str, name: &str, expected: &str, warnings: &[&str]| {
        let text = format!("{name}\nservices: {{a: {{image: x, user: \"$COMPOSE_PROJECT_NAME\"}}}}");
        let parsed = Workspace::new().file(".env", dotenv).parse(&text).unwrap();
        assert_eq!(parsed.project.services["a"].user.as_deref(), Some(expected), "{dotenv} {name}");
        let shown: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(shown, warnings);
    };
    check("", "", "myapp", &[]);
    check("", "name: myapp", "myapp", &[]);
    check(
        "N=b",
        "name: a-${N}",
        "a-b",
        &[
            "docker-compose.yml:1: `name`: the project is called `myapp` here, as its workspace; `a-b` is only what \
           `${COMPOSE_PROJECT_NAME}` stands for",
        ],
    );
    check(
        "COMPOSE_PROJECT_NAME=c",
        "name: myapp",
        "c",
        &[
            ".env: `COMPOSE_PROJECT_NAME`: the project is called `myapp` here, as its workspace; `c` is only what the \
           variable stands for",
        ],
    );
    let error = Workspace::new().error("name: My App\nservices: {a: {image: x}}");
    assert!(error.starts_with("docker-compose.yml:1:7: `My App` is no name for a project"), "{error}");
    let error = Workspace::new().file(".env", "COMPOSE_PROJECT_NAME=A").error("services: {a: {image: x}}");
    assert!(error.starts_with(".env: `COMPOSE_PROJECT_NAME`: `A` is no name for a project"), "{error}");
}

/// A service's lines, out of pieces that are merged in different ways.
fn lines() -> impl Strategy<Value = String> {
    let pieces = [
        "user: a",
        "user: b",
        "user: ",
        "command: [a]",
        "command: b c",
        "environment: {A: 1, B: 2}",
        "environment: [A=3, C=4]",
        "environment: {A: }",
        "labels: {a: b}",
        "labels: [a=c, d]",
        "ports: ['8080:80', '8081:81']",
        "ports: [{target: 80, published: '8080'}]",
        "volumes: ['v:/x', /y]",
        "volumes: [{type: volume, source: w, target: /x}]",
        "expose: [1, 2]",
        "expose: [2, 3]",
        "tmpfs: /t",
        "tmpfs: [/t, /u]",
        "env_file: 1.env",
        "env_file: [2.env, {path: 3.env, required: false}]",
        "healthcheck: {test: x, interval: 1s}",
        "healthcheck: {retries: 2}",
        "cap_drop: [A, B]",
        "networks: [default]",
        "networks: {default: {aliases: [z]}}",
        "restart: always",
    ];
    prop::collection::btree_map(0usize..12, prop::sample::select(pieces.to_vec()), 0..6).prop_map(|pieces| {
        let mut lines: Vec<&str> = Vec::new();
        for piece in pieces.into_values() {
            let key = piece.split(':').next().unwrap();
            if !lines.iter().any(|line| line.starts_with(&format!("{key}:"))) {
                lines.push(piece);
            }
        }
        lines.join("\n")
    })
}

/// Each line with a tag before its value.
fn tagged(lines: &str, tag: &str) -> String {
    lines
        .replace(": ", &format!(": {tag} "))
        .lines()
        .map(|line| {
            // Only the first value of a line is tagged.
            let (key, rest) = line.split_once(": ").unwrap();
            format!("{key}: {tag} {}\n", rest.replace(&format!("{tag} "), ""))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn merging_the_same_file_twice_changes_nothing(base in lines(), over_lines in lines()) {
        let once = project(&workspace().overriding(OVERRIDE, over(&over_lines)), &file(&base));
        let twice = workspace().overriding(OVERRIDE, over(&over_lines)).overriding("again.yml", over(&over_lines));
        prop_assert_eq!(once, project(&twice, &file(&base)));
    }

    #[test]
    fn a_file_that_says_nothing_changes_nothing(base in lines()) {
        let alone = project(&workspace(), &file(&base));
        let over = workspace().overriding(OVERRIDE, "services: {a: {}}\nvolumes:\n");
        prop_assert_eq!(&alone, &project(&over, &file(&base)));
        let under = workspace().overriding(OVERRIDE, leak(file(&base)));
        prop_assert_eq!(&alone, &project(&under, "services: {a: {image: y}}"));
    }

    #[test]
    fn merging_is_associative(one in lines(), two in lines(), three in lines()) {
        // What a service inherits is merged with it before it meets anything else.
        let all = workspace().overriding("2.yml", over(&two)).overriding("3.yml", over(&three));
        let nested = workspace()
            .file("2.yml", over(&two))
            .file("3.yml", over(&three))
            .overriding("23.yml", "services: {a: {extends: {file: 3x.yml, service: a}}}")
            .file("3x.yml", leak(format!(
                "services:\n  a:\n    extends: {{file: 2.yml, service: a}}\n{}", indented(&three)
            )));
        prop_assert_eq!(project(&all, &file(&one)), project(&nested, &file(&one)));
    }

    #[test]
    fn what_is_reset_is_as_if_it_had_never_been_there(base in lines()) {
        let reset = over(&tagged(&base, "!reset")).to_owned();
        let reset = if base.is_empty() { "services: {a: {}}".to_owned() } else { reset };
        let merged = project(&workspace().overriding(OVERRIDE, leak(reset)), &file(&base));
        prop_assert_eq!(merged, project(&workspace(), &file("")));
    }

    #[test]
    fn what_overrides_is_as_if_it_stood_there_alone(base in lines(), mine in lines()) {
        let keys: Vec<String> =
            mine.lines().map(|line| format!("{}:", line.split(':').next().unwrap())).collect();
        let rest: Vec<&str> =
            base.lines().filter(|line| !keys.iter().any(|key| line.starts_with(key))).collect();
        let text = if mine.is_empty() { "services: {a: {}}" } else { over(&tagged(&mine, "!override")) };
        let merged = project(&workspace().overriding(OVERRIDE, text), &file(&base));
        let alone = format!("{}\n{mine}", rest.join("\n"));
        prop_assert_eq!(merged, project(&workspace(), &file(&alone)));
    }
}
