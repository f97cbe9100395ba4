//! One service of a compose file: every key read, or told why not.

use std::time::Duration;

use super::build::build;
use super::depends_on::{Dependencies, STARTED, depends_on, link_aliases};
use super::develop;
use super::duration;
use super::environment::{environment, labels};
use super::healthcheck::{healthcheck, read_duration};
use super::hooks::hooks;
use super::isolation::isolation;
use super::keys;
use super::model::{
    Condition, Healthcheck, ImageSource, Mount, MountOptions, MountSource, Namespace, PullPolicy, Restart,
    Service, VolumesFrom,
};
use super::mounts::{mounts, tmpfs, volumes_from};
use super::networks::{Joined, Networks};
use super::node::{Entry, Map, Node, Value};
use super::policy::Permission;
use super::ports::{self, Placed};
use super::problem::{Position, Problem, quoted};
use super::resources::resources;
use super::scaling::{Deploy, deploy};
use super::scope::Scope;
use super::secrets;
use super::strategy;
use super::surroundings::surroundings;
use super::volumes::{Volumes, is_name};
use super::words;
use crate::deploy::images;

/// A service on its own; what concerns several services is still open.
pub(super) struct Read {
    pub service: Service,
    pub depends_on: Dependencies,
    pub joined: Joined,
    pub ports: Vec<Placed>,
    /// Where its own name for the container stands.
    pub container_name_at: Option<Position>,
    /// By which names it knows other services: service and alias.
    pub link_aliases: Vec<(String, String, Position)>,
}

/// What a compose file declares at its top level, for its services to use.
pub(super) struct Declared {
    pub networks: Networks,
    pub volumes: Volumes,
    pub secrets: secrets::Declared,
    pub configs: secrets::Declared,
}

pub(super) fn read(
    name: &str,
    entry: &Entry,
    declared: &Declared,
    scope: &mut Scope<'_>,
) -> Result<Read, Problem> {
    let place = format!("service {}", quoted(name));
    let map = entry.value.map(&place)?;
    keys::check(map, keys::SERVICE, &place, scope)?;
    let strategy = strategy::of_service(map, &place, scope)?;
    let Deploy { replicas, restart: restart_policy, strategy: in_deploy } = deploy(map, &place, scope)?;
    let isolation = isolation(map, scope)?;
    let elsewhere = isolation.host_namespaces.contains(&Namespace::Network)
        || isolation.shared.contains_key(&Namespace::Network)
        || isolation.no_network;
    let mode = map.given("network_mode").and_then(|node| node.text("").ok()).unwrap_or_default();
    let joined = match map.given("networks") {
        Some(node) if elsewhere => {
            return Err(Problem::at(
                node.at,
                format!("{place}: `networks` and `network_mode: {mode}` exclude each other"),
            ));
        }
        _ if elsewhere => Joined::default(),
        node => declared.networks.join(node, entry.key_at, scope)?,
    };
    let mut mounts = map
        .given("volumes")
        .map(|node| mounts(node, &declared.volumes, scope))
        .transpose()?
        .unwrap_or_default();
    if let Some(node) = map.given("tmpfs") {
        tmpfs(node, &mut mounts)?;
    }
    mounts.extend(api_socket(map, scope)?);
    let ports = map.given("ports").map(|node| ports::published(node, scope)).transpose()?.unwrap_or_default();
    if let (Some(node), true) = (map.given("ports"), mode == "none" || mode.starts_with("service:")) {
        return Err(Problem::at(
            node.at,
            format!("{place}: `ports` and `network_mode: {mode}` exclude each other"),
        ));
    }
    let mut surroundings = surroundings(map, &place, scope)?;
    declared.secrets.add_to(map, &mut surroundings.files, scope)?;
    declared.configs.add_to(map, &mut surroundings.files, scope)?;
    if let Some(node) = map.given("hostname")
        && (mode.starts_with("service:") || mode == "host")
    {
        let message = format!("{place}: `hostname` and `network_mode: {mode}` exclude each other");
        return Err(Problem::at(node.at, message));
    }
    if let Some(node) = map.given("container_name")
        && replicas > 1
    {
        return Err(Problem::at(
            node.at,
            format!("{place}: {replicas} containers cannot bear one `container_name`"),
        )
        .hint("remove `container_name`"));
    }
    if let Some((_, at)) = ports.iter().find(|(port, _)| port.published.is_some())
        && replicas > 1
    {
        return Err(Problem::at(
            *at,
            format!("{place}: {replicas} containers cannot publish one port of the host"),
        )
        .hint("publish the target only: `- 80`, or leave HTTP to the router"));
    }
    let mut depends_on = depends_on(map, scope)?;
    // Whose namespace or mounts it uses must be there first.
    for (namespace, other) in &isolation.shared {
        let at = match namespace {
            Namespace::Network => map.given("network_mode"),
            Namespace::Pid => map.given("pid"),
            _ => map.given("ipc"),
        };
        depends_on.entry(other.clone()).or_insert((STARTED, at.map_or(entry.key_at, |node| node.at)));
    }
    let borrowed = volumes_from(map, scope)?;
    for (other, at) in &borrowed {
        depends_on.entry(other.service.clone()).or_insert((STARTED, *at));
    }
    if let Some(node) = map.given("pull_refresh_after")
        && !map.given("pull_policy").is_some_and(|policy| policy.value.is_text("refresh"))
    {
        let message = format!("{place}: `pull_refresh_after` has no effect without `pull_policy: refresh`");
        scope.warn(node.at, message);
    }
    let pull = map.given("pull_policy").map(|node| pull_policy(node, map)).transpose()?.unwrap_or_default();
    let text = |key: &str| map.given(key).map(|node| node.text(&quoted(key)).map(str::to_owned)).transpose();
    let service = Service {
        strategy: strategy.or(in_deploy),
        image: image(map, entry.key_at, &place, scope)?,
        container_name: map.given("container_name").map(container_name).transpose()?,
        command: map.given("command").map(|node| command(node, "command", scope)).transpose()?,
        entrypoint: map.given("entrypoint").map(|node| command(node, "entrypoint", scope)).transpose()?,
        environment: environment(map, scope)?,
        labels: labels(map, scope)?,
        ports: ports.iter().map(|(port, _)| port.clone()).collect(),
        expose: map.given("expose").map(|node| ports::exposed(node, scope)).transpose()?.unwrap_or_default(),
        mounts,
        networks: Default::default(),
        external_networks: Default::default(),
        depends_on: Default::default(),
        healthcheck: map
            .given("healthcheck")
            .map(|node| healthcheck(node, scope))
            .transpose()?
            .unwrap_or(Healthcheck::Inherit),
        restart: map.given("restart").map(restart).transpose()?.or(restart_policy).unwrap_or(Restart::Unset),
        working_dir: map.given("working_dir").map(working_dir).transpose()?,
        user: text("user")?.filter(|user| !user.is_empty()),
        init: map.given("init").map(|node| node.boolean("`init`")).transpose()?,
        stop_grace_period: map
            .given("stop_grace_period")
            .map(|node| stop_grace_period(node, &place, scope))
            .transpose()?,
        stop_signal: map.given("stop_signal").map(signal).transpose()?,
        isolation,
        resources: resources(map, scope)?,
        surroundings,
        post_start: hooks(map, "post_start", scope)?,
        pre_stop: hooks(map, "pre_stop", scope)?,
        watch: develop::watch(map, scope)?,
        volumes_from: borrowed.into_iter().map(|(from, _)| from).collect::<Vec<VolumesFrom>>(),
        pull,
        platform: map.given("platform").map(platform).transpose()?,
        replicas,
    };
    let container_name_at = map.given("container_name").map(|node| node.at);
    let link_aliases = link_aliases(map)?;
    Ok(Read { service, depends_on, joined, ports, container_name_at, link_aliases })
}

/// A service that waits until another one is healthy waits for ever if that one is never checked.
pub(super) fn refuse_unchecked(
    waits: &Dependencies,
    on: &str,
    healthcheck: &Healthcheck,
) -> Result<(), Problem> {
    match waits.get(on) {
        Some((depends, at))
            if depends.condition == Condition::Healthy && *healthcheck == Healthcheck::Disabled =>
        {
            Err(Problem::at(
                *at,
                format!("`depends_on`: {} can never be healthy: its healthcheck is disabled", quoted(on)),
            ))
        }
        _ => Ok(()),
    }
}

fn image(map: &Map, at: Position, place: &str, scope: &mut Scope<'_>) -> Result<ImageSource, Problem> {
    let image = map.given("image").map(|node| Ok((image_name(node)?, node.at))).transpose()?;
    if let Some((name, at)) = &image {
        refuse_own(name, *at)?;
    }
    match (map.given("build"), image) {
        (Some(node), image) => {
            let build = build(node, scope)?;
            if let Some((_, at)) = image {
                scope.warn(
                    at,
                    format!(
                        "{place}: `image` has no effect beside `build`: the platform names what it builds"
                    ),
                );
            }
            Ok(ImageSource::Build(Box::new(build)))
        }
        (None, Some((image, _))) => Ok(ImageSource::Image(image)),
        (None, None) => Err(Problem::at(at, format!("{place} has neither `image` nor `build`"))
            .hint("name an image, such as `workspace-node-ephemeral:latest`")),
    }
}

/// What the platform has built or installed for a workspace is that one's alone. Images with other names are known by their
/// labels, once the engine has them.
pub(super) fn refuse_own(name: &str, at: Position) -> Result<(), Problem> {
    let path = name.trim_start_matches("docker.io/").trim_start_matches("library/");
    if !images::MADE.iter().any(|made| path.starts_with(made)) {
        return Ok(());
    }
    let message = format!("{} is refused: it is what the platform made for a workspace", quoted(name));
    Err(Problem::at(at, message)
        .hint("build it here with `build`, or name an image that everybody has")
        .by_policy())
}

/// `[registry/]path[:tag][@digest]`
fn image_name(node: &Node) -> Result<String, Problem> {
    let text = node.non_empty_text("`image`")?;
    let wrong = |hint: &str| {
        Err(Problem::at(node.at, format!("{} is no name for an image", quoted(text))).hint(hint))
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    let name = text.split('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    let parts: Vec<&str> = name.split('/').collect();
    let path = if parts.len() > 1 && parts[0].contains(['.', ':']) { &parts[1..] } else { &parts[..] };
    if !text.chars().all(allowed)
        || text.len() > 512
        || parts.iter().any(|part| !part.starts_with(|c: char| c.is_ascii_alphanumeric()))
    {
        return wrong("write `name:tag` or `registry.example/name:tag`");
    }
    if path.iter().any(|part| part.contains(|c: char| c.is_ascii_uppercase())) {
        return wrong("the names of images are in lower case");
    }
    Ok(text.to_owned())
}

/// Any name that Docker takes; whether it is free on this host only the host knows.
fn container_name(node: &Node) -> Result<String, Problem> {
    let text = node.text("`container_name`")?;
    if is_name(text) && text.len() > 1 {
        Ok(text.to_owned())
    } else {
        Err(Problem::at(node.at, format!("{} is no name for a container", quoted(text)))
            .hint("at least two letters, digits, `_`, `.` or `-`, the first one a letter or digit"))
    }
}

/// A list is taken as it is, text is split as a shell would. Empty, it takes the image's own away.
pub(super) fn command(node: &Node, key: &str, scope: &mut Scope<'_>) -> Result<Vec<String>, Problem> {
    let what = quoted(key);
    let Value::Text(text) = &node.value else {
        return Ok(node.texts(&what)?.into_iter().map(|(word, _)| word.to_owned()).collect());
    };
    let split = words::split(text).map_err(|error| Problem::at(node.at, format!("{what}: {error}")))?;
    if let Some(operator) = split.operator {
        let message = format!(
            "{what}: no shell reads this, so that {} reaches the program as it stands; with a shell it is \
             `sh -c \"…\"`",
            quoted(&operator)
        );
        scope.warn(node.at, message);
    }
    Ok(split.words)
}

fn restart(node: &Node) -> Result<Restart, Problem> {
    let text = node.text("`restart`")?;
    match text.split_once(':').unwrap_or((text, "")) {
        // As if nothing stood there, for Compose as well.
        ("", "") if text.is_empty() => Ok(Restart::Unset),
        ("no", "") => Ok(Restart::No),
        ("always", "") => Ok(Restart::Always),
        ("unless-stopped", "") => Ok(Restart::UnlessStopped),
        ("on-failure", "") => Ok(Restart::OnFailure { max_retries: None }),
        ("on-failure", count) if count.parse::<u32>().is_ok() => {
            Ok(Restart::OnFailure { max_retries: count.parse().ok() })
        }
        _ => Err(Problem::at(node.at, format!("{} is no restart policy", quoted(text)))
            .hint("it is `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:5`")),
    }
}

fn working_dir(node: &Node) -> Result<String, Problem> {
    match node.text("`working_dir`")? {
        text if text.starts_with('/') => Ok(text.to_owned()),
        text => Err(Problem::at(node.at, format!("`working_dir`: {} is no absolute path", quoted(text)))),
    }
}

fn signal(node: &Node) -> Result<String, Problem> {
    let text = node.text("`stop_signal`")?;
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '+' | '-');
    if !text.is_empty() && text.len() <= 16 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(Problem::at(node.at, format!("{} is no signal", quoted(text)))
            .hint("write `SIGINT`, for example"))
    }
}

/// A container that will not end keeps its workspace waiting.
const MAX_GRACE: Duration = Duration::from_secs(600);

fn stop_grace_period(node: &Node, place: &str, scope: &mut Scope<'_>) -> Result<Duration, Problem> {
    let asked = read_duration(node, "stop_grace_period")?;
    if asked > MAX_GRACE {
        scope.warn(
            node.at,
            format!("{place}: `stop_grace_period` is cut to {} min", MAX_GRACE.as_secs() / 60),
        );
    }
    Ok(asked.min(MAX_GRACE))
}

/// `use_api_socket`: the engine's socket, where programs look for it.
fn api_socket(map: &Map, scope: &Scope<'_>) -> Result<Option<Mount>, Problem> {
    const SOCKET: &str = "/var/run/docker.sock";
    let Some(node) = map.given("use_api_socket") else { return Ok(None) };
    if !node.boolean("`use_api_socket`")? {
        return Ok(None);
    }
    scope.require(Permission::DockerSocket, node.at, "`use_api_socket`", "remove it")?;
    let source = MountSource::Host(SOCKET.to_owned());
    let options = MountOptions::default();
    Ok(Some(Mount { target: SOCKET.to_owned(), source, read_only: false, options }))
}

/// `os/architecture`, or `os/architecture/variant`.
fn platform(node: &Node) -> Result<String, Problem> {
    let text = node.non_empty_text("`platform`")?;
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    let parts: Vec<&str> = text.split('/').collect();
    if (2..=3).contains(&parts.len()) && parts.iter().all(|part| fits(part)) {
        Ok(text.to_owned())
    } else {
        Err(Problem::at(node.at, format!("{} is no platform", quoted(text))).hint("such as `linux/amd64`"))
    }
}

/// `pull_policy`, and `pull_refresh_after` for the one of its values that needs it.
fn pull_policy(node: &Node, service: &Map) -> Result<PullPolicy, Problem> {
    const DAY: u64 = 24 * 3600;
    let text = node.text("`pull_policy`")?;
    let wrong = || {
        Problem::at(node.at, format!("{} is no pull policy", quoted(text)))
            .hint("it is `always`, `never`, `missing`, `build`, `daily`, `weekly` or `every_12h`")
    };
    match text {
        "missing" | "if_not_present" => Ok(PullPolicy::Missing),
        "always" => Ok(PullPolicy::Always),
        "never" => Ok(PullPolicy::Never),
        "refresh" => match service.given("pull_refresh_after") {
            Some(after) => Ok(PullPolicy::Every(read_duration(after, "pull_refresh_after")?.as_secs())),
            None => Err(Problem::at(node.at, "`pull_policy: refresh` without `pull_refresh_after`")),
        },
        "daily" => Ok(PullPolicy::Every(DAY)),
        "weekly" => Ok(PullPolicy::Every(7 * DAY)),
        "build" if service.given("build").is_some() => Ok(PullPolicy::Build),
        "build" => Err(Problem::at(node.at, "`pull_policy: build` without `build`")),
        _ => {
            let every = text.strip_prefix("every_").ok_or_else(wrong)?;
            let days =
                every.strip_suffix('d').map(|n| (n, DAY)).or(every.strip_suffix('w').map(|n| (n, 7 * DAY)));
            match days {
                Some((number, unit)) => {
                    let number: u32 = number.parse().map_err(|_| wrong())?;
                    Ok(PullPolicy::Every(u64::from(number) * unit))
                }
                None => Ok(PullPolicy::Every(duration::parse(every).map_err(|_| wrong())?.as_secs())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::text_at(Position { file: Default::default(), line: 1, column: 1 }, text)
    }

    #[test]
    fn image_names_are_those_that_docker_takes() {
        for name in [
            "node",
            "node:20-alpine",
            "workspace-node-ephemeral:latest",
            "bitnami/redis:7.2",
            "localhost:5000/app",
            "Registry.example:443/a/b_c:V1.0",
            "app@sha256:0123456789abcdef",
        ] {
            assert_eq!(image_name(&text(name)).unwrap(), name);
        }
        for name in ["", "a b", "-x", "/x", "a//b", "Node", "a/B:1", "a:$TAG", "../x", "a\n"] {
            assert!(image_name(&text(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn restart_policies_are_read() {
        let check = |written: &str, expected: Option<Restart>| {
            assert_eq!(restart(&text(written)).ok(), expected, "{written}")
        };
        check("no", Some(Restart::No));
        check("always", Some(Restart::Always));
        check("unless-stopped", Some(Restart::UnlessStopped));
        check("on-failure", Some(Restart::OnFailure { max_retries: None }));
        check("on-failure:3", Some(Restart::OnFailure { max_retries: Some(3) }));
        check("", Some(Restart::Unset));
        for wrong in [":3", "false", "never", "always:3", "on-failure:x", "on-failure:-1"] {
            check(wrong, None);
        }
    }
}
