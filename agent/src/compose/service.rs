//! One service of a compose file: every key read, or told why not.

use super::build::build;
use super::depends_on::{Dependencies, depends_on};
use super::environment::{environment, labels};
use super::healthcheck::{healthcheck, read_duration};
use super::isolation::isolation;
use super::keys;
use super::model::{Condition, Healthcheck, ImageSource, Namespace, Restart, Service};
use super::mounts::{mounts, tmpfs};
use super::networks::{Joined, Networks};
use super::node::{Entry, Map, Node, Value};
use super::ports::{self, Placed};
use super::problem::{Position, Problem, quoted};
use super::scope::Scope;
use super::volumes::{Volumes, is_name};
use super::words;

/// A service on its own; what concerns several services is still open.
pub(super) struct Read {
    pub service: Service,
    pub depends_on: Dependencies,
    pub joined: Joined,
    pub ports: Vec<Placed>,
    /// Where its own name for the container stands.
    pub container_name_at: Option<Position>,
}

pub(super) fn read(
    name: &str,
    entry: &Entry,
    networks: &Networks,
    volumes: &Volumes,
    scope: &mut Scope<'_>,
) -> Result<Read, Problem> {
    let place = format!("service {}", quoted(name));
    let map = entry.value.map(&place)?;
    keys::check(map, keys::SERVICE, &place, scope)?;
    if let Some(own) = map.entries.iter().find(|entry| entry.key == keys::CLOUDYKNIGHT) {
        return Err(Problem::at(
            own.key_at,
            format!("{place}: `{}` belongs at the top level", keys::CLOUDYKNIGHT),
        ));
    }
    warn_about_scale(map, &place, scope)?;
    let isolation = isolation(map, scope)?;
    let on_host = isolation.host_namespaces.contains(&Namespace::Network);
    let joined = match map.given("networks") {
        Some(node) if on_host => {
            return Err(Problem::at(
                node.at,
                format!("{place}: `networks` and `network_mode: host` exclude each other"),
            ));
        }
        _ if on_host => Joined::default(),
        node => networks.join(node, entry.key_at, scope)?,
    };
    let mut mounts =
        map.given("volumes").map(|node| mounts(node, volumes, scope)).transpose()?.unwrap_or_default();
    if let Some(node) = map.given("tmpfs") {
        tmpfs(node, &mut mounts, scope)?;
    }
    let ports = map.given("ports").map(|node| ports::published(node, scope)).transpose()?.unwrap_or_default();
    let text = |key: &str| map.given(key).map(|node| node.text(&quoted(key)).map(str::to_owned)).transpose();
    let service = Service {
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
        external_networks: Vec::new(),
        depends_on: Default::default(),
        healthcheck: map
            .given("healthcheck")
            .map(|node| healthcheck(node, scope))
            .transpose()?
            .unwrap_or(Healthcheck::Inherit),
        restart: map.given("restart").map(restart).transpose()?.unwrap_or(Restart::Unset),
        working_dir: map.given("working_dir").map(working_dir).transpose()?,
        user: text("user")?.filter(|user| !user.is_empty()),
        init: map.given("init").map(|node| node.boolean("`init`")).transpose()?,
        stop_grace_period: map
            .given("stop_grace_period")
            .map(|node| read_duration(node, "stop_grace_period"))
            .transpose()?,
        stop_signal: map.given("stop_signal").map(signal).transpose()?,
        isolation,
    };
    let container_name_at = map.given("container_name").map(|node| node.at);
    Ok(Read { service, depends_on: depends_on(map, scope)?, joined, ports, container_name_at })
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
            Ok(ImageSource::Build(build))
        }
        (None, Some((image, _))) => Ok(ImageSource::Image(image)),
        (None, None) => Err(Problem::at(at, format!("{place} has neither `image` nor `build`"))
            .hint("name an image, such as `workspace-node-ephemeral:latest`")),
    }
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
fn command(node: &Node, key: &str, scope: &mut Scope<'_>) -> Result<Vec<String>, Problem> {
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

/// How many containers a service has is not chosen yet: there is one. None at all would be something else.
fn warn_about_scale(map: &Map, place: &str, scope: &mut Scope<'_>) -> Result<(), Problem> {
    let none = |node: &Node| {
        Problem::at(node.at, format!("{place}: a service without any container is not supported yet"))
            .hint("remove the service, or give it a profile")
    };
    if let Some(node) = map.given("scale") {
        match node.number("`scale`")? {
            0 => return Err(none(node)),
            1 => {}
            _ => scope.warn(node.at, format!("{place}: `scale` has no effect yet: one container runs")),
        }
    }
    if let Some(node) = map.given("deploy").filter(|node| !node.is_trivial()) {
        let deploy = node.map("`deploy`")?;
        if let Some(replicas) = deploy.given("replicas")
            && replicas.number("`replicas`")? == 0
        {
            return Err(none(replicas));
        }
        let only_one = |entry: &Entry| {
            entry.key == "replicas" && matches!(&entry.value.value, Value::Text(n) if n == "1")
        };
        if !deploy.entries.iter().all(only_one) {
            let at =
                map.entries.iter().find(|entry| entry.key == "deploy").map_or(node.at, |entry| entry.key_at);
            scope.warn(at, format!("{place}: `deploy` has no effect yet"));
        }
    }
    Ok(())
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
        for wrong in ["", "false", "never", "always:3", "on-failure:x", "on-failure:-1"] {
            check(wrong, None);
        }
    }
}
