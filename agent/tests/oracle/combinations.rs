//! For keys with several forms: each form merged with each other one, in override files and by `extends`.

use std::collections::BTreeMap;

use super::Case;

/// Forms of a service's keys that 1.29 and 2.x both know, and merge alike.
const FORMS: &[(&str, &[&str])] = &[
    ("command", &["[a, b]", "c d", "''"]),
    ("entrypoint", &["[a, b]", "c d"]),
    ("environment", &["{A: '1', B: '2'}", "[A=3, C=4]", "{A: ''}", "['D=x=y']"]),
    ("labels", &["{a: '1', b: '2'}", "[a=3, c=4]", "{a: ''}"]),
    ("env_file", &["1.env", "[2.env]", "[2.env, 1.env]"]),
    ("volumes", &["['one:/x', '/y']", "['two:/x:ro']", "['./f:/x:ro', 'one:/z']"]),
    ("ports", &["['8080:80']", "['8081:80', '8080:80/udp']", "[3000, '127.0.0.1:9000:9000']"]),
    ("expose", &["['1', '2']", "['2', '3']"]),
    ("tmpfs", &["/t", "[/u]", "[/t, /w]"]),
    ("depends_on", &["[b]", "[c]", "{b: {condition: service_healthy}}"]),
    ("networks", &["[default]", "{n: {aliases: [q]}}", "{n: , default: {aliases: [r]}}"]),
    ("healthcheck", &["{test: [CMD, a], interval: 1s}", "{test: b}", "{retries: 3, timeout: 2s}"]),
    ("build", &[".", "{context: ./d, args: {A: '1', B: '2'}}", "{context: ., args: [A=3], target: t}"]),
    ("user", &["a", "'1000:1000'"]),
    ("restart", &["always", "on-failure:2"]),
    ("cap_drop", &["[A]", "[B, A]"]),
    ("stop_grace_period", &["10s", "1m30s"]),
    ("init", &["true", "false"]),
];

/// `build` needs no image, and its paths start in a folder that `extends` changes nothing about.
fn service(name: &str, key: &str, value: &str, image: bool) -> String {
    let image = if image && key != "build" { "\n    image: x" } else { "" };
    format!("  {name}:{image}\n    {key}: {value}\n")
}

const REST: &str = "  b: {image: x}\n  c: {image: x}\n";
const TOP: &str = "volumes: {one: {}, two: {}}\nnetworks: {n: {}}\n";

fn surroundings() -> BTreeMap<String, String> {
    let files = [
        ("1.env", "E=1\nF=1\n"),
        ("2.env", "F=2\nG=2\n"),
        ("f", ""),
        ("Dockerfile", "FROM scratch\n"),
        ("d/Dockerfile", "FROM scratch\n"),
    ];
    files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect()
}

fn pairs() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    FORMS.iter().flat_map(|(key, forms)| {
        forms.iter().flat_map(move |one| forms.iter().map(move |two| (*key, *one, *two)))
    })
}

pub fn overriding() -> Vec<Case> {
    let case = |(key, one, two): (&str, &str, &str)| {
        let mut files = surroundings();
        let version = "version: '3.9'\n";
        let main = format!("{version}services:\n{}{REST}{TOP}", service("a", key, one, true));
        let over = format!("{version}services:\n{}", service("a", key, two, false));
        files.insert("docker-compose.yml".to_owned(), main);
        files.insert("docker-compose.override.yml".to_owned(), over);
        Case {
            name: format!("{key}: {one} <- {two}"),
            files,
            refused: false,
            differs: differs(key, one, two),
        }
    };
    pairs().map(case).collect()
}

pub fn extending() -> Vec<Case> {
    let case = |(key, one, two): (&str, &str, &str)| {
        let mut files = surroundings();
        let base = service("base", key, one, true);
        let own = format!("{}    extends: {{service: base}}\n", service("a", key, two, false));
        let main = format!("services:\n{base}{own}{REST}{TOP}");
        files.insert("docker-compose.yml".to_owned(), main);
        let mut differs = differs(key, one, two);
        if key == "depends_on" {
            differs.insert(1, "1.29 refuses to extend a service that depends on another one".to_owned());
        }
        Case { name: format!("{key}: {one} <- {two}"), files, refused: false, differs }
    };
    // A service and the one that extends it would publish the same ports.
    pairs().filter(|(key, ..)| *key != "ports").map(case).collect()
}

fn differs(key: &str, one: &str, two: &str) -> BTreeMap<u32, String> {
    let why = match (key, one, two) {
        ("env_file", "1.env", "[2.env, 1.env]") | ("env_file", "[2.env, 1.env]", "[2.env]") => {
            "1.29 reads a file twice that is named twice, and the second time decides"
        }
        ("tmpfs", one, two) if one == two || one.contains("/t") && two.contains("/t") => {
            "1.29 keeps what is named twice, and refuses it later"
        }
        _ => return BTreeMap::new(),
    };
    BTreeMap::from([(1, why.to_owned())])
}
