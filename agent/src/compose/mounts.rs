//! `volumes` and `tmpfs` of a service: what is mounted into its containers.
//!
//! Source is immutable to its app: a path of the workspace is mounted read-only, whatever the file says.

use super::keys;
use super::model::{Mount, MountSource};
use super::node::{Map, Node, Value};
use super::problem::{Position, Problem, listed, quoted};
use super::scope::Scope;
use super::volumes::Volumes;
use super::workspace_path::{Place, is_path, is_windows, on_host, place};

/// Of one service.
const MAX_MOUNTS: usize = 100;

pub(super) fn mounts(node: &Node, volumes: &Volumes, scope: &mut Scope<'_>) -> Result<Vec<Mount>, Problem> {
    let mut mounts: Vec<Mount> = Vec::new();
    for item in node.list("`volumes`")? {
        let mount = match &item.value {
            Value::Text(text) => short(text, item.at, volumes, scope)?,
            Value::Map(map) => long(map, item.at, volumes, scope)?,
            _ => return Err(item.not("a volume", "text or a mapping")),
        };
        add(&mut mounts, mount, item.at)?;
    }
    Ok(mounts)
}

/// `tmpfs` of a service, added to its other mounts.
pub(super) fn tmpfs(node: &Node, mounts: &mut Vec<Mount>, scope: &mut Scope<'_>) -> Result<(), Problem> {
    for (text, at) in node.texts("`tmpfs`")? {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        if !options.is_empty() {
            scope.warn(at, format!("`tmpfs`: the options {} have no effect yet", quoted(options)));
        }
        add(mounts, Mount { target: target(path, at)?, source: MountSource::Tmpfs, read_only: false }, at)?;
    }
    Ok(())
}

fn add(mounts: &mut Vec<Mount>, mount: Mount, at: Position) -> Result<(), Problem> {
    if mounts.iter().any(|other| other.target == mount.target) {
        return Err(Problem::at(
            at,
            format!("something else is already mounted at {}", quoted(&mount.target)),
        ));
    }
    if mounts.len() == MAX_MOUNTS {
        return Err(Problem::at(at, format!("more than {MAX_MOUNTS} volumes")));
    }
    mounts.push(mount);
    Ok(())
}

/// `[source:]target[:mode]`
fn short(text: &str, at: Position, volumes: &Volumes, scope: &mut Scope<'_>) -> Result<Mount, Problem> {
    // The colon of `C:\` separates nothing.
    let drive = if is_windows(text) { 2 } else { 0 };
    let parts: Vec<&str> = text[drive..].split(':').collect();
    let source_end = drive + parts[0].len();
    let (source, path, mode) = match parts.as_slice() {
        [path] if drive == 0 => (None, *path, ""),
        [_, path] => (Some(&text[..source_end]), *path, ""),
        [_, path, mode] => (Some(&text[..source_end]), *path, *mode),
        _ => return Err(no_volume(text, at, "it has too few or too many parts")),
    };
    let read_only = read_mode(mode, text, at, scope)?;
    let target = target(path, at)?;
    match source {
        None => Ok(Mount { target, source: MountSource::Anonymous, read_only }),
        Some("") => Err(no_volume(text, at, "its source is empty")),
        Some(source) if is_path(source) => bind(source, target, read_only, at, scope),
        Some(name) => Ok(Mount { target, source: named(name, at, volumes)?, read_only }),
    }
}

fn long(map: &Map, at: Position, volumes: &Volumes, scope: &mut Scope<'_>) -> Result<Mount, Problem> {
    keys::check(map, keys::MOUNT, "a volume", scope)?;
    for (key, known) in
        [("bind", keys::MOUNT_BIND), ("volume", keys::MOUNT_VOLUME), ("tmpfs", keys::MOUNT_TMPFS)]
    {
        if let Some(options) = map.given(key) {
            keys::check(options.map(&quoted(key))?, known, &format!("a volume's {}", quoted(key)), scope)?;
        }
    }
    let path = map.given("target").ok_or_else(|| Problem::at(at, "a volume without its `target`"))?;
    let target = target(path.text("`target`")?, path.at)?;
    let read_only =
        map.given("read_only").map(|node| node.boolean("`read_only`")).transpose()?.unwrap_or(false);
    let source =
        map.given("source").map(|node| Ok((node.non_empty_text("`source`")?, node.at))).transpose()?;
    let kind = map.given("type").ok_or_else(|| {
        Problem::at(at, "a volume without its `type`").hint("`type` is `bind`, `volume` or `tmpfs`")
    })?;
    match (kind.text("`type`")?, source) {
        ("bind", Some((source, at))) => bind(source, target, read_only, at, scope),
        ("bind", None) => Err(Problem::at(at, "a volume of type `bind` needs a `source`")),
        ("volume", Some((name, at))) => Ok(Mount { target, source: named(name, at, volumes)?, read_only }),
        ("volume", None) => Ok(Mount { target, source: MountSource::Anonymous, read_only }),
        ("tmpfs", None) => Ok(Mount { target, source: MountSource::Tmpfs, read_only }),
        ("tmpfs", Some((_, at))) => Err(Problem::at(at, "a volume of type `tmpfs` has no `source`")),
        (other, _) => {
            Err(Problem::at(kind.at, format!("volumes of type {} are not supported", quoted(other)))
                .hint("`type` is `bind`, `volume` or `tmpfs`"))
        }
    }
}

/// Whether the mode asks for read-only. SELinux labels and caching hints change nothing that a service sees.
fn read_mode(mode: &str, text: &str, at: Position, scope: &mut Scope<'_>) -> Result<bool, Problem> {
    let mut read_only = false;
    for option in mode.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            "nocopy" | "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "U" => {
                scope.warn(at, format!("the mount option `{option}` has no effect yet"));
            }
            _ => return Err(no_volume(text, at, &format!("{} is no mount option", quoted(option)))),
        }
    }
    Ok(read_only)
}

fn bind(
    source: &str,
    target: String,
    read_only: bool,
    at: Position,
    scope: &mut Scope<'_>,
) -> Result<Mount, Problem> {
    let Place::Workspace(path) = place(source, scope.input.workspace) else {
        let host = on_host(source, at, "`volumes`", scope)?;
        return Ok(Mount { target, source: MountSource::Host(host), read_only });
    };
    if !read_only {
        scope.warn(
            at,
            format!(
                "{} is mounted read-only: nothing in a container writes to the workspace; \
                 add `:ro`, and use a named volume for data",
                quoted(source)
            ),
        );
    }
    if !path.is_empty() && !(scope.input.paths)(&path) {
        return Err(Problem::at(at, format!("{} does not exist in the workspace", quoted(source)))
            .hint("upload it, or use a named volume for data"));
    }
    Ok(Mount { target, source: MountSource::Workspace(path), read_only: true })
}

fn named(name: &str, at: Position, volumes: &Volumes) -> Result<MountSource, Problem> {
    if volumes.contains(name) {
        return Ok(MountSource::Volume(name.to_owned()));
    }
    let message = format!("the volume {} is not declared", quoted(name));
    let hint = if name.contains('/') {
        format!("a path of the workspace starts with `./`: {}", quoted(&format!("./{name}")))
    } else {
        format!("declare it under `volumes:` at the top level; declared there: {}", listed(volumes.names()))
    };
    Err(Problem::at(at, message).hint(hint))
}

/// An absolute path in the container, in its plainest form.
fn target(path: &str, at: Position) -> Result<String, Problem> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if !path.starts_with('/') || parts.is_empty() || parts.contains(&"..") {
        return Err(Problem::at(at, format!("{} is no place to mount something at", quoted(path)))
            .hint("it is an absolute path in the container, such as `/data`"));
    }
    Ok(format!("/{}", parts.join("/")))
}

fn no_volume(text: &str, at: Position, why: &str) -> Problem {
    Problem::at(at, format!("{} is no volume: {why}", quoted(text)))
        .hint("write `/target`, `name:/target` or `./source:/target:ro`")
}
