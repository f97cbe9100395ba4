//! What each element of a compose file comes to: samples, each with the place in what Docker is asked (or in what the
//! platform keeps for itself) where it shows. The same sample without the element must show something else there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde_json::{Value, json};

use super::Workspace;
use super::elements::{effect, paths, setting};
use crate::compose::keys::Effect;
use crate::compose::model::{ImageSource, Project, Service, Then, WatchAction, WatchRule};
use crate::deploy::container::{Around, container};
use crate::deploy::{images, names};
use crate::engine::{BuildNetwork, requests};
use crate::firewall::bridge::Kind;
use crate::hardening;
use crate::identity::Slot;
use crate::runtime::Contract;

/// `agent/tests/fixtures/README.md` says how it is written.
const SAMPLES: &str = include_str!("../../../tests/fixtures/compose-requests.json");
const PLATFORM: &str = "p";

fn workspace() -> Workspace {
    Workspace::new()
        .file("Dockerfile", "FROM x\n")
        .file("web/Dockerfile", "FROM x\n")
        .file("web/Other", "FROM x\n")
        .file("a.env", "A=b\nQ='q'\n")
        .file("note.txt", "note")
        .file("src/a.js", "a")
        .file("base.yaml", "services: {base: {image: 'inherited'}, service: {image: 'other'}}\n")
        .file(
            "more.yaml",
            "services: {more: {image: 'image-${A:-unset}', volumes: ['./a.js:/a.js']}}\nnetworks: {}\n",
        )
        .file("a.js", "a")
        .file("f.txt", "f")
        .variable("TOKEN", "t")
}

fn all_allowed() -> Workspace {
    workspace().policy(super::elements::ALL_ALLOWED)
}

/// Everything that a file leads to, as JSON; or what is wrong with it.
fn outcome(workspace: &Workspace, document: &Value) -> Result<Value, String> {
    let parsed = workspace.parse(&document.to_string()).map_err(|error| error.to_string())?;
    let mut all = asked(&parsed.project);
    let warnings: Vec<String> = parsed.warnings.into_iter().map(|warning| warning.message).collect();
    all["warnings"] = json!(warnings);
    Ok(all)
}

fn asked(project: &Project) -> Value {
    let networks = project.services.values().flat_map(|service| service.networks.keys());
    let networks: BTreeMap<&String, Value> = networks
        .map(|network| {
            let name = names::network(PLATFORM, project, network, Slot::FIRST);
            let kind = if names::is_internal(project, network) { Kind::Internal } else { Kind::Open };
            let request = requests::network_request(&name, kind, "10.0.0.0/27", "ck", HashMap::new());
            (network, json!(request))
        })
        .collect();
    let volumes: BTreeMap<&String, Value> = project
        .volumes
        .iter()
        .map(|(name, volume)| {
            let docker_name = names::volume(PLATFORM, &project.workspace, name, Some(volume));
            let request = requests::volume_request(&docker_name, volume, HashMap::new());
            (name, if volume.external.is_some() { json!({ "there": docker_name }) } else { json!(request) })
        })
        .collect();
    let services: BTreeMap<&String, Value> =
        project.services.iter().map(|(name, service)| (name, asked_for(project, name, service))).collect();
    json!({ "services": services, "networks": networks, "volumes": volumes })
}

fn asked_for(project: &Project, name: &str, service: &Service) -> Value {
    let mut definition = service.clone();
    definition.isolation = hardening::isolation(&service.isolation, &Contract::default());
    definition.resources = hardening::resources(&service.resources, (2 << 30, 8 << 30), 2048);
    let id = |service: &String| format!("id-of-{service}");
    let shared = service.isolation.shared.iter().map(|(namespace, other)| (*namespace, id(other)));
    let spec = container(
        &definition,
        Around {
            name: names::container(project, name),
            image: "image".to_owned(),
            labels: HashMap::new(),
            platform: PLATFORM,
            workspace: &project.workspace,
            volumes: &project.volumes,
            source: Path::new("/source"),
            files: Path::new("/files"),
            networks: names::memberships(PLATFORM, project, name, Slot::FIRST),
            shared: shared.collect(),
            volumes_from: service
                .volumes_from
                .iter()
                .map(|from| (id(&from.service), from.read_only))
                .collect(),
            port: None,
        },
    );
    let image = match &service.image {
        ImageSource::Image(name) => json!(name),
        ImageSource::Build(build) => {
            let network = BuildNetwork("builds".to_owned());
            let spec = images::build_spec("tag", build, service, &network, 1 << 30);
            let options = requests::build_options(&spec, &spec.labels);
            json!({ "context": build.context, "inline": build.inline, "asked": options })
        }
    };
    json!({
        "name": spec.name,
        "image": image,
        "create": requests::body(&spec),
        "networks": spec.networks,
        "joins": names::external_memberships(project, name),
        "restart": requests::restart_policy(service.restart),
        "waits": service.depends_on,
        "files": service.surroundings.files,
        "listens": service.expose,
        "pull": service.pull,
        "platform": service.platform,
        "containers": service.replicas,
        "strategy": service.strategy,
        "grace": service.stop_grace_period.map(|grace| grace.as_secs()),
        "post_start": service.post_start.iter().map(requests::exec).collect::<Vec<_>>(),
        "pre_stop": service.pre_stop.iter().map(requests::exec).collect::<Vec<_>>(),
        "watch": service.watch.iter().map(watched).collect::<Vec<_>>(),
    })
}

fn watched(rule: &WatchRule) -> Value {
    let exec = match &rule.action {
        WatchAction::Sync { then: Then::Exec(hook), .. } => Some(requests::exec(hook)),
        _ => None,
    };
    json!({ "rule": rule, "exec": exec })
}

/// Takes every occurrence of an element away. Answers whether there was one.
fn remove(node: &mut Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match node {
        Value::Object(map) if *first == "*" => {
            map.values_mut().map(|below| usize::from(remove(below, rest))).sum::<usize>() > 0
        }
        Value::Array(items) if *first == "[]" => {
            items.iter_mut().map(|below| usize::from(remove(below, rest))).sum::<usize>() > 0
        }
        Value::Object(map) if rest.is_empty() => map.remove(*first).is_some(),
        Value::Object(map) => map.get_mut(*first).is_some_and(|below| remove(below, rest)),
        _ => false,
    }
}

fn without(document: &Value, path: &str) -> Option<Value> {
    let mut less = document.clone();
    let parts: Vec<&str> = path.split('.').collect();
    remove(&mut less, &parts).then_some(less)
}

/// Where the value of an element of a pretty-printed document stands: its first and last line.
fn lines(document: &Value, path: &str) -> (usize, usize) {
    let text = |document: &Value| serde_json::to_string_pretty(document).expect("plain data");
    let (with, less) = (text(document), text(&without(document, path).expect("the element is there")));
    let (with, less): (Vec<&str>, Vec<&str>) = (with.lines().collect(), less.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a.trim_end_matches(',') == b.trim_end_matches(',');
    let before = with.iter().zip(&less).take_while(same).count();
    let after = with.iter().rev().zip(less.iter().rev()).take_while(same).count();
    (before + 1, with.len() - after)
}

fn list(samples: &Value, kind: &str) -> Vec<Value> {
    samples[kind].as_array().unwrap_or_else(|| panic!("{kind}")).clone()
}

#[test]
fn every_supported_element_and_every_one_that_policy_allows_reaches_docker_or_what_the_platform_does() {
    let samples: Value = serde_json::from_str(SAMPLES).expect("the samples are JSON");
    let mut shown: BTreeSet<String> = BTreeSet::new();
    let mut wrong: Vec<String> = Vec::new();
    for sample in list(&samples, "reaches") {
        let document = &sample["file"];
        let workspace = if sample["allowed"] == true { all_allowed() } else { workspace() };
        let whole = match outcome(&workspace, document) {
            Ok(whole) => whole,
            Err(error) => {
                wrong.push(format!("{error}\n  in {document}"));
                continue;
            }
        };
        for (element, places) in sample["shows"].as_object().expect("shows") {
            let Some(less) = without(document, element) else {
                wrong.push(format!("{element} is not in {document}"));
                continue;
            };
            let less = outcome(&workspace, &less);
            for (pointer, expected) in places.as_object().expect("places") {
                let found = whole.pointer(pointer).unwrap_or(&Value::Null);
                if found != expected {
                    wrong.push(format!("{element}: at {pointer} is {found}, not {expected}"));
                }
                if let Ok(less) = &less
                    && less.pointer(pointer).unwrap_or(&Value::Null) == found
                {
                    wrong.push(format!("{element}: at {pointer} is {found} also without it"));
                }
            }
            if places.as_object().is_none_or(|places| places.is_empty()) {
                wrong.push(format!("{element}: no place is named"));
            }
            shown.insert(element.clone());
        }
    }
    // What means nothing in Compose either says so in the table.
    for element in list(&samples, "nothing") {
        let element = element.as_str().expect("a path").to_owned();
        if !matches!(effect(&element), Effect::Partly(note) if note.contains("nothing")) {
            wrong.push(format!("{element}: the table does not say that it means nothing"));
        }
        shown.insert(element);
    }
    for element in paths() {
        let supported = !matches!(effect(&element), Effect::Ignored(_) | Effect::Unsupported(_));
        if supported != shown.contains(&element) {
            wrong.push(format!("{element}: {}", if supported { "no sample" } else { "a sample too many" }));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_element_that_is_not_supported_and_every_one_that_policy_refuses_is_told_with_its_line() {
    let samples: Value = serde_json::from_str(super::elements::SAMPLES).expect("the samples are JSON");
    let mut wrong: Vec<String> = Vec::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let samples_of = |kind: &str| samples[kind].as_object().expect("samples").iter();
    for (element, document) in samples_of("warned").chain(samples_of("refused")).chain(samples_of("policy")) {
        let text = serde_json::to_string_pretty(document).expect("plain data");
        let (first, last) = lines(document, element);
        let key = element.rsplit('.').next().unwrap_or_default();
        let workspace = if setting(element).is_some() { workspace() } else { all_allowed() };
        let (line, message) = match workspace.parse(&text) {
            Ok(parsed) => {
                let about = parsed.warnings.into_iter().find(|one| one.message.contains(&format!("`{key}`")));
                about.map_or((None, String::new()), |one| (one.line, one.message))
            }
            Err(error) => {
                let hint = error.hint.clone().unwrap_or_default();
                if let Some(setting) = setting(element) {
                    if !error.policy || !hint.contains(&format!("allow `{setting}`")) {
                        wrong.push(format!("{element}: {error} ({hint})"));
                    }
                    if let Err(error) = all_allowed().parse(&text) {
                        wrong.push(format!("{element}: though it is allowed: {error}"));
                    }
                }
                (error.position.map(|(line, _)| line), error.message)
            }
        };
        match line {
            // What an external network is refused for is that a service joins it.
            _ if element == "networks.*.external" && line.is_some() => {}
            Some(line) if (first..=last).contains(&line) => {}
            _ => wrong.push(format!("{element}: line {line:?}, not {first} to {last}: {message}")),
        }
        told.insert(element);
    }
    for element in paths() {
        let above = |path: &str| told.iter().any(|one| path == *one || path.starts_with(&format!("{one}.")));
        let silent = match effect(&element) {
            Effect::Ignored(_)
            | Effect::Unsupported(_)
            | Effect::Allowed(_)
            | Effect::AllowedPartly(..)
            | Effect::AllowedByName(..) => !above(&element),
            Effect::Read | Effect::Partly(_) => false,
        };
        if silent {
            wrong.push(format!("{element}: no sample"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
