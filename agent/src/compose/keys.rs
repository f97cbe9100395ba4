//! Which keys the Compose specification knows, and what becomes of each here.
//!
//! Nothing is ignored silently: a key is read, or has no effect and says so, or is refused because the app would
//! not mean the same without it; and a key nobody knows is a mistake.

use super::node::{Entry, Map, Value};
use super::policy::Permission;
use super::problem::{Problem, listed, quoted};
use super::scope::Scope;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A reader takes care of it.
    Read,
    /// The same; not every value of it is taken, as this says.
    Partly(&'static str),
    /// A reader takes care of it, and asks for this permission whatever its value is.
    Allowed(Permission),
    /// The same for most of its values; some need no permission, as this says.
    AllowedPartly(Permission, &'static str),
    /// A reader takes care of it, and asks for the permission for things of this name on the engine; some need none, as
    /// this says.
    AllowedByName(&'static str, &'static str),
    /// A warning, with the reason: the app means the same without it.
    Ignored(&'static str),
    /// An error, with this hint: the app would mean something else without it.
    Unsupported(&'static str),
}

pub(super) type Keys = &'static [(&'static str, Effect)];

use Effect::{Allowed, AllowedByName, AllowedPartly, Ignored, Partly, Read, Unsupported};

const APART: &str = "the platform keeps those of workspaces apart";
const ADDRESSES: &str =
    "the platform chooses addresses: during a switch two releases stand beside each other";
const SWARM: &str = "it is for clusters, and there is one engine";
const BUILDKIT: &str = "it needs BuildKit, and images are built by the engine's own builder";
const WINDOWS: &str = "it is Windows' own";
const NEWER: &str = "it needs a newer engine than the platform asks for";
const NO_MODELS: &str = "remove it: the platform runs no models; reach one by its address in `environment`";
const MOST_MEMORY: &str = "more than `max_memory` of the policy needs `memory`";
const MOST_PIDS: &str = "more than `max_pids` of the policy needs `pids`";
const AFTER: &str = "Docker's own checks, which follow the health gate";
const SWITCH: &str = "a release stands beside the one before until it is healthy, and takes over at once";

pub(super) const PROJECT: Keys = &[
    ("version", Partly("obsolete: it means nothing, as in Compose")),
    (
        "name",
        Partly("what `${COMPOSE_PROJECT_NAME}` stands for; another one than the workspace's is a warning"),
    ),
    ("services", Read),
    ("networks", Read),
    ("volumes", Read),
    ("configs", Read),
    ("secrets", Read),
    ("include", Read),
    ("models", Unsupported(NO_MODELS)),
];

pub(super) const SERVICE: Keys = &[
    ("annotations", Ignored(NEWER)),
    ("attach", Partly("`false` is a warning: the output is kept")),
    ("blkio_config", Read),
    ("build", Read),
    ("cap_add", AllowedPartly(Permission::Capabilities, "those of the usual set need no permission")),
    ("cap_drop", Read),
    ("cgroup", Partly("`private`; `host` needs `host_namespaces`")),
    ("cgroup_parent", Allowed(Permission::HostNamespaces)),
    ("command", Read),
    ("configs", Read),
    (
        "container_name",
        Partly("where another container has the name already, a warning tells the one it got"),
    ),
    ("cpu_count", Ignored(WINDOWS)),
    ("cpu_percent", Ignored(WINDOWS)),
    ("cpu_period", Read),
    ("cpu_quota", Read),
    ("cpu_rt_period", Allowed(Permission::Privileged)),
    ("cpu_rt_runtime", Allowed(Permission::Privileged)),
    ("cpu_shares", Read),
    ("cpus", Read),
    ("cpuset", Read),
    ("credential_spec", Unsupported("remove it: it is Windows' own")),
    ("depends_on", Read),
    ("deploy", Read),
    ("develop", Read),
    ("device_cgroup_rules", Allowed(Permission::Devices)),
    ("devices", Allowed(Permission::Devices)),
    ("dns", Read),
    ("dns_opt", Read),
    ("dns_search", Read),
    ("domainname", Read),
    ("entrypoint", Read),
    ("env_file", Read),
    ("environment", Read),
    ("expose", Read),
    ("extends", Read),
    ("external_links", Unsupported("remove it: containers outside of the workspace cannot be reached")),
    ("extra_hosts", Read),
    ("gpus", Allowed(Permission::Devices)),
    ("group_add", Read),
    ("healthcheck", Read),
    ("hostname", Read),
    (
        "image",
        Partly(
            "refused where the platform made it for another workspace; beside `build` a warning, because the platform \
             names what it builds",
        ),
    ),
    ("init", Partly("`true` unless the file says otherwise")),
    ("ipc", Partly("`private`, `shareable` and `service:…`; `host` needs `host_namespaces`; no others")),
    ("isolation", Partly("anything but `default` is a warning: it is Windows' own")),
    ("label_file", Read),
    ("labels", Read),
    ("links", Partly("other services of its networks know the alias as well")),
    ("logging", Read),
    ("mac_address", Ignored(ADDRESSES)),
    ("mem_limit", Partly(MOST_MEMORY)),
    ("mem_reservation", Read),
    ("mem_swappiness", Read),
    ("memswap_limit", Partly("more than twice `max_memory` of the policy needs `memory`")),
    ("models", Unsupported(NO_MODELS)),
    (
        "network_mode",
        Partly("`none` and `service:…`; `host` needs `host_namespaces`; `bridge` is a warning; no others"),
    ),
    ("networks", Read),
    ("oom_kill_disable", Allowed(Permission::Privileged)),
    ("oom_score_adj", Partly("below 0 needs `privileged`")),
    ("pid", Partly("`service:…`; `host` needs `host_namespaces`; no others")),
    ("pids_limit", Partly(MOST_PIDS)),
    ("platform", Read),
    ("ports", Partly("fixed ports below 1024 need `low_ports`; the platform's own are refused")),
    ("post_start", Partly("before the health gate; a failure is the release's")),
    ("pre_stop", Partly("within `stop_grace_period`; a failure is logged, and keeps nothing alive")),
    ("privileged", Allowed(Permission::Privileged)),
    ("profiles", Read),
    ("provider", Unsupported("remove it: services are containers here")),
    ("pull_policy", Read),
    ("pull_refresh_after", Partly("with `pull_policy: refresh`; a warning without")),
    ("read_only", Read),
    (
        "restart",
        Partly(
            "from the switch on: before it, a failure is one of the release; without it see [Jobs](#jobs)",
        ),
    ),
    ("runtime", Allowed(Permission::Privileged)),
    ("scale", Partly("0 is refused: remove the service")),
    ("secrets", Read),
    (
        "security_opt",
        Partly(
            "`no-new-privileges:true`; its `false` needs `new_privileges`, and profiles switched off `privileged`; no \
             others",
        ),
    ),
    ("shm_size", Partly(MOST_MEMORY)),
    ("stdin_open", Read),
    ("stop_grace_period", Partly("cut to 10 minutes, with a warning")),
    ("stop_signal", Read),
    ("storage_opt", Partly("as the engine's storage driver takes it; what it does not take is an error")),
    ("sysctls", Allowed(Permission::Sysctls)),
    ("tmpfs", Read),
    ("tty", Read),
    ("ulimits", Read),
    ("use_api_socket", Allowed(Permission::DockerSocket)),
    ("user", Read),
    ("userns_mode", Partly("`host` needs `host_namespaces`; no others")),
    ("uts", Partly("`host` needs `host_namespaces`; no others")),
    (
        "volumes",
        Partly(
            "paths outside of the workspace need `host_paths`, and sockets of an engine `docker_socket`; its own are \
             mounted read-only, those of other workspaces and of the platform never",
        ),
    ),
    ("volumes_from", Partly("services of the workspace; `container:…` is refused")),
    ("working_dir", Read),
];

pub(super) const BUILD: Keys = &[
    ("additional_contexts", Unsupported("copy what the build needs into its context")),
    ("args", Read),
    ("cache_from", Read),
    ("cache_to", Ignored(BUILDKIT)),
    ("context", Partly("a path of the workspace")),
    ("dockerfile", Read),
    ("dockerfile_inline", Read),
    ("entitlements", Unsupported("remove it: builds get no privileges")),
    ("extra_hosts", Read),
    ("isolation", Ignored(WINDOWS)),
    ("labels", Read),
    ("network", Partly("`default` and `none`; `host` needs `host_namespaces`; no others")),
    ("no_cache", Read),
    ("platforms", Partly("one of them; more are refused")),
    ("privileged", Unsupported("remove it: builds get no privileges")),
    ("provenance", Ignored(BUILDKIT)),
    ("pull", Read),
    ("sbom", Ignored(BUILDKIT)),
    (
        "secrets",
        Unsupported(
            "the engine's own builder would leave them in a layer; install what needs them outside of the build",
        ),
    ),
    ("shm_size", Partly("at most 2g")),
    ("ssh", Unsupported("builds get no keys")),
    ("tags", Ignored("names of images are those of the whole engine, and workspaces are kept apart")),
    ("target", Read),
    ("ulimits", Ignored("a build is told no limit but that of memory")),
];

pub(super) const BLKIO: Keys = &[
    ("device_read_bps", Read),
    ("device_read_iops", Read),
    ("device_write_bps", Read),
    ("device_write_iops", Read),
    ("weight", Read),
    ("weight_device", Read),
];

pub(super) const BLKIO_RATE: Keys = &[("path", Read), ("rate", Read)];

pub(super) const BLKIO_WEIGHT: Keys = &[("path", Read), ("weight", Read)];

pub(super) const ULIMIT: Keys = &[("hard", Read), ("soft", Read)];

pub(super) const LOGGING: Keys = &[
    (
        "driver",
        Partly(
            "`json-file`, `local`, and `none` with a warning, as no log can be shown; others need `host_namespaces`",
        ),
    ),
    ("options", Partly("`max-size` times `max-file` is cut to `max_logs` of the policy, with a warning")),
];

pub(super) const HOOK: Keys = &[
    ("command", Read),
    ("environment", Read),
    ("privileged", Allowed(Permission::Privileged)),
    ("user", Read),
    ("working_dir", Read),
];

pub(super) const DEVELOP: Keys = &[("watch", Read)];

pub(super) const WATCH: Keys = &[
    ("action", Partly("what is pushed and not covered by a rule is redeployed")),
    ("exec", Read),
    ("ignore", Read),
    ("include", Read),
    ("initial_sync", Partly("also without it where nothing else brings the files into a new container")),
    ("path", Partly("a path of the workspace")),
    ("target", Partly("an absolute path; what lies in a volume, or on a read-only root, is redeployed")),
];

/// How a service uses a secret or a config.
pub(super) const PRIVATE_FILE: Keys =
    &[("gid", Read), ("mode", Read), ("source", Read), ("target", Read), ("uid", Read)];

pub(super) const SECRET: Keys = &[
    ("driver", Unsupported("give it a `file`, or a variable with `environment`")),
    ("driver_opts", Unsupported("give it a `file`, or a variable with `environment`")),
    ("environment", Read),
    ("external", Unsupported("give it a `file`, or a variable with `environment`")),
    ("file", Partly("a path of the workspace")),
    ("labels", Ignored("no object of the engine stands for it")),
    ("name", Ignored("no object of the engine stands for it")),
    ("template_driver", Unsupported("write the file as it is to be")),
];

pub(super) const CONFIG: Keys = &[
    ("content", Read),
    ("environment", Read),
    ("external", Unsupported("give it a `file`, its `content`, or a variable with `environment`")),
    ("file", Partly("a path of the workspace")),
    ("labels", Ignored("no object of the engine stands for it")),
    ("name", Ignored("no object of the engine stands for it")),
    ("template_driver", Unsupported("write the file as it is to be")),
];

pub(super) const DEPLOY: Keys = &[
    ("endpoint_mode", Ignored(SWARM)),
    ("labels", Ignored("they are for a cluster's service; those of its containers stand under `labels`")),
    ("mode", Partly("`replicated`; `global` is one container, and more are a warning; jobs are refused")),
    ("placement", Ignored(SWARM)),
    ("replicas", Partly("0 is refused: remove the service")),
    ("resources", Read),
    ("restart_policy", Read),
    ("rollback_config", Ignored("a release that fails leaves the one before as it is")),
    ("update_config", Read),
];

pub(super) const UPDATE_CONFIG: Keys = &[
    ("delay", Ignored(SWITCH)),
    ("failure_action", Ignored("a release that fails leaves the one before as it is")),
    ("max_failure_ratio", Ignored(SWITCH)),
    ("monitor", Ignored("the platform watches what it deployed by itself")),
    (
        "order",
        Partly(
            "`start-first` is the strategy `rolling`, `stop-first` is `recreate`; `x-cloudyknight` comes first",
        ),
    ),
    ("parallelism", Ignored(SWITCH)),
];

pub(super) const RESTART_POLICY: Keys = &[
    ("condition", Read),
    ("delay", Ignored("the engine waits longer after each failure by itself")),
    ("max_attempts", Partly("only failures count: a warning, unless `condition` says so")),
    ("window", Ignored("the engine decides by itself when a start has succeeded")),
];

pub(super) const RESOURCES: Keys = &[("limits", Read), ("reservations", Read)];

pub(super) const LIMITS: Keys =
    &[("cpus", Read), ("memory", Partly(MOST_MEMORY)), ("pids", Partly(MOST_PIDS))];

pub(super) const RESERVATIONS: Keys = &[
    ("cpus", Ignored("one engine reserves no processors; `cpu_shares` is a weight")),
    ("devices", Allowed(Permission::Devices)),
    ("generic_resources", Ignored(SWARM)),
    ("memory", Read),
];

pub(super) const DEVICE_REQUEST: Keys =
    &[("capabilities", Read), ("count", Read), ("device_ids", Read), ("driver", Read), ("options", Read)];

pub(super) const HEALTHCHECK: Keys = &[
    ("disable", Partly("a port, or that it keeps running, decides in its place")),
    ("interval", Partly(AFTER)),
    ("retries", Partly(AFTER)),
    (
        "start_interval",
        Partly("Docker's own checks only; a warning where Docker is older than 25, which has none"),
    ),
    (
        "start_period",
        Partly("the health gate waits as long, at most 15 minutes, and never less than `health_timeout_s`"),
    ),
    ("test", Partly("the health gate runs it until it succeeds, and Docker from then on")),
    ("timeout", Read),
];

pub(super) const DEPENDS_ON: Keys = &[("condition", Read), ("required", Read), ("restart", Read)];

pub(super) const ENV_FILE: Keys = &[("format", Read), ("path", Read), ("required", Read)];

pub(super) const EXTENDS: Keys = &[("file", Read), ("service", Read)];

pub(super) const INCLUDE: Keys = &[("env_file", Read), ("path", Read), ("project_directory", Read)];

pub(super) const PORT: Keys = &[
    ("app_protocol", Ignored("the router speaks HTTP; other ports are published as they are")),
    ("host_ip", Read),
    ("mode", Partly("it means nothing on one engine")),
    ("name", Partly("for people: it means nothing to the engine, as in Compose")),
    ("protocol", Partly("`tcp` and `udp`; no others")),
    ("published", Partly("below 1024 it needs `low_ports`; the platform's own are refused")),
    ("target", Read),
];

/// `devices` of a service.
pub(super) const DEVICE: Keys = &[("permissions", Read), ("source", Read), ("target", Read)];

pub(super) const MOUNT: Keys = &[
    ("bind", Read),
    ("consistency", Partly("the engine is told; on Linux it means nothing")),
    ("image", Unsupported("it needs a newer engine; copy the files in a `build`")),
    ("read_only", Read),
    ("source", Read),
    ("target", Read),
    ("tmpfs", Read),
    ("type", Partly("`bind`, `volume` and `tmpfs`")),
    ("volume", Read),
];

pub(super) const MOUNT_BIND: Keys = &[
    ("create_host_path", Partly("`true` means nothing here: a path that is not there is an error")),
    ("propagation", Partly("anything but `private` and `rprivate` needs `host_paths`")),
    ("recursive", Partly("`enabled` and `disabled`")),
    ("selinux", Read),
];

pub(super) const MOUNT_VOLUME: Keys = &[
    (
        "labels",
        Partly("of a volume without a name; a warning for others, whose labels stand at the top level"),
    ),
    ("nocopy", Read),
    ("subpath", Unsupported("it needs a newer engine; mount the whole volume")),
];

pub(super) const MOUNT_TMPFS: Keys = &[("mode", Read), ("size", Read)];

pub(super) const SERVICE_NETWORK: Keys = &[
    ("aliases", Read),
    ("driver_opts", Ignored(APART)),
    ("gw_priority", Ignored(NEWER)),
    ("interface_name", Ignored(NEWER)),
    ("ipv4_address", Ignored(ADDRESSES)),
    ("ipv6_address", Ignored(ADDRESSES)),
    ("link_local_ips", Ignored(ADDRESSES)),
    ("mac_address", Ignored(ADDRESSES)),
    ("priority", Ignored("all networks of a service are joined before it starts")),
];

pub(super) const NETWORK: Keys = &[
    ("attachable", Ignored(SWARM)),
    ("driver", Partly("`bridge`; `overlay` is a warning; no others")),
    ("driver_opts", Ignored(APART)),
    ("enable_ipv4", Ignored(ADDRESSES)),
    ("enable_ipv6", Ignored(ADDRESSES)),
    (
        "external",
        AllowedByName(
            "external_networks",
            "names in `edge_networks` only mean the router, and need no permission",
        ),
    ),
    ("internal", Read),
    ("ipam", Ignored(ADDRESSES)),
    ("labels", Ignored("the platform makes the network, and its labels are its own")),
    ("name", Partly("a warning but for external ones: the platform keeps the networks of workspaces apart")),
];

pub(super) const VOLUME: Keys = &[
    ("driver", Partly("`local`; others need `host_paths`")),
    (
        "driver_opts",
        Partly(
            "anything but a tmpfs needs `host_paths`; a change is a warning: a volume keeps what it was made with",
        ),
    ),
    ("external", AllowedByName("external_volumes", "")),
    ("labels", Partly("a change is a warning: a volume keeps what it was made with")),
    ("name", Partly("a warning but for external ones: the platform keeps the volumes of workspaces apart")),
];

/// The platform's own extension, at the top level and in services.
pub(super) const CLOUDYKNIGHT: &str = "x-cloudyknight";
pub(super) const CLOUDYKNIGHT_KEYS: Keys = &[("fresh", Read), ("strategy", Read)];
pub(super) const CLOUDYKNIGHT_SERVICE: Keys = &[("strategy", Read)];

/// Looks at every key of `map`. `place` is where it stands, such as `` service `web` ``.
pub(super) fn check(map: &Map, keys: Keys, place: &str, scope: &mut Scope<'_>) -> Result<(), Problem> {
    for entry in &map.entries {
        let key = entry.key.as_str();
        if key.starts_with("x-") {
            check_extension(key, entry.key_at, scope);
            continue;
        }
        let shown = quoted(key);
        match keys.iter().find(|(name, _)| *name == key).map(|(_, effect)| *effect) {
            Some(Read | Partly(_) | Allowed(_) | AllowedPartly(..) | AllowedByName(..)) => {}
            Some(_) if asks_for_nothing(entry) => {}
            Some(Ignored(why)) => scope.warn(entry.key_at, format!("{place}: {shown} has no effect: {why}")),
            Some(Unsupported(hint)) => {
                let message = format!("{place}: {shown} is not supported");
                return Err(Problem::at(entry.key_at, message).hint(hint));
            }
            None => return Err(unknown(entry, keys, place)),
        }
    }
    Ok(())
}

/// Whether it only says what is so without it.
fn asks_for_nothing(entry: &Entry) -> bool {
    match entry.key.as_str() {
        // The one that is true where nobody says anything.
        "enable_ipv4" => entry.value.is_null() || entry.value.boolean("").is_ok_and(|on| on),
        _ => entry.value.is_trivial(),
    }
}

fn unknown(entry: &Entry, keys: Keys, place: &str) -> Problem {
    let names = keys.iter().map(|(name, _)| *name);
    let hint = match nearest(&entry.key, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if keys.len() <= 10 => format!("known here: {}", listed(names)),
        None => "Compose knows no such key; keys of your own start with `x-`".to_owned(),
    };
    Problem::at(entry.key_at, format!("{place}: unknown key {}", quoted(&entry.key))).hint(hint)
}

/// Looks only for keys that nobody knows, in a service that is not started: nothing else that it says matters.
pub(super) fn check_left_out(service: &Map, place: &str) -> Result<(), Problem> {
    const BELOW: &[(&str, Keys)] = &[
        ("build", BUILD),
        ("deploy", DEPLOY),
        ("develop", DEVELOP),
        ("healthcheck", HEALTHCHECK),
        ("logging", LOGGING),
    ];
    let check = |map: &Map, keys: Keys, place: &str| {
        let known = |key: &str| key.starts_with("x-") || keys.iter().any(|(name, _)| *name == key);
        let found = map.entries.iter().find(|entry| !known(&entry.key));
        found.map_or(Ok(()), |entry| Err(unknown(entry, keys, place)))
    };
    check(service, SERVICE, place)?;
    for (key, keys) in BELOW {
        if let Some(Value::Map(map)) = service.get(key).map(|node| &node.value) {
            check(map, keys, &format!("{place}: `{key}`"))?;
        }
    }
    Ok(())
}

/// Extension keys mean nothing, except that a misspelt one of the platform's own should not.
fn check_extension(key: &str, at: super::problem::Position, scope: &mut Scope<'_>) {
    if key != CLOUDYKNIGHT && nearest(key, [CLOUDYKNIGHT]).is_some() {
        scope.warn(
            at,
            format!("{} means nothing here; the platform's own key is `{CLOUDYKNIGHT}`", quoted(key)),
        );
    }
}

/// The one of `names` that `word` most likely was meant to be.
pub(super) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    let near = (word.chars().count() / 3).clamp(1, 3);
    let distances = names.into_iter().map(|name| (distance(&word, &name.replace('-', "_")), name));
    distances.filter(|(distance, _)| *distance <= near).min().map(|(_, name)| name)
}

/// How many letters must be added, left out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, SERVICE.iter().map(|(name, _)| *name)), expected, "{word}");
        };
        check("imge", Some("image"));
        check("enviroment", Some("environment"));
        check("port", Some("ports"));
        check("Image", Some("image"));
        check("commnad", Some("command"));
        check("depends-on", Some("depends_on"));
        check("helthchek", Some("healthcheck"));
        check("container-name", Some("container_name"));
        check("something_else_entirely", None);
        check(&"x".repeat(100_000), None);
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
