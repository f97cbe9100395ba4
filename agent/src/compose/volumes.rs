//! The named volumes that a compose file declares at its top level.

use std::collections::BTreeMap;

use super::keys;
use super::model::NamedVolume;
use super::node::{Map, Node, Value};
use super::pairs;
use super::policy::Permission;
use super::problem::{Position, Problem, quoted};
use super::scope::Scope;

#[derive(Default)]
pub(super) struct Volumes(BTreeMap<String, NamedVolume>);

impl Volumes {
    pub fn read(node: Option<&Node>, scope: &mut Scope<'_>) -> Result<Self, Problem> {
        let mut volumes = BTreeMap::new();
        let Some(node) = node else { return Ok(Self(volumes)) };
        for entry in &node.map("`volumes`")?.entries {
            if entry.key.starts_with("x-") {
                continue;
            }
            if !is_name(&entry.key) {
                return Err(Problem::at(
                    entry.key_at,
                    format!("{} is no name for a volume", quoted(&entry.key)),
                )
                .hint("letters, digits, `_`, `.` and `-`, the first one a letter or digit"));
            }
            let volume = if entry.value.is_null() {
                NamedVolume::default()
            } else {
                read(&entry.key, &entry.value, scope)?
            };
            volumes.insert(entry.key.clone(), volume);
        }
        Ok(Self(volumes))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Those that are used.
    pub fn into_used(mut self, used: impl Fn(&str) -> bool) -> BTreeMap<String, NamedVolume> {
        self.0.retain(|name, _| used(name));
        self.0
    }
}

fn read(name: &str, node: &Node, scope: &mut Scope<'_>) -> Result<NamedVolume, Problem> {
    let place = format!("volume {}", quoted(name));
    let map = node.map(&place)?;
    keys::check(map, keys::VOLUME, &place, scope)?;
    if let Some(node) = map.given("external").filter(|node| !node.is_trivial()) {
        without_effect(map, &place, scope);
        return external(name, node, map, scope);
    }
    if let Some(name) = map.given("name") {
        scope.warn(
            name.at,
            format!("{place}: `name` has no effect: the platform keeps the volumes of workspaces apart"),
        );
    }
    let driver =
        map.given("driver").map(|node| node.text("`driver`")).transpose()?.filter(|name| !name.is_empty());
    if let Some(driver) = driver.filter(|name| *name != "local") {
        let what = format!("{place}: the volume driver {}", quoted(driver));
        scope.require(Permission::HostPaths, node.at, &what, "remove `driver`")?;
    }
    let driver_opts = match map.given("driver_opts") {
        Some(options) => {
            let options_read = pairs::read(options, "`driver_opts`")?;
            check_options(&options_read, options.at, &place, scope)?;
            options_read
        }
        None => BTreeMap::new(),
    };
    let labels =
        map.given("labels").map(|node| pairs::read(node, "`labels`")).transpose()?.unwrap_or_default();
    Ok(NamedVolume { driver: driver.map(str::to_owned), driver_opts, labels, external: None })
}

/// What is there already is taken as it is: nothing else that is said of it has an effect.
pub(super) fn without_effect(map: &Map, place: &str, scope: &mut Scope<'_>) {
    let known = |key: &str| matches!(key, "external" | "name") || key.starts_with("x-");
    for entry in map.entries.iter().filter(|entry| !known(&entry.key) && !entry.value.is_trivial()) {
        let message = format!("{place}: {} has no effect beside `external`", quoted(&entry.key));
        scope.warn(entry.key_at, message);
    }
}

/// A volume that exists outside of the platform, under its name in Docker.
fn external(key: &str, node: &Node, map: &Map, scope: &Scope<'_>) -> Result<NamedVolume, Problem> {
    let name = match &node.value {
        Value::Map(older) => older.given("name").or(map.given("name")),
        _ if !node.boolean("`external`")? => return Ok(NamedVolume::default()),
        _ => map.given("name"),
    };
    let name = name.map(|node| node.text("`name`")).transpose()?.unwrap_or(key);
    if !is_name(name) {
        return Err(Problem::at(node.at, format!("{} is no name for a volume", quoted(name))));
    }
    let (workspace, shown) = (scope.input.workspace, quoted(name));
    let allowed = scope.input.policy.external_volumes.get(name);
    if !allowed.is_some_and(|allowed| allowed.contains(workspace)) {
        let instead = "without `external`, the platform makes the volume and keeps it over releases";
        let what = format!("the external volume {shown}");
        return Err(scope.refused("external_volumes", node.at, &what, instead));
    }
    Ok(NamedVolume { external: Some(name.to_owned()), ..NamedVolume::default() })
}

/// The local driver hands its options to mount(2): all but a tmpfs reach the host or its network.
fn check_options(
    options: &BTreeMap<String, String>,
    at: Position,
    place: &str,
    scope: &Scope<'_>,
) -> Result<(), Problem> {
    let option =
        |name: &str| options.get(name).map(|value| value.trim().to_ascii_lowercase()).unwrap_or_default();
    let flags = option("o");
    let moves = |flag: &str| matches!(flag.trim(), "bind" | "rbind" | "move" | "remount");
    let tmpfs = option("type") == "tmpfs" && !flags.split(',').any(moves);
    if options.is_empty() || tmpfs {
        return Ok(());
    }
    let device = options.get("device").filter(|device| !device.is_empty());
    let what = match device {
        Some(device) => {
            format!("{place}: mounting the host path or device {} through `driver_opts`", quoted(device))
        }
        None => format!("{place}: mounting from the host through `driver_opts`"),
    };
    scope.require(
        Permission::HostPaths,
        at,
        &what,
        "remove `driver_opts`: a plain named volume keeps its data",
    )
}

/// What Docker takes as the name of a volume, a network or a container.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= 200
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}
