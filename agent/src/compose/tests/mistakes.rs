//! Each mistake, with the position and the words in which a user reads it.

use super::Workspace;

/// The whole text of the error and its hint, `docker-compose.yml:` left away.
fn whole(text: &str, expected: &str) {
    let error = Workspace::new().file("Dockerfile", "").file("web/x", "").error(text);
    assert_eq!(error, format!("docker-compose.yml:{expected}"), "{text}");
}

/// As [`whole`], for lines of a service that start in line 4, column 5.
fn service(lines: &str, expected: &str) {
    let error = Workspace::new().file("Dockerfile", "").file("web/x", "").service_error(lines);
    assert_eq!(error, format!("docker-compose.yml:{expected}"), "{lines}");
}

#[test]
fn yaml_s_syntax() {
    whole(
        "services:\n  a:\n   image: x\n  image: y\n b: 1\n",
        "5:2: invalid YAML: while parsing a block mapping, did not find expected key",
    );
    whole("services: [a, b\n", "2:1: invalid YAML: while parsing a flow sequence, expected ',' or ']'");
    whole(
        "services:\n\ta: 1\n",
        "2:2: invalid YAML: tabs disallowed within this context (block indentation)",
    );
    whole("a: *nobody\n", "1:4: invalid YAML: while parsing node, found unknown anchor");
    whole("a: 'x\n", "1:4: invalid YAML: while scanning a quoted scalar, found unexpected end of stream");
    whole("a: 1\nb: 2\na: 3\n", "3:1: `a` is given twice\nhint: it is already given on line 1");
    whole("a: {b: 1, 'b': 2}\n", "1:11: `b` is given twice\nhint: it is already given on line 1");
    whole(
        "a: !rset x\n",
        "1:4: the YAML tag `!rset` is not supported\nhint: Compose's own are `!reset` and `!override`",
    );
    whole("a: !!binary x\n", "1:4: the YAML tag `binary` has no meaning here");
    whole(
        "? [a]\n: b\n",
        "1:3: a key must be text, not a list or a mapping\nhint: put quotes around text that starts with `[` or `{`",
    );
    whole("a:\n  <<: x\n", "2:3: `<<` merges a mapping or a list of mappings, such as `<<: *name`");
    whole("", " the file is empty\nhint: a compose file has at least `services:`");
    whole("# nothing\n", " the file is empty\nhint: a compose file has at least `services:`");
}

#[test]
fn the_top_level() {
    whole("just text\n", "1:1: a compose file must be a mapping, not text");
    whole("version: '3'\n", " there are no services\nhint: a compose file has at least `services:`");
    whole("services:\n", " there are no services\nhint: a compose file has at least `services:`");
    whole("services: {}\n", "1:11: there are no services");
    whole("services: [a]\n", "1:11: `services` must be a mapping, not a list");
    whole(
        "service: {a: {image: x}}\n",
        "1:1: top level: unknown key `service`\nhint: did you mean `services`?",
    );
    whole(
        "version: '1'\nweb:\n  image: x\n",
        "2:1: `web` stands at the top level\nhint: services belong under `services:`",
    );
    let services = "services: {a: {image: x}}\n";
    let after = |text: &str, expected: &str| whole(&format!("{services}{text}"), expected);
    after("volume: {}\n", "2:1: top level: unknown key `volume`\nhint: did you mean `volumes`?");
    after(
        "banana: {}\n",
        "2:1: top level: unknown key `banana`\nhint: known here: `version`, `name`, `services`, `networks`, `volumes`, \
         `configs`, `secrets`, `include`, `models`",
    );
    after(
        "x-cloudyknight: {frsh: true}\n",
        "2:18: `x-cloudyknight`: unknown key `frsh`\nhint: did you mean `fresh`?",
    );
    after("x-cloudyknight: {fresh: 3}\n", "2:25: `fresh` must be true or false, not `3`");
    after("x-cloudyknight: true\n", "2:17: `x-cloudyknight` must be a mapping, not text");
}

#[test]
fn services() {
    whole(
        "services: {'a b': {image: x}}\n",
        "1:12: `a b` is no name for a service\nhint: up to 63 letters, digits, `_`, `.` and `-`, the first one a letter or digit",
    );
    whole("services:\n  a: x\n", "2:6: service `a` must be a mapping, not text");
    whole("services:\n  a:\n", "2:3: service `a` must be a mapping, not nothing");
    whole(
        "services:\n  a: {init: true}\n",
        "2:3: service `a` has neither `image` nor `build`\nhint: name an image, such as `workspace-node-ephemeral:latest`",
    );
    whole(
        "services:\n  a: {image: x, profiles: [p]}\n",
        " every service is left out, because no profile of it is active\nhint: remove `profiles`, or name the active ones \
         in `.env`: `COMPOSE_PROFILES=…`",
    );
    service(
        "enviroment: {}",
        "4:5: service `a`: unknown key `enviroment`\nhint: did you mean `environment`?",
    );
    service("port: [80]", "4:5: service `a`: unknown key `port`\nhint: did you mean `ports`?");
    service(
        "frobnicate: 1",
        "4:5: service `a`: unknown key `frobnicate`\nhint: Compose knows no such key; keys of your own start with `x-`",
    );
    service(
        "x-cloudyknight: {fresh: true}",
        "4:22: service `a`: `x-cloudyknight`: `fresh` belongs at the top level",
    );
    service(
        "security_opt: ['seccomp:./p.json']",
        "4:20: `security_opt`: `seccomp:./p.json` is not supported\nhint: `no-new-privileges:true` is",
    );
    service(
        "network_mode: 'service:b'",
        "4:19: `depends_on`: there is no service `b`\nhint: did you mean `a`? services: `a`",
    );
    service("network_mode: custom", "4:19: `network_mode: custom` is not supported\nhint: remove it");
    service(
        "container_name: x1\nscale: 2",
        "4:21: service `a`: 2 containers cannot bear one `container_name`\nhint: remove `container_name`",
    );
    service(
        "ports: ['8080:80']\nscale: 2",
        "4:13: service `a`: 2 containers cannot publish one port of the host\nhint: publish the target only: `- 80`, or \
         leave HTTP to the router",
    );
    service(
        "mem_limit: lots",
        "4:16: `mem_limit` must be a size such as `512m`, not `lots`\nhint: bytes, or a number with `k`, `m` or `g`",
    );
    service("ulimits: {nofile: {soft: 2, hard: 1}}", "4:23: `ulimits`: `nofile`: `soft` is above `hard`");
    service(
        "tmpfs: '/run:size=1m,bind'",
        "4:12: `tmpfs`: `bind` is no option of a tmpfs\nhint: such as `size=64m` or `mode=1770`",
    );
    service(
        "extra_hosts: ['db']",
        "4:19: `extra_hosts`: `db` is no host\nhint: write `name: 192.0.2.1`, or `name: host-gateway`",
    );
    service(
        "secrets: [s]",
        "4:15: the secret `s` is not declared\nhint: declare it under `secrets:` at the top level; declared there: none",
    );
    service(
        "cpus: 1\ndeploy: {resources: {limits: {cpus: 2}}}",
        "5:41: `cpus` below `deploy` and `cpus` of the service say different things\nhint: keep one of them",
    );
    service(
        "scale: 0",
        "4:12: service `a`: a service without any container is not supported\nhint: remove the service, or give it a profile",
    );
    service(
        "deploy: {replicas: 0}",
        "4:24: service `a`: a service without any container is not supported\nhint: remove the service, or give it a profile",
    );
    service(
        "container_name: -x",
        "4:21: `-x` is no name for a container\nhint: at least two letters, digits, `_`, `.` or `-`, the first one a letter or digit",
    );
    service(
        "restart: never",
        "4:14: `never` is no restart policy\nhint: it is `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:5`",
    );
    service("working_dir: app", "4:18: `working_dir`: `app` is no absolute path");
    service(
        "stop_grace_period: 10",
        "4:24: `stop_grace_period`: `10` is no duration: a unit is missing: write `10s` for seconds",
    );
    service("stop_signal: kill -9", "4:18: `kill -9` is no signal\nhint: write `SIGINT`, for example");
    service("init: maybe", "4:11: `init` must be true or false, not `maybe`");
    service("user: [x]", "4:11: `user` must be text, not a list");
    service("command: {a: b}", "4:14: `command` must be text or a list of texts, not a mapping");
    service("command: 'say \"x'", "4:14: `command`: a quote (\") is opened and never closed");
    whole(
        "services:\n  a:\n    image: My App\n",
        "3:12: `My App` is no name for an image\nhint: write `name:tag` or `registry.example/name:tag`",
    );
    whole(
        "services:\n  a:\n    image: MyApp\n",
        "3:12: `MyApp` is no name for an image\nhint: the names of images are in lower case",
    );
    whole("services:\n  a:\n    image: ''\n", "3:12: `image` is empty");
}

#[test]
fn environment_and_labels() {
    service("environment: x", "4:18: `environment` must be a mapping or a list of `name=value`, not text");
    service("environment: {A: [1]}", "4:22: `environment`: `A` must be text, not a list");
    let no_name =
        "has no name, or a name with blanks or `=` in it\nhint: write `name: value`, or `- name=value`";
    service("environment:\n  - A=1\n  - B C=secret", &format!("6:9: an entry of `environment` {no_name}"));
    service("labels: [=x]", &format!("4:14: an entry of `labels` {no_name}"));
    service("environment: [A: 1]", "4:19: an entry of `environment` must be text, not a mapping");
    service(
        "env_file: gone.env",
        "4:15: `env_file`: `gone.env` does not exist in the workspace\nhint: upload it, or write `{path: …, required: false}`",
    );
    service("env_file: web", "4:15: `env_file`: `web` cannot be read as a small text file");
    service("env_file: [{paht: x}]", "4:17: `env_file`: unknown key `paht`\nhint: did you mean `path`?");
}

#[test]
fn files_of_variables_have_positions_of_their_own() {
    let workspace = Workspace::new().file("conf/a.env", "A=1\n\nB C=secret\n");
    assert_eq!(
        workspace.service_error("env_file: conf/a.env"),
        "conf/a.env:3:1: `KEY=value` is expected here"
    );
    let workspace = Workspace::new().file(".env", "A='secret\n");
    assert_eq!(workspace.service_error(""), ".env:1:1: a quote (') is opened here and never closed");
    let error =
        Workspace::new().file("e", "A=${").parse("services: {web: {image: x, env_file: e}}").unwrap_err();
    assert_eq!(error.service.as_deref(), Some("web"));
}

#[test]
fn interpolation() {
    let dollar = "\nhint: a `$` that starts no variable is written `$$`";
    service("user: '${A'", &format!("4:11: `${{` without its closing `}}`{dollar}"));
    service(
        "labels:\n  - a=${A:x}",
        &format!(
            "5:9: `${{A:x}}` is no variable: write `${{NAME}}`, `${{NAME:-default}}`, `${{NAME:?message}}` or \
         `${{NAME:+replacement}}`{dollar}"
        ),
    );
    let required =
        "the variable `DB` is required: put it into .env\nhint: set it in the file `.env` of the workspace";
    service("environment:\n  URL: x\n  DB: ${DB:?put it into .env}", &format!("6:11: {required}"));
}

#[test]
fn a_message_of_one_s_own_stays_on_its_line() {
    let error = Workspace::new().service_error("user: \"${DB:?a\\nb\\e[2J}\"");
    assert!(
        error.starts_with("docker-compose.yml:4:11: the variable `DB` is required: a\\nb\\u{1b}[2J\n"),
        "{error}"
    );
}

#[test]
fn ports() {
    let forms = "\nhint: write `80`, `8080:80`, `127.0.0.1:8080:80` or `8080:80/udp`";
    service("ports: 80", "4:12: `ports` must be a list, not text");
    service(
        "ports:\n  - 8080:80\n  - x:80",
        &format!("6:9: `x:80` is no port to publish: `x` is no port number{forms}"),
    );
    service(
        "ports: ['80-81:80-82']",
        &format!(
            "4:13: `80-81:80-82` is no port to publish: the two ranges are not of the same length{forms}"
        ),
    );
    service("ports: [{published: 80}]", "4:13: a port without its `target`");
    service("ports: [{target: http}]", "4:13: `http` is no port number");
    service("ports: [{target: 80, mode: x}]", "4:32: `mode` is `host` or `ingress`");
    service("expose: [http]", "4:14: `http` is no port to expose\nhint: write `3000` or `3000-3005`");
    whole(
        "services:\n  a: {image: x, ports: ['8080:80']}\n  b: {image: x, ports: ['127.0.0.1:8080:81']}\n",
        "3:25: port 8080 of the host is already published by service `a`",
    );
    whole(
        "services:\n  a: {image: x, container_name: web}\n  b: {image: x, container_name: web}\n",
        "3:33: the container name `web` is already that of service `a`",
    );
}

#[test]
fn volumes() {
    let text = |line: &str| {
        format!("services:\n  a:\n    image: x\n    volumes: [{line}]\nvolumes: {{data: , cache: }}\n")
    };
    let check = |line: &str, expected: &str| whole(&text(line), expected);
    let forms = "\nhint: write `/target`, `name:/target` or `./source:/target:ro`";
    check(
        "dta:/x",
        "4:15: the volume `dta` is not declared\nhint: declare it under `volumes:` at the top level; declared there: `cache`, `data`",
    );
    check(
        "x/y:/x",
        "4:15: the volume `x/y` is not declared\nhint: a path of the workspace starts with `./`: `./x/y`",
    );
    check(
        "'./gone:/x:ro'",
        "4:15: `./gone` does not exist in the workspace\nhint: upload it, or use a named volume for data",
    );
    check(
        "'data:x'",
        "4:15: `x` is no place to mount something at\nhint: it is an absolute path in the container, such as `/data`",
    );
    check(
        "'data:/x/../..'",
        "4:15: `/x/../..` is no place to mount something at\nhint: it is an absolute path in the container, such as `/data`",
    );
    check("'data:/x:rx'", &format!("4:15: `data:/x:rx` is no volume: `rx` is no mount option{forms}"));
    check("'a:b:c:d'", &format!("4:15: `a:b:c:d` is no volume: it has too few or too many parts{forms}"));
    check("':/x'", &format!("4:15: `:/x` is no volume: its source is empty{forms}"));
    check("'data:/x', 'cache:/x/'", "4:26: something else is already mounted at `/x`");
    check("{type: volume, source: data}", "4:15: a volume without its `target`");
    check(
        "{source: data, target: /x}",
        "4:15: a volume without its `type`\nhint: `type` is `bind`, `volume` or `tmpfs`",
    );
    check(
        "{type: npipe, source: a, target: /x}",
        "4:22: volumes of type `npipe` are not supported\nhint: `type` is `bind`, `volume` or `tmpfs`",
    );
    check("{type: bind, target: /x}", "4:15: a volume of type `bind` needs a `source`");
    check(
        "{type: volume, source: data, target: /x, volume: {subpath: y}}",
        "4:65: a volume's `volume`: `subpath` is not supported\nhint: it needs a newer engine; mount the whole volume",
    );
    service("volumes: x", "4:14: `volumes` must be a list, not text");
    let declared = |line: &str, expected: &str| {
        whole(&format!("services: {{a: {{image: x}}}}\nvolumes: {{v: {line}}}\n"), expected)
    };
    declared("{drivr: x}", "2:15: volume `v`: unknown key `drivr`\nhint: did you mean `driver`?");
    declared("x", "2:14: volume `v` must be a mapping, not text");
}

#[test]
fn networks() {
    service(
        "networks: [back]",
        "4:16: the network `back` is not declared\nhint: declare it under `networks:` at the top level; declared there: `default`",
    );
    service("networks: {default: {aliases: [a b]}}", "4:36: `a b` is no name for a container in a network");
    service("networks: x", "4:15: `networks` must be a list or a mapping, not text");
    let declared = |line: &str, expected: &str| {
        whole(&format!("services: {{a: {{image: x}}}}\nnetworks: {{n: {line}}}\n"), expected)
    };
    declared("{internal: x}", "2:26: `internal` must be true or false, not `x`");
    declared("{extrenal: true}", "2:16: network `n`: unknown key `extrenal`\nhint: did you mean `external`?");
}

#[test]
fn dependencies() {
    let check = |lines: &str, expected: &str| whole(&format!("services:\n{lines}"), expected);
    check(
        "  web: {image: x, depends_on: [dv]}\n  db: {image: x}\n",
        "2:32: `depends_on`: there is no service `dv`\nhint: did you mean `db`? services: `db`, `web`",
    );
    check(
        "  web: {image: x, depends_on: {queue: {condition: service_healthy}}}\n",
        "2:32: `depends_on`: there is no service `queue`\nhint: services: `web`",
    );
    check(
        "  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n  c: {image: x, links: [a]}\n",
        "4:25: `depends_on` goes in a circle: `a` → `b` → `c` → `a`\nhint: remove one of these dependencies",
    );
    check(
        "  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [b]}\n",
        "3:30: `depends_on` goes in a circle: `b` → `b`\nhint: remove one of these dependencies",
    );
    check(
        "  a: {image: x, depends_on: [b]}\n  b: {image: x, profiles: [p]}\n",
        "2:30: `depends_on`: the service `b` is left out, because no profile of it is active\nhint: name one in `.env` \
         (`COMPOSE_PROFILES=…`), remove `profiles` from `b`, or write `required: false`",
    );
    check(
        "  a: {image: x, depends_on: {b: {condition: service_healthy}}}\n  b: {image: x, healthcheck: {disable: true}}\n",
        "2:30: `depends_on`: `b` can never be healthy: its healthcheck is disabled",
    );
    check(
        "  a: {image: x, depends_on: {b: {condition: ready}}}\n  b: {image: x}\n",
        "2:45: `ready` is no condition\nhint: it is `service_started`, `service_healthy` or `service_completed_successfully`",
    );
}

#[test]
fn healthchecks() {
    let hint = "\nhint: write `[CMD, program, argument]`, `[CMD-SHELL, \"command line\"]` or `[NONE]`";
    service(
        "healthcheck: {test: [curl, x]}",
        &format!("4:26: `test` starts with `CMD`, `CMD-SHELL` or `NONE`, not with `curl`{hint}"),
    );
    service("healthcheck: {test: [CMD]}", &format!("4:26: `test` has too few or too many words{hint}"));
    service(
        "healthcheck: {test: x, interval: 30}",
        "4:38: `interval`: `30` is no duration: a unit is missing: write `30s` for seconds",
    );
    service(
        "healthcheck: {test: x, timeout: 1d}",
        "4:37: `timeout`: `1d` is no duration: a number and a unit (`us`, `ms`, `s`, `m` or `h`) are expected, such as `1m30s`",
    );
    service("healthcheck: {test: x, retries: many}", "4:37: `retries` must be a whole number, not `many`");
    service(
        "healthcheck: {tests: x}",
        "4:19: `healthcheck`: unknown key `tests`\nhint: did you mean `test`?",
    );
}

#[test]
fn builds() {
    let check =
        |build: &str, expected: &str| whole(&format!("services:\n  a:\n    build: {build}\n"), expected);
    check("./gone", "3:12: the build context `./gone` does not exist in the workspace");
    check(
        "web",
        "3:12: the Dockerfile `web/Dockerfile` does not exist in the workspace\nhint: upload it, or say where it is with `context` and `dockerfile`",
    );
    check(
        "{context: ., dockerfile: D}",
        "3:37: the Dockerfile `D` does not exist in the workspace\nhint: upload it, or say where it is with `context` and `dockerfile`",
    );
    check(
        "{context: web, dockerfile: ../Dockerfile}",
        "3:39: the Dockerfile `../Dockerfile` lies outside of its build context\nhint: move it into the context, or make the context larger",
    );
    check(
        "https://git.example/x.git",
        "3:12: building from `https://git.example/x.git` is not supported\nhint: upload the source, and build from a path of the workspace",
    );
    check(
        "{dockerfile_inline: FROM x, dockerfile: web/x}",
        "3:52: `build`: `dockerfile` and `dockerfile_inline` exclude each other",
    );
    check("{contxt: .}", "3:13: `build`: unknown key `contxt`\nhint: did you mean `context`?");
}

#[test]
fn a_mistake_in_an_anchor_is_shown_where_it_stands() {
    whole(
        "x-a: &a\n  init: maybe\nservices:\n  web:\n    <<: *a\n    image: x\n",
        "2:9: `init` must be true or false, not `maybe`",
    );
}

#[test]
fn watch_rules() {
    let rule = |rule: &str, expected: &str| service(&format!("develop: {{watch: [{rule}]}}"), expected);
    rule("{action: sync, target: /a}", "4:23: an entry of `watch` without its `path`");
    rule("{path: web, target: /a}", "4:23: an entry of `watch` without its `action`");
    rule(
        "{path: web, action: copy}",
        "4:43: `copy` is no action of `watch`\n\
         hint: it is one of `rebuild`, `restart`, `sync`, `sync+restart`, `sync+exec`",
    );
    rule("{path: web, action: sync}", "4:23: an entry of `watch` without its `target`");
    rule("{path: web, action: sync+exec, target: /a}", "4:23: an entry of `watch` without its `exec`");
    for (target, why) in [
        ("srv", "is no absolute path"),
        ("/", "is the whole container"),
        ("/./", "is the whole container"),
        ("/a/../etc", "is no plain path"),
        ("/proc/1/root", "belongs to the kernel"),
        ("/dev", "belongs to the kernel"),
    ] {
        rule(
            &format!("{{path: web, action: sync, target: {target}}}"),
            &format!(
                "4:57: `watch`: the `target` `{target}` {why}\n\
                 hint: name a folder of the container by its absolute path, such as `/app/src`"
            ),
        );
    }
    rule("{path: web, action: rebuild, ignore: ['[a']}", "4:61: `watch`: `ignore`: `[a` is no pattern");
    let error = Workspace::new().service_error("develop: {watch: [{path: ../other/x, action: rebuild}]}");
    assert!(error.contains("other"), "{error}");
}
