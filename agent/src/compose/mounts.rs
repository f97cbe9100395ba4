//! `volumes` and `tmpfs` of a service: what is mounted into its containers.
//!
//! Source is immutable to its app: a path of the workspace is mounted read-only, whatever the file says.

use super::keys;
use super::model::{Mount, MountOptions, MountSource, VolumesFrom};
use super::node::{Map, Node, Value};
use super::pairs;
use super::policy::Permission;
use super::problem::{Position, Problem, listed, quoted};
use super::quantity::{self, bytes};
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
        check_options(&mount, item.at, scope)?;
        add(&mut mounts, mount, item.at)?;
    }
    Ok(mounts)
}

/// Options that the mount's kind cannot have are told.
fn check_options(mount: &Mount, at: Position, scope: &mut Scope<'_>) -> Result<(), Problem> {
    use MountSource::{Anonymous, Host, Tmpfs, Volume, Workspace};
    let options = &mount.options;
    if options.selinux.is_some() && options.non_recursive {
        return Err(Problem::at(at, "`selinux` and `recursive: disabled` exclude each other"));
    }
    let is_path = matches!(mount.source, Workspace(_) | Host(_));
    let is_volume = matches!(mount.source, Volume(_) | Anonymous);
    for (given, fits, what, whose) in [
        (options.propagation.is_some(), is_path, "`propagation`", "a path"),
        (options.non_recursive, is_path, "`recursive`", "a path"),
        (
            options.selinux.is_some(),
            !matches!(mount.source, Anonymous | Tmpfs),
            "`selinux`",
            "a path or a named volume",
        ),
        (options.no_copy, is_volume, "`nocopy`", "a volume"),
        (!options.labels.is_empty(), mount.source == Anonymous, "`labels`", "a volume without a name"),
        (!options.tmpfs.is_empty(), mount.source == Tmpfs, "`tmpfs`", "a mount of that type"),
    ] {
        if given && !fits {
            let target = quoted(&mount.target);
            scope.warn(at, format!("the mount at {target}: {what} has no effect: it is for {whose}"));
        }
    }
    Ok(())
}

/// `tmpfs` of a service, added to its other mounts.
pub(super) fn tmpfs(node: &Node, mounts: &mut Vec<Mount>) -> Result<(), Problem> {
    for (text, at) in node.texts("`tmpfs`")? {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        let tmpfs = tmpfs_options(options, at)?;
        let options = MountOptions { tmpfs, ..MountOptions::default() };
        let mount =
            Mount { target: target(path, at)?, source: MountSource::Tmpfs, read_only: false, options };
        add(mounts, mount, at)?;
    }
    Ok(())
}

/// What mount(8) takes for a tmpfs.
fn tmpfs_options(options: &str, at: Position) -> Result<Vec<String>, Problem> {
    const FLAGS: [&str; 16] = [
        "ro",
        "rw",
        "exec",
        "noexec",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "sync",
        "async",
        "dirsync",
        "atime",
        "noatime",
        "nodiratime",
        "relatime",
        "strictatime",
    ];
    const VALUES: [&str; 6] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"];
    let mut read = Vec::new();
    for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let known = match option.split_once('=') {
            Some((name, value)) => {
                VALUES.contains(&name) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'%')
            }
            None => FLAGS.contains(&option),
        };
        if !known {
            return Err(Problem::at(at, format!("`tmpfs`: {} is no option of a tmpfs", quoted(option)))
                .hint("such as `size=64m` or `mode=1770`"));
        }
        read.push(option.to_owned());
    }
    Ok(read)
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
    let (read_only, options) = read_mode(mode, text, at, scope)?;
    let target = target(path, at)?;
    match source {
        None => Ok(Mount { target, source: MountSource::Anonymous, read_only, options }),
        Some("") => Err(no_volume(text, at, "its source is empty")),
        Some(source) if is_path(source) => bind(source, target, read_only, options, at, scope),
        Some(name) => Ok(Mount { target, source: named(name, at, volumes)?, read_only, options }),
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
    let options = options(map, scope)?;
    match (kind.text("`type`")?, source) {
        ("bind", Some((source, at))) => bind(source, target, read_only, options, at, scope),
        ("bind", None) => Err(Problem::at(at, "a volume of type `bind` needs a `source`")),
        ("volume", Some((name, at))) => {
            Ok(Mount { target, source: named(name, at, volumes)?, read_only, options })
        }
        ("volume", None) => Ok(Mount { target, source: MountSource::Anonymous, read_only, options }),
        ("tmpfs", None) => Ok(Mount { target, source: MountSource::Tmpfs, read_only, options }),
        ("tmpfs", Some((_, at))) => Err(Problem::at(at, "a volume of type `tmpfs` has no `source`")),
        (other, _) => {
            Err(Problem::at(kind.at, format!("volumes of type {} are not supported", quoted(other)))
                .hint("`type` is `bind`, `volume` or `tmpfs`"))
        }
    }
}

/// What the long form says under `bind`, `volume`, `tmpfs` and `consistency`.
fn options(map: &Map, scope: &Scope<'_>) -> Result<MountOptions, Problem> {
    let mut options = MountOptions::default();
    let within = |key: &str| map.given(key).map(|node| node.map(&quoted(key))).transpose();
    if let Some(node) = map.given("consistency") {
        let text = node.text("`consistency`")?;
        if !matches!(text, "" | "default" | "consistent" | "cached" | "delegated") {
            return Err(Problem::at(node.at, format!("`consistency`: {} is none", quoted(text))));
        }
        options.consistency = Some(text.to_owned()).filter(|text| !text.is_empty());
    }
    if let Some(bind) = within("bind")? {
        if let Some(node) = bind.given("create_host_path") {
            // A path that is not there is an error in any case.
            node.boolean("`create_host_path`")?;
        }
        if let Some(node) = bind.given("propagation") {
            options.propagation = propagation(node.text("`propagation`")?, node.at, scope)?;
        }
        if let Some(node) = bind.given("recursive") {
            options.non_recursive = match node.text("`recursive`")? {
                "enabled" => false,
                "disabled" => true,
                other => {
                    let message = format!("`recursive`: {} is not supported", quoted(other));
                    return Err(Problem::at(node.at, message).hint("write `enabled` or `disabled`"));
                }
            };
        }
        if let Some(node) = bind.given("selinux") {
            options.selinux = match node.text("`selinux`")? {
                "" => None,
                "z" => Some('z'),
                "Z" => Some('Z'),
                _ => return Err(Problem::at(node.at, "`selinux` is `z` or `Z`")),
            };
        }
    }
    if let Some(volume) = within("volume")? {
        options.no_copy =
            volume.given("nocopy").map(|node| node.boolean("`nocopy`")).transpose()?.unwrap_or(false);
        let labels = volume.given("labels").map(|node| pairs::read(node, "`labels`")).transpose()?;
        options.labels = labels.unwrap_or_default();
    }
    if let Some(tmpfs) = within("tmpfs")? {
        if let Some(node) = tmpfs.given("size") {
            options.tmpfs.push(format!("size={}", bytes(node, "`size`")?));
        }
        if let Some(node) = tmpfs.given("mode") {
            options.tmpfs.push(format!("mode={:o}", quantity::mode(node, "`mode`")?));
        }
    }
    Ok(options)
}

/// Mounts that travel between host and container are for paths of the host.
fn propagation(text: &str, at: Position, scope: &Scope<'_>) -> Result<Option<String>, Problem> {
    match text {
        "" => Ok(None),
        "private" | "rprivate" => Ok(Some(text.to_owned())),
        "shared" | "rshared" | "slave" | "rslave" => {
            let what = format!("the mount propagation {}", quoted(text));
            scope.require(Permission::HostPaths, at, &what, "remove it")?;
            Ok(Some(text.to_owned()))
        }
        _ => Err(Problem::at(at, format!("{} is no mount propagation", quoted(text)))),
    }
}

/// Whether the mode asks for read-only, and the rest of what it says.
fn read_mode(
    mode: &str,
    text: &str,
    at: Position,
    scope: &Scope<'_>,
) -> Result<(bool, MountOptions), Problem> {
    let (mut read_only, mut options) = (false, MountOptions::default());
    for option in mode.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" => {}
            "z" => options.selinux = Some('z'),
            "Z" => options.selinux = Some('Z'),
            "cached" | "delegated" | "consistent" => options.consistency = Some(option.to_owned()),
            "nocopy" => options.no_copy = true,
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                options.propagation = propagation(option, at, scope)?;
            }
            _ => return Err(no_volume(text, at, &format!("{} is no mount option", quoted(option)))),
        }
    }
    Ok((read_only, options))
}

fn bind(
    source: &str,
    target: String,
    read_only: bool,
    options: MountOptions,
    at: Position,
    scope: &mut Scope<'_>,
) -> Result<Mount, Problem> {
    let Place::Workspace(path) = place(source, scope.input.workspace) else {
        let host = on_host(source, at, "`volumes`", scope)?;
        return Ok(Mount { target, source: MountSource::Host(host), read_only, options });
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
    Ok(Mount { target, source: MountSource::Workspace(path), read_only: true, options })
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

/// `volumes_from`: the mounts of other services, as `name`, `name:ro` or `name:rw`.
pub(super) fn volumes_from(
    service: &Map,
    scope: &Scope<'_>,
) -> Result<Vec<(VolumesFrom, Position)>, Problem> {
    let Some(node) = service.given("volumes_from") else { return Ok(Vec::new()) };
    let mut read = Vec::new();
    for item in node.list("`volumes_from`")? {
        let text = item.non_empty_text("an entry of `volumes_from`")?;
        if text.starts_with("container:") {
            let what = format!("`volumes_from`: {}", quoted(text));
            scope.require(Permission::HostPaths, item.at, &what, "name a service of the workspace")?;
            return Err(Problem::at(item.at, format!("{what} is not supported")).hint("name a service"));
        }
        let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
        let read_only = match mode {
            "ro" => true,
            "rw" => false,
            _ => return Err(Problem::at(item.at, format!("`volumes_from`: {} is no mode", quoted(mode)))),
        };
        read.push((VolumesFrom { service: name.to_owned(), read_only }, item.at));
    }
    Ok(read)
}
