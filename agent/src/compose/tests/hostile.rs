//! Whatever stands in a compose file, reading it ends: without a panic, within bounds, with a project or an error.

use proptest::prelude::*;
use proptest::sample::select;

use super::Workspace;

/// Uses nearly every key that is read; starting point of the mutations.
const EVERYTHING: &str = "\
version: '3.8'
name: x
x-a: &a {restart: always, labels: [\"a=b\"]}
x-cloudyknight: {fresh: true}
services:
  web: &web
    <<: *a
    build: {context: ., dockerfile: Dockerfile, args: [A=1, B], target: t}
    command: sh -c \"echo $$A ${A:-b} ${NOPE-${A:+c}}\"
    entrypoint: [\"a\", b]
    environment: {PORT: 3000, K: , L: ~, M: \"x\\ny\"}
    env_file: [.env, {path: other.env, required: false}]
    ports: [\"127.0.0.1:8080:80/udp\", 3000-3005, {target: 80, published: \"9000\"}]
    expose: [80, 81-82]
    volumes: ['.:/workspace:ro', 'v:/v', /anonymous, {type: tmpfs, target: /t}]
    networks: {default: {aliases: [w]}}
    depends_on: {db: {condition: service_healthy, required: true}}
    healthcheck: {test: [CMD, x], interval: 1m30s, timeout: 5s, retries: 3, start_period: 1s}
    stop_grace_period: 10s
    user: '1000'
    init: true
  db:
    image: postgres:16
    healthcheck:
      test: |
        pg_isready
        # and more
    command: >-
      postgres
      -c x=y
    deploy: {replicas: 2}
    ulimits: {nofile: 1}
networks:
  n: {external: true, name: proxy}
volumes:
  v: {driver: local, driver_opts: {type: tmpfs}}
";

fn workspace() -> Workspace {
    Workspace::new()
        .file(".env", "A=1\nB=\"x$A\n\"\n")
        .file("Dockerfile", "FROM scratch")
        .variable("OPERATOR", "value")
}

/// Pieces that mean something to YAML, Compose or the readers.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "services",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "<<: *a",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "#",
        " #c",
        "!!str ",
        "!x ",
        "? ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\r\n",
        "\r",
        "\0",
        "\u{feff}",
        "é",
        "\u{2028}",
        "$A",
        "${A",
        "}",
        "${A:-",
        "$$",
        "image: x",
        "image",
        "volumes",
        "ports",
        "80:80",
        "1-65535",
        "/",
        "..",
        "~",
        "C:\\",
        "docker.sock",
        "null",
        "true",
        "1e3",
        "-",
        "0x1f",
        "=",
        "@",
        "`",
        "\\",
        "\\\n",
        "healthcheck",
        "test",
        "99999999999h",
    ];
    prop_oneof![
        8 => select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "\\PC{0,12}",
    ]
}

/// As [`piece`], and what makes files meet each other.
fn joining_piece() -> impl Strategy<Value = String> {
    let words = [
        "\n    ports: !reset []",
        "\n    ports: !override ['8080:80']",
        "\n    environment: [A=1, B]",
        "\n    environment: {A: !reset , B: 2}",
        "\n    build: ../x",
        "\n    depends_on: [web, db]",
        "\n    networks: [n, default]",
        "\n    extends: {file: other.yml, service: web}",
        "\n    extends: {file: ../docker-compose.yml, service: db}",
        "\n    extends: web",
        "\n    env_file: [../.env, {path: e, format: raw, required: false}]",
        "\n    extra_hosts: {a: [1, 2], b: !override 3}",
        "\n    logging: {driver: x}",
        "\n    profiles: [a]",
        "\n  db: {image: y}",
        "\ninclude: [other.yml, {path: [../docker-compose.yml], env_file: e}]",
        "\nservices: !reset {}",
        "\n---\n",
        "!reset ",
        "!override ",
    ];
    prop_oneof![3 => select(words.to_vec()).prop_map(str::to_owned), 1 => piece()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_to_an_end(text in any::<String>()) {
        let _ = workspace().parse(&text);
    }

    #[test]
    fn pieces_of_compose_files_are_read_to_an_end(pieces in prop::collection::vec(piece(), 0..60)) {
        let _ = workspace().parse(&pieces.concat());
        let _ = workspace().parse(&format!("services:\n  a:\n    image: x\n    {}", pieces.concat()));
    }

    #[test]
    fn several_files_of_pieces_are_read_to_an_end(
        main in prop::collection::vec(piece(), 0..20),
        over in prop::collection::vec(joining_piece(), 0..20),
        other in prop::collection::vec(joining_piece(), 0..20),
    ) {
        let file = |pieces: Vec<String>| -> &'static str {
            format!("services:\n  web:\n    image: x\n    {}\n", pieces.concat()).leak()
        };
        let workspace = workspace()
            .overriding("docker-compose.override.yml", file(over))
            .file("sub/other.yml", file(other));
        let _ = workspace.parse(&format!("include: [sub/other.yml]\n{}", file(main)));
        let _ = workspace.parse(EVERYTHING);
    }

    #[test]
    fn mutated_files_are_read_to_an_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, piece()), 1..6),
    ) {
        let mut text: Vec<char> = EVERYTHING.chars().collect();
        for (at, removed, piece) in changes {
            let start = at.index(text.len() + 1).min(text.len());
            let end = (start + removed).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = workspace().parse(&text) {
            // YAML takes a lone CR for the end of a line, too; and the end of the file may be a line of its own.
            let lines = text.split(['\n', '\r']).count() + 1;
            prop_assert!(error.position.is_none_or(|(line, column)| line <= lines && column > 0), "{error}\n{text}");
            prop_assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn env_files_are_read_to_an_end(pieces in prop::collection::vec(piece(), 0..40)) {
        let text: &'static str = pieces.concat().leak();
        let workspace = workspace().file(".env", text).file("e", text);
        let _ = workspace.parse("services: {a: {image: x, env_file: e}}");
    }
}

#[test]
fn the_file_that_is_mutated_has_no_mistake() {
    let parsed = workspace().parse(EVERYTHING).unwrap();
    assert_eq!(parsed.project.services.len(), 2);
}

fn fails(text: &str, expected: &str) {
    let error = workspace().parse(text).expect_err("too much").to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn aliases_that_expand_without_end_are_refused() {
    let mut bomb = "x-0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..30 {
        let below = format!("*x{}", level - 1);
        bomb += &format!("x-{level}: &x{level} [{}]\n", [below.as_str(); 9].join(", "));
    }
    fails(&format!("{bomb}services: {{a: {{image: x}}}}"), "once its aliases are expanded");

    let mut merged = "x-0: &x0 {a0: 1, b0: 1}\n".to_owned();
    for level in 1..2000 {
        let below = level - 1;
        merged += &format!("x-{level}: &x{level} {{<<: *x{below}, k{level}: 1}}\n");
    }
    fails(&merged, "once its aliases are expanded");

    let wide = format!("x: &x \"{}\"\ny: [{}]\n", "y".repeat(100_000), "*x, ".repeat(1000));
    fails(&wide, "once its aliases are expanded");

    let tower: String = (1..100).map(|n| format!("x-{n}: &x{n} [[[[*x{}]]]]\n", n - 1)).collect();
    fails(&format!("x-0: &x0 []\n{tower}"), "levels deep");
    fails("x-a: &a [*a]", "an alias stands inside of what it stands for");
    fails("x-a: &a {b: &b [*a, *b]}", "an alias stands inside of what it stands for");
}

#[test]
fn anchors_inside_of_anchors_are_counted_too() {
    let text: String =
        (0..30).map(|n| format!("&a{n} [")).collect::<String>() + &"x, ".repeat(20_000) + &"]".repeat(30);
    fails(&format!("x-a: {text}"), "once its aliases are expanded");
}

#[test]
fn nesting_has_an_end() {
    for (open, count) in [("[", 500_000), ("{a: ", 200_000), ("- ", 400_000), ("&a [", 200_000)] {
        fails(&open.repeat(count), "levels deep");
    }
    fails(&"? ".repeat(400_000), "a key must be text");
    let block: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    fails(&block, "levels deep");
}

#[test]
fn large_files_are_refused() {
    fails(&"#".repeat((1 << 20) + 1), "the file is larger than");
    let many: String = (0..101).map(|n| format!("  s{n}: {{image: x}}\n")).collect();
    fails(&format!("services:\n{many}"), ":102:3: more than 100 services");
    let ports: String = (0..2000).map(|n| format!("'{}:80', ", n + 2000)).collect();
    fails(&format!("services: {{a: {{image: x, ports: [{ports}]}}}}"), "more than 1024 published ports");
    fails(
        &format!("services: {{a: {{image: x, expose: [{}]}}}}", "1-1000, ".repeat(90_000)),
        "more than 1024 exposed ports",
    );
    let mounts: String = (0..40_000).map(|n| format!("/v{n}, ")).collect();
    fails(&format!("services: {{a: {{image: x, volumes: [{mounts}]}}}}"), "more than 100 volumes");
}

#[test]
fn variables_that_expand_without_end_are_refused() {
    let large: &'static str = format!("BIG={}", "x".repeat(500_000)).leak();
    let error = Workspace::new().file(".env", large).error(&format!("x: [{}]", "\"$BIG$BIG\", ".repeat(100)));
    assert!(
        error.ends_with(":1:89: the variables of this workspace expand to more text than is allowed"),
        "{error}"
    );
    // Looked up without being written, it costs nothing.
    let text = format!("services: {{a: {{image: x}}}}\nx-b: '{}'", "${BIG:+}".repeat(100_000));
    assert!(Workspace::new().file(".env", large).parse(&text).is_ok());
    let files: &'static str = "A=1\n".repeat(200_000).leak();
    let error = Workspace::new().file("e", files).service_error(&format!("env_file: [{}]", "e, ".repeat(30)));
    assert_eq!(error, "e: the files of variables are too large, all together");
}

#[test]
fn large_files_are_merged_in_bounded_time() {
    let wide = |from: usize| -> &'static str {
        let lines: String = (from..from + 12_000).map(|n| format!("  v{n}: \n")).collect();
        format!("services: {{a: {{image: x}}}}\nvolumes:\n{lines}").leak()
    };
    let workspace = Workspace::new().file("i.yml", wide(0)).overriding("o.yml", wide(6_000));
    assert!(workspace.parse(&format!("include: [i.yml]\n{}", wide(12_000))).is_ok());
    let hosts = |tag: &str| -> &'static str {
        let lines: String = (0..20_000).map(|n| format!("h{n}: {tag}1, ")).collect();
        format!("services: {{a: {{image: x, x-hosts: 1, extra_hosts: {{{lines}}}}}}}").leak()
    };
    let _ = Workspace::new().overriding("o.yml", hosts("!override ")).parse(hosts(""));
}

#[test]
fn warnings_have_an_end() {
    let lines: String = (0..150).map(|n| format!("  n{n}: {{name: x}}\n")).collect();
    let parsed =
        Workspace::new().parse(&format!("services: {{a: {{image: x}}}}\nnetworks:\n{lines}")).unwrap();
    assert_eq!(parsed.warnings.len(), 101);
    assert_eq!(parsed.warnings[100].message, "and 50 more warnings");
}

#[test]
fn a_control_character_is_an_error_and_not_an_end() {
    let check = |text: &str, expected: &str| {
        assert_eq!(workspace().error(text), format!("docker-compose.yml:{expected}"))
    };
    check(
        "services:\n  a:\n    image: x\n\0x: {privileged: true}",
        "4:1: invalid YAML: control character '\\0'",
    );
    check("a: \u{1b}[2J", "1:4: invalid YAML: control character '\\u{1b}'");
    check("a: \"\\0\"", "1:4: a text of a compose file cannot hold a NUL character");
    let bom = "\u{feff}services: {a: {image: x}}";
    assert_eq!(workspace().project(bom).services.len(), 1);
    let windows = "services:\r\n  a:\r\n    image: x\r\n";
    assert_eq!(workspace().project(windows).services.len(), 1);
}
