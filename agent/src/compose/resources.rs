//! What a service may use of its host: its own keys, and `deploy.resources`, which say the same twice.

use std::collections::BTreeMap;

use super::keys;
use super::limits;
use super::model::{Blkio, DeviceRequest, Resources, Ulimit};
use super::node::{Map, Node, Value};
use super::pairs;
use super::policy::Permission;
use super::problem::{Position, Problem, quoted};
use super::quantity::{bytes, bytes_or_unlimited, cpus, micros, whole};
use super::scope::Scope;

const MAX_DEVICES: usize = 100;

pub(super) fn resources(service: &Map, scope: &mut Scope<'_>) -> Result<Resources, Problem> {
    let number = |key: &str, least: i64, most: i64| {
        service.given(key).map(|node| whole(node, &quoted(key), least, most)).transpose()
    };
    let size = |key: &str| service.given(key).map(|node| bytes(node, &quoted(key))).transpose();
    let text = |key: &str| -> Result<Option<String>, Problem> {
        let read = service.given(key).map(|node| node.text(&quoted(key)).map(str::to_owned)).transpose()?;
        Ok(read.filter(|text| !text.is_empty()))
    };
    let period = |key: &str| service.given(key).map(|node| micros(node, &quoted(key))).transpose();
    let mut resources = Resources {
        nano_cpus: service.given("cpus").map(|node| cpus(node, "`cpus`")).transpose()?,
        cpu_shares: number("cpu_shares", 0, i64::MAX)?,
        cpu_quota: number("cpu_quota", -1, i64::MAX)?,
        cpu_period: period("cpu_period")?,
        cpu_rt_period: period("cpu_rt_period")?,
        cpu_rt_runtime: period("cpu_rt_runtime")?,
        cpuset: text("cpuset")?,
        cgroup_parent: text("cgroup_parent")?,
        memory: size("mem_limit")?,
        memory_reservation: size("mem_reservation")?,
        memory_swap: service
            .given("memswap_limit")
            .map(|node| bytes_or_unlimited(node, "`memswap_limit`"))
            .transpose()?,
        memory_swappiness: number("mem_swappiness", 0, 100)?,
        oom_kill_disable: service
            .given("oom_kill_disable")
            .map(|node| node.boolean("`oom_kill_disable`"))
            .transpose()?
            .unwrap_or(false),
        oom_score_adj: number("oom_score_adj", -1000, 1000)?,
        pids: number("pids_limit", -1, i64::MAX)?,
        blkio: service.given("blkio_config").map(|node| blkio(node, scope)).transpose()?.unwrap_or_default(),
        ulimits: service.given("ulimits").map(|node| ulimits(node, scope)).transpose()?.unwrap_or_default(),
        shm_size: size("shm_size")?,
        storage: service
            .given("storage_opt")
            .map(|node| pairs::read(node, "`storage_opt`"))
            .transpose()?
            .unwrap_or_default(),
        device_rules: device_rules(service, scope)?,
        device_requests: service.given("gpus").map(|node| gpus(node, scope)).transpose()?.unwrap_or_default(),
    };
    require(service, &resources, scope)?;
    if let Some(node) = service.given("deploy")
        && let Some(node) = node.map("`deploy`")?.given("resources")
    {
        of_deploy(node, &mut resources, scope)?;
    }
    limits::check(service, &resources, scope)?;
    Ok(resources)
}

/// What would let a container starve its host, or put it among the host's own processes.
fn require(service: &Map, resources: &Resources, scope: &Scope<'_>) -> Result<(), Problem> {
    let asks = |key: &str, permission: Permission, asked: bool| match service.given(key) {
        Some(node) if asked => scope.require(permission, node.at, &quoted(key), "remove it"),
        _ => Ok(()),
    };
    asks("oom_kill_disable", Permission::Privileged, resources.oom_kill_disable)?;
    if resources.oom_score_adj.is_some_and(|adjustment| adjustment < 0)
        && let Some(node) = service.given("oom_score_adj")
    {
        scope.require(Permission::Privileged, node.at, "a negative `oom_score_adj`", "remove it")?;
    }
    asks("cpu_rt_period", Permission::Privileged, resources.cpu_rt_period.is_some())?;
    asks("cpu_rt_runtime", Permission::Privileged, resources.cpu_rt_runtime.is_some())?;
    asks("cgroup_parent", Permission::HostNamespaces, resources.cgroup_parent.is_some())
}

/// `deploy.resources`: the same limits in other words. What both say must be the same.
fn of_deploy(node: &Node, resources: &mut Resources, scope: &mut Scope<'_>) -> Result<(), Problem> {
    let map = node.map("`resources`")?;
    keys::check(map, keys::RESOURCES, "`resources`", scope)?;
    if let Some(node) = map.given("limits") {
        let limits = node.map("`limits`")?;
        keys::check(limits, keys::LIMITS, "`limits`", scope)?;
        let what = |key: &str| format!("`limits`: {}", quoted(key));
        if let Some(node) = limits.given("cpus") {
            agree(&mut resources.nano_cpus, cpus(node, &what("cpus"))?, node.at, "cpus", "cpus")?;
        }
        if let Some(node) = limits.given("memory") {
            agree(&mut resources.memory, bytes(node, &what("memory"))?, node.at, "memory", "mem_limit")?;
        }
        if let Some(node) = limits.given("pids") {
            let pids = whole(node, &what("pids"), -1, i64::MAX)?;
            agree(&mut resources.pids, pids, node.at, "pids", "pids_limit")?;
        }
    }
    if let Some(node) = map.given("reservations") {
        let reservations = node.map("`reservations`")?;
        keys::check(reservations, keys::RESERVATIONS, "`reservations`", scope)?;
        if let Some(node) = reservations.given("memory") {
            let memory = bytes(node, "`reservations`: `memory`")?;
            agree(&mut resources.memory_reservation, memory, node.at, "memory", "mem_reservation")?;
        }
        if let Some(node) = reservations.given("devices") {
            for item in node.list("`devices`")? {
                let request = device_request(item, false, scope)?;
                add_request(&mut resources.device_requests, request, item.at)?;
            }
        }
    }
    Ok(())
}

fn agree(said: &mut Option<i64>, value: i64, at: Position, key: &str, other: &str) -> Result<(), Problem> {
    match said.replace(value) {
        Some(before) if before != value => Err(Problem::at(
            at,
            format!("`{key}` below `deploy` and `{other}` of the service say different things"),
        )
        .hint("keep one of them")),
        _ => Ok(()),
    }
}

fn device_rules(service: &Map, scope: &Scope<'_>) -> Result<Vec<String>, Problem> {
    let Some(node) = service.given("device_cgroup_rules") else { return Ok(Vec::new()) };
    let mut rules = Vec::new();
    for item in node.list("`device_cgroup_rules`")? {
        scope.require(Permission::Devices, item.at, "`device_cgroup_rules`", "remove it")?;
        rules.push(item.non_empty_text("a rule for devices")?.to_owned());
    }
    Ok(rules)
}

fn gpus(node: &Node, scope: &mut Scope<'_>) -> Result<Vec<DeviceRequest>, Problem> {
    if let Value::Text(text) = &node.value {
        if text != "all" {
            return Err(Problem::at(
                node.at,
                format!("`gpus` must be `all` or a list, not {}", quoted(text)),
            ));
        }
        scope.require(Permission::Devices, node.at, "`gpus`", "remove it")?;
        let capabilities = vec!["gpu".to_owned()];
        return Ok(vec![DeviceRequest { count: Some(-1), capabilities, ..DeviceRequest::default() }]);
    }
    let mut requests = Vec::new();
    for item in node.list("`gpus`")? {
        add_request(&mut requests, device_request(item, true, scope)?, item.at)?;
    }
    Ok(requests)
}

fn add_request(
    requests: &mut Vec<DeviceRequest>,
    request: DeviceRequest,
    at: Position,
) -> Result<(), Problem> {
    if requests.len() == MAX_DEVICES {
        return Err(Problem::at(at, format!("more than {MAX_DEVICES} requests for devices")));
    }
    requests.push(request);
    Ok(())
}

/// One entry of `gpus` or of `deploy.resources.reservations.devices`.
fn device_request(node: &Node, gpu: bool, scope: &mut Scope<'_>) -> Result<DeviceRequest, Problem> {
    let what = if gpu { "an entry of `gpus`" } else { "a reserved device" };
    let map = node.map(what)?;
    keys::check(map, keys::DEVICE_REQUEST, what, scope)?;
    scope.require(Permission::Devices, node.at, what, "remove it")?;
    let texts = |key: &str| -> Result<Vec<String>, Problem> {
        let node = map.given(key);
        let read = node.map(|node| node.texts(&quoted(key))).transpose()?.unwrap_or_default();
        Ok(read.into_iter().map(|(text, _)| text.to_owned()).collect())
    };
    let count = match map.given("count") {
        None => None,
        Some(Node { value: Value::Text(text), .. }) if text == "all" => Some(-1),
        Some(node) => Some(whole(node, "`count`", -1, 4096)?),
    };
    let ids = texts("device_ids")?;
    if count.is_some() && !ids.is_empty() {
        return Err(Problem::at(node.at, format!("{what}: `count` and `device_ids` exclude each other")));
    }
    let mut capabilities = texts("capabilities")?;
    if gpu && !capabilities.iter().any(|one| one == "gpu") {
        capabilities.push("gpu".to_owned());
    }
    let driver = map.given("driver").map(|node| node.text("`driver`").map(str::to_owned)).transpose()?;
    let options = map.given("options").map(|node| pairs::read(node, "`options`")).transpose()?;
    Ok(DeviceRequest {
        driver: driver.filter(|name| !name.is_empty()),
        // Neither a number nor names: all there are, as in Compose.
        count: count.or_else(|| ids.is_empty().then_some(-1)),
        ids,
        capabilities,
        options: options.unwrap_or_default(),
    })
}

/// Shared with `build`.
pub(super) fn ulimits(node: &Node, scope: &mut Scope<'_>) -> Result<BTreeMap<String, Ulimit>, Problem> {
    let mut ulimits = BTreeMap::new();
    for entry in &node.map("`ulimits`")?.entries {
        let what = format!("`ulimits`: {}", quoted(&entry.key));
        if entry.key.is_empty() || !entry.key.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(Problem::at(
                entry.key_at,
                format!("{} is no limit of a process", quoted(&entry.key)),
            )
            .hint("such as `nofile` or `nproc`"));
        }
        let limit = match &entry.value.value {
            Value::Map(map) => {
                keys::check(map, keys::ULIMIT, &what, scope)?;
                let side = |key: &str| {
                    let node = map.given(key).ok_or_else(|| {
                        Problem::at(entry.value.at, format!("{what} needs both `soft` and `hard`"))
                    })?;
                    whole(node, &format!("{what}: {}", quoted(key)), -1, i64::MAX)
                };
                Ulimit { soft: side("soft")?, hard: side("hard")? }
            }
            _ => {
                let both = whole(&entry.value, &what, -1, i64::MAX)?;
                Ulimit { soft: both, hard: both }
            }
        };
        let above = |soft: i64, hard: i64| hard != -1 && (soft == -1 || soft > hard);
        if above(limit.soft, limit.hard) {
            return Err(Problem::at(entry.value.at, format!("{what}: `soft` is above `hard`")));
        }
        ulimits.insert(entry.key.clone(), limit);
    }
    Ok(ulimits)
}

fn blkio(node: &Node, scope: &mut Scope<'_>) -> Result<Blkio, Problem> {
    let map = node.map("`blkio_config`")?;
    keys::check(map, keys::BLKIO, "`blkio_config`", scope)?;
    let weight = |node: &Node| whole(node, "`weight`", 0, 1000).map(|weight| weight as u16);
    Ok(Blkio {
        weight: map.given("weight").map(weight).transpose()?,
        weight_device: devices(map, "weight_device", "weight", scope)?
            .into_iter()
            .map(|(path, node)| Ok((path, weight(node)?)))
            .collect::<Result<_, Problem>>()?,
        read_bps: rates(map, "device_read_bps", scope)?,
        read_iops: rates(map, "device_read_iops", scope)?,
        write_bps: rates(map, "device_write_bps", scope)?,
        write_iops: rates(map, "device_write_iops", scope)?,
    })
}

fn rates(map: &Map, key: &str, scope: &mut Scope<'_>) -> Result<Vec<(String, i64)>, Problem> {
    let devices = devices(map, key, "rate", scope)?;
    devices.into_iter().map(|(path, node)| Ok((path, bytes(node, "`rate`")?))).collect()
}

/// Paths, and the value beside each.
fn devices<'n>(
    map: &'n Map,
    key: &str,
    value: &str,
    scope: &mut Scope<'_>,
) -> Result<Vec<(String, &'n Node)>, Problem> {
    let Some(node) = map.given(key) else { return Ok(Vec::new()) };
    let items = node.list(&quoted(key))?;
    if items.len() > MAX_DEVICES {
        return Err(Problem::at(node.at, format!("more than {MAX_DEVICES} devices")));
    }
    let mut devices = Vec::new();
    for item in items {
        let what = format!("an entry of {}", quoted(key));
        let map = item.map(&what)?;
        keys::check(map, if value == "rate" { keys::BLKIO_RATE } else { keys::BLKIO_WEIGHT }, &what, scope)?;
        let missing = |key: &str| Problem::at(item.at, format!("{what} without its {}", quoted(key)));
        let path = map.given("path").ok_or_else(|| missing("path"))?.non_empty_text("`path`")?;
        devices.push((path.to_owned(), map.given(value).ok_or_else(|| missing(value))?));
    }
    Ok(devices)
}
