//! Which keys the Compose specification knows, and what becomes of each here.
//!
//! Nothing is ignored silently: a key is read, or has no effect and says so, or is refused because the app would
//! not mean the same without it; and a key nobody knows is a mistake.

use super::node::Map;
use super::problem::{Problem, listed, quoted};
use super::scope::Scope;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A reader takes care of it.
    Read,
    /// A warning: the app means the same without it.
    Ignored,
    /// An error, with this hint: the app would mean something else without it.
    Unsupported(&'static str),
}

pub(super) type Keys = &'static [(&'static str, Effect)];

use Effect::{Ignored, Read, Unsupported};

pub(super) const PROJECT: Keys = &[
    ("version", Read),
    ("name", Read),
    ("services", Read),
    ("networks", Read),
    ("volumes", Read),
    ("configs", Unsupported("mount the file from the workspace: `./file:/path:ro`")),
    ("secrets", Unsupported("hand secrets on with `env_file` or `environment` for now")),
    ("include", Read),
    ("models", Unsupported("remove it")),
];

pub(super) const SERVICE: Keys = &[
    ("annotations", Ignored),
    ("attach", Ignored),
    ("blkio_config", Ignored),
    ("build", Read),
    ("cap_add", Read),
    ("cap_drop", Read),
    ("cgroup", Read),
    ("cgroup_parent", Ignored),
    ("command", Read),
    ("configs", Unsupported("mount the file from the workspace: `./file:/path:ro`")),
    ("container_name", Read),
    ("cpu_count", Ignored),
    ("cpu_percent", Ignored),
    ("cpu_period", Ignored),
    ("cpu_quota", Ignored),
    ("cpu_rt_period", Ignored),
    ("cpu_rt_runtime", Ignored),
    ("cpu_shares", Ignored),
    ("cpus", Ignored),
    ("cpuset", Ignored),
    ("credential_spec", Unsupported("remove it")),
    ("depends_on", Read),
    ("deploy", Read),
    ("develop", Ignored),
    ("device_cgroup_rules", Read),
    ("devices", Read),
    ("dns", Ignored),
    ("dns_opt", Ignored),
    ("dns_search", Ignored),
    ("domainname", Ignored),
    ("entrypoint", Read),
    ("env_file", Read),
    ("environment", Read),
    ("expose", Read),
    ("extends", Read),
    ("external_links", Unsupported("remove it")),
    ("extra_hosts", Ignored),
    ("gpus", Read),
    ("group_add", Ignored),
    ("healthcheck", Read),
    ("hostname", Ignored),
    ("image", Read),
    ("init", Read),
    ("ipc", Read),
    ("isolation", Ignored),
    ("label_file", Read),
    ("labels", Read),
    ("links", Read),
    ("logging", Ignored),
    ("mac_address", Ignored),
    ("mem_limit", Ignored),
    ("mem_reservation", Ignored),
    ("mem_swappiness", Ignored),
    ("memswap_limit", Ignored),
    ("models", Unsupported("remove it")),
    ("network_mode", Read),
    ("networks", Read),
    ("oom_kill_disable", Ignored),
    ("oom_score_adj", Ignored),
    ("pid", Read),
    ("pids_limit", Ignored),
    ("platform", Ignored),
    ("ports", Read),
    ("post_start", Unsupported("run it from the service's own `command`")),
    ("pre_stop", Unsupported("react to the stop signal in the service itself")),
    ("privileged", Read),
    ("profiles", Read),
    ("provider", Unsupported("remove it")),
    ("pull_policy", Ignored),
    ("pull_refresh_after", Ignored),
    ("read_only", Read),
    ("restart", Read),
    ("runtime", Unsupported("remove it: containers run with the engine's default runtime")),
    ("scale", Read),
    ("secrets", Unsupported("hand secrets on with `env_file` or `environment` for now")),
    ("security_opt", Read),
    ("shm_size", Ignored),
    ("stdin_open", Ignored),
    ("stop_grace_period", Read),
    ("stop_signal", Read),
    ("storage_opt", Ignored),
    ("sysctls", Unsupported("remove it, or set it on the host")),
    ("tmpfs", Read),
    ("tty", Ignored),
    ("ulimits", Ignored),
    ("use_api_socket", Read),
    ("user", Read),
    ("userns_mode", Read),
    ("uts", Read),
    ("volumes", Read),
    ("volumes_from", Unsupported("mount the same named volume in both services")),
    ("working_dir", Read),
];

pub(super) const BUILD: Keys = &[
    ("additional_contexts", Unsupported("copy what the build needs into its context")),
    ("args", Read),
    ("cache_from", Ignored),
    ("cache_to", Ignored),
    ("context", Read),
    ("dockerfile", Read),
    ("dockerfile_inline", Unsupported("put it into a file named `Dockerfile`")),
    ("entitlements", Read),
    ("extra_hosts", Ignored),
    ("isolation", Ignored),
    ("labels", Ignored),
    ("network", Read),
    ("no_cache", Ignored),
    ("platforms", Ignored),
    ("privileged", Read),
    ("provenance", Ignored),
    ("pull", Ignored),
    ("sbom", Ignored),
    ("secrets", Unsupported("builds get no secrets yet")),
    ("shm_size", Ignored),
    ("ssh", Unsupported("builds get no keys")),
    ("tags", Ignored),
    ("target", Read),
    ("ulimits", Ignored),
];

pub(super) const HEALTHCHECK: Keys = &[
    ("disable", Read),
    ("interval", Read),
    ("retries", Read),
    ("start_interval", Ignored),
    ("start_period", Read),
    ("test", Read),
    ("timeout", Read),
];

pub(super) const DEPENDS_ON: Keys = &[("condition", Read), ("required", Read), ("restart", Ignored)];

pub(super) const ENV_FILE: Keys = &[("format", Read), ("path", Read), ("required", Read)];

pub(super) const EXTENDS: Keys = &[("file", Read), ("service", Read)];

pub(super) const INCLUDE: Keys = &[("env_file", Read), ("path", Read), ("project_directory", Read)];

/// `name` and `mode` describe a port to Swarm and to people: Compose itself does nothing with them either.
pub(super) const PORT: Keys = &[
    ("app_protocol", Ignored),
    ("host_ip", Read),
    ("mode", Read),
    ("name", Read),
    ("protocol", Read),
    ("published", Read),
    ("target", Read),
];

pub(super) const MOUNT: Keys = &[
    ("bind", Read),
    ("consistency", Read),
    ("image", Ignored),
    ("read_only", Read),
    ("source", Read),
    ("target", Read),
    ("tmpfs", Read),
    ("type", Read),
    ("volume", Read),
];

pub(super) const MOUNT_BIND: Keys =
    &[("create_host_path", Read), ("propagation", Ignored), ("recursive", Ignored), ("selinux", Read)];

pub(super) const MOUNT_VOLUME: Keys =
    &[("labels", Ignored), ("nocopy", Ignored), ("subpath", Unsupported("mount the whole volume"))];

pub(super) const MOUNT_TMPFS: Keys = &[("mode", Ignored), ("size", Ignored)];

pub(super) const SERVICE_NETWORK: Keys = &[
    ("aliases", Read),
    ("driver_opts", Ignored),
    ("gw_priority", Ignored),
    ("interface_name", Ignored),
    ("ipv4_address", Ignored),
    ("ipv6_address", Ignored),
    ("link_local_ips", Ignored),
    ("mac_address", Ignored),
    ("priority", Ignored),
];

pub(super) const NETWORK: Keys = &[
    ("attachable", Ignored),
    ("driver", Read),
    ("driver_opts", Ignored),
    ("enable_ipv4", Ignored),
    ("enable_ipv6", Ignored),
    ("external", Read),
    ("internal", Read),
    ("ipam", Ignored),
    ("labels", Ignored),
    ("name", Read),
];

pub(super) const VOLUME: Keys =
    &[("driver", Read), ("driver_opts", Read), ("external", Read), ("labels", Read), ("name", Read)];

/// The platform's own extension, at the top level.
pub(super) const CLOUDYKNIGHT: &str = "x-cloudyknight";
pub(super) const CLOUDYKNIGHT_KEYS: Keys = &[("fresh", Read)];

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
            Some(Read) => {}
            Some(_) if entry.value.is_trivial() => {}
            Some(Ignored) => scope.warn(entry.key_at, format!("{place}: {shown} has no effect yet")),
            Some(Unsupported(hint)) => {
                let message = format!("{place}: {shown} is not supported yet");
                return Err(Problem::at(entry.key_at, message).hint(hint));
            }
            None => {
                let names = keys.iter().map(|(name, _)| *name);
                let hint = match nearest(key, names.clone()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None if keys.len() <= 10 => format!("known here: {}", listed(names)),
                    None => "Compose knows no such key; keys of your own start with `x-`".to_owned(),
                };
                return Err(Problem::at(entry.key_at, format!("{place}: unknown key {shown}")).hint(hint));
            }
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
