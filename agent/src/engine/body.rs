//! What Docker is told to make a container: everything that a [`ContainerSpec`] says, in the words of its API.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointSettings, ExecConfig, HealthConfig, HostConfig,
    HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountBindOptions, MountType, MountVolumeOptions,
    NetworkingConfig, PortBinding, ResourcesBlkioWeightDevice, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum, ThrottleDevice,
};

use super::{ContainerSpec, Mounted};
use crate::compose::model::{
    Blkio, Device, DeviceRequest, Healthcheck, Hook, Isolation, Logging, MountOptions, Namespace, Protocol,
    PublishedPort, Resources, Restart, Ulimit,
};

/// The most processes a container may have, where its file says nothing: enough for any app, too few for a fork bomb.
const PIDS_LIMIT: i64 = 4096;

pub(crate) fn body(spec: &ContainerSpec) -> ContainerCreateBody {
    let first = spec.networks.first();
    let endpoints = first.map(|(network, aliases)| {
        let endpoint = EndpointSettings { aliases: Some(aliases.clone()), ..Default::default() };
        HashMap::from([(network.clone(), endpoint)])
    });
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: spec.command.clone(),
        entrypoint: spec.entrypoint.clone(),
        env: Some(spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(spec.labels.clone()),
        working_dir: spec.working_dir.clone(),
        user: spec.user.clone(),
        stop_signal: spec.stop_signal.clone(),
        healthcheck: health_config(&spec.healthcheck),
        exposed_ports: Some(spec.ports.iter().map(port_key).collect()),
        networking_config: Some(NetworkingConfig { endpoints_config: endpoints }),
        hostname: spec.surroundings.hostname.clone(),
        domainname: spec.surroundings.domainname.clone(),
        tty: Some(spec.surroundings.tty),
        open_stdin: Some(spec.surroundings.stdin_open),
        host_config: Some(host_config(spec)),
        ..Default::default()
    }
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let (isolation, surroundings, resources) = (&spec.isolation, &spec.surroundings, &spec.resources);
    let network = spec.networks.first().map_or_else(|| without_network(spec), |(network, _)| network.clone());
    let shareable = surroundings.ipc_shareable.then(|| "shareable".to_owned());
    HostConfig {
        init: Some(spec.init),
        network_mode: Some(network),
        restart_policy: Some(restart_policy(Restart::No)),
        mounts: Some(spec.mounts.iter().filter_map(mount).collect()),
        binds: Some(spec.mounts.iter().filter_map(bind).collect()),
        tmpfs: Some(spec.mounts.iter().filter_map(tmpfs).collect()),
        volumes_from: Some(spec.volumes_from.iter().map(volumes_from).collect()),
        port_bindings: Some(port_bindings(&spec.ports)),
        security_opt: Some(security(isolation)),
        privileged: Some(isolation.privileged),
        cap_add: Some(isolation.cap_add.clone()),
        cap_drop: Some(isolation.cap_drop.clone()),
        devices: Some(isolation.devices.iter().map(device).collect()),
        readonly_rootfs: Some(isolation.read_only),
        pid_mode: namespace(spec, Namespace::Pid),
        ipc_mode: namespace(spec, Namespace::Ipc).or(shareable),
        uts_mode: namespace(spec, Namespace::Uts),
        userns_mode: namespace(spec, Namespace::User),
        cgroupns_mode: match namespace(spec, Namespace::Cgroup).as_deref() {
            Some("host") => Some(HostConfigCgroupnsModeEnum::HOST),
            Some(_) => Some(HostConfigCgroupnsModeEnum::PRIVATE),
            None => None,
        },
        sysctls: some(surroundings.sysctls.clone().into_iter().collect()),
        runtime: surroundings.runtime.clone(),
        dns: Some(surroundings.dns.clone()),
        dns_options: Some(surroundings.dns_options.clone()),
        dns_search: Some(surroundings.dns_search.clone()),
        extra_hosts: Some(surroundings.extra_hosts.clone()),
        group_add: Some(surroundings.groups.clone()),
        log_config: Some(log_config(surroundings.logging.as_ref())),
        ..limits(resources)
    }
}

/// The limits that the file asks for, and those that a container has without them.
fn limits(resources: &Resources) -> HostConfig {
    let Blkio { weight, weight_device, read_bps, read_iops, write_bps, write_iops } = &resources.blkio;
    let weight_device: Vec<_> = weight_device
        .iter()
        .map(|(path, weight)| ResourcesBlkioWeightDevice {
            path: Some(path.clone()),
            weight: Some(usize::from(*weight)),
        })
        .collect();
    let ulimit = |(name, limit): (&String, &Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    HostConfig {
        nano_cpus: resources.nano_cpus,
        cpu_shares: resources.cpu_shares,
        cpu_quota: resources.cpu_quota,
        cpu_period: resources.cpu_period,
        cpu_realtime_period: resources.cpu_rt_period,
        cpu_realtime_runtime: resources.cpu_rt_runtime,
        cpuset_cpus: resources.cpuset.clone(),
        cgroup_parent: resources.cgroup_parent.clone(),
        memory: resources.memory,
        memory_reservation: resources.memory_reservation,
        memory_swap: resources.memory_swap,
        memory_swappiness: resources.memory_swappiness,
        oom_kill_disable: resources.oom_kill_disable.then_some(true),
        oom_score_adj: resources.oom_score_adj,
        pids_limit: Some(resources.pids.filter(|pids| *pids != 0).unwrap_or(PIDS_LIMIT)),
        blkio_weight: *weight,
        blkio_weight_device: Some(weight_device),
        blkio_device_read_bps: Some(throttles(read_bps)),
        blkio_device_read_iops: Some(throttles(read_iops)),
        blkio_device_write_bps: Some(throttles(write_bps)),
        blkio_device_write_iops: Some(throttles(write_iops)),
        ulimits: Some(resources.ulimits.iter().map(ulimit).collect()),
        shm_size: resources.shm_size,
        storage_opt: some(resources.storage.clone().into_iter().collect()),
        device_cgroup_rules: Some(resources.device_rules.clone()),
        device_requests: Some(resources.device_requests.iter().map(device_request).collect()),
        ..Default::default()
    }
}

/// Docker takes some options only from engines that know them: what nobody asks for is not said.
fn some<K, V>(map: HashMap<K, V>) -> Option<HashMap<K, V>> {
    if map.is_empty() { None } else { Some(map) }
}

fn throttles(devices: &[(String, i64)]) -> Vec<ThrottleDevice> {
    let throttle =
        |(path, rate): &(String, i64)| ThrottleDevice { path: Some(path.clone()), rate: Some(*rate) };
    devices.iter().map(throttle).collect()
}

fn device_request(request: &DeviceRequest) -> bollard::models::DeviceRequest {
    bollard::models::DeviceRequest {
        driver: request.driver.clone(),
        count: request.count,
        device_ids: Some(request.ids.clone()),
        capabilities: Some(vec![request.capabilities.clone()]),
        options: Some(request.options.clone().into_iter().collect()),
    }
}

/// On this host and in bounds, so that the end of it can always be shown.
fn log_config(logging: Option<&Logging>) -> HostConfigLogConfig {
    let driver = logging.map_or("json-file", |logging| logging.driver.as_str());
    let mut options: HashMap<String, String> =
        logging.map(|logging| logging.options.clone().into_iter().collect()).unwrap_or_default();
    if driver == "json-file" {
        options.entry("max-size".to_owned()).or_insert_with(|| "10m".to_owned());
        options.entry("max-file".to_owned()).or_insert_with(|| "3".to_owned());
    }
    HostConfigLogConfig { typ: Some(driver.to_owned()), config: Some(options) }
}

fn volumes_from((container, read_only): &(String, bool)) -> String {
    format!("{container}:{}", if *read_only { "ro" } else { "rw" })
}

fn without_network(spec: &ContainerSpec) -> String {
    namespace(spec, Namespace::Network).unwrap_or_else(|| "none".to_owned())
}

/// The host's namespace, or that of another container; `None` for what the engine does by default.
fn namespace(spec: &ContainerSpec, namespace: Namespace) -> Option<String> {
    match spec.shared.get(&namespace) {
        Some(container) => Some(format!("container:{container}")),
        None if spec.isolation.host_namespaces.contains(&namespace) => Some("host".to_owned()),
        None => spec.isolation.private_namespaces.contains(&namespace).then(|| "private".to_owned()),
    }
}

/// What the file asks for, and that no program in the container gains rights it was not started with.
fn security(isolation: &Isolation) -> Vec<String> {
    let mut options = isolation.security_opt.clone();
    if !isolation.privileged && !options.iter().any(|option| option.starts_with("no-new-privileges")) {
        options.push("no-new-privileges".to_owned());
    }
    options
}

fn device(device: &Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.host.clone()),
        path_in_container: Some(device.container.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

fn mount(mounted: &Mounted) -> Option<Mount> {
    let plain = |typ, source: Option<&String>, target: &String, read_only, options: &MountOptions| Mount {
        typ: Some(typ),
        source: source.cloned(),
        target: Some(target.clone()),
        read_only: Some(read_only),
        consistency: options.consistency.clone(),
        ..Default::default()
    };
    Some(match mounted {
        // Only the other form can ask for labels of SELinux.
        Mounted::Folder { options, .. } | Mounted::Volume { options, .. } if options.selinux.is_some() => {
            return None;
        }
        Mounted::Folder { source, target, read_only, options } => Mount {
            bind_options: Some(MountBindOptions {
                propagation: options.propagation.as_deref().and_then(|name| name.parse().ok()),
                non_recursive: options.non_recursive.then_some(true),
                ..Default::default()
            }),
            ..plain(MountType::BIND, Some(source), target, *read_only, options)
        },
        Mounted::Volume { name, target, read_only, options } => Mount {
            volume_options: Some(volume_options(options)),
            ..plain(MountType::VOLUME, Some(name), target, *read_only, options)
        },
        Mounted::Anonymous { target, read_only, options } => Mount {
            volume_options: Some(volume_options(options)),
            ..plain(MountType::VOLUME, None, target, *read_only, options)
        },
        Mounted::Tmpfs { .. } => return None,
    })
}

fn volume_options(options: &MountOptions) -> MountVolumeOptions {
    MountVolumeOptions {
        no_copy: options.no_copy.then_some(true),
        labels: some(options.labels.clone().into_iter().collect()),
        ..Default::default()
    }
}

/// `source:target:options`, for what the mounts cannot say.
fn bind(mounted: &Mounted) -> Option<String> {
    let (Mounted::Folder { source, target, read_only, options }
    | Mounted::Volume { name: source, target, read_only, options }) = mounted
    else {
        return None;
    };
    let label = options.selinux?;
    let mode = if *read_only { "ro" } else { "rw" };
    let propagation = options.propagation.as_ref().map(|name| format!(",{name}")).unwrap_or_default();
    let no_copy = if options.no_copy { ",nocopy" } else { "" };
    Some(format!("{source}:{target}:{mode},{label}{propagation}{no_copy}"))
}

/// Not one of the mounts: only here can it be said that programs in it may be run.
fn tmpfs(mounted: &Mounted) -> Option<(String, String)> {
    let Mounted::Tmpfs { target, read_only, options } = mounted else { return None };
    let mut all = vec![if *read_only { "ro" } else { "rw" }];
    let asked = |name: &str| options.tmpfs.iter().any(|option| option.split('=').next() == Some(name));
    for (usual, opposite) in [("exec", "noexec"), ("nosuid", "suid"), ("nodev", "dev")] {
        if !asked(opposite) && !asked(usual) {
            all.push(usual);
        }
    }
    if !asked("mode") {
        all.push("mode=1777");
    }
    all.extend(options.tmpfs.iter().map(String::as_str));
    Some((target.clone(), all.join(",")))
}

fn port_key(port: &PublishedPort) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", port.target)
}

fn port_bindings(ports: &[PublishedPort]) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.host_ip.map(|address| address.to_string()),
            host_port: port.published.map(|port| port.to_string()),
        };
        bindings.entry(port_key(port)).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

/// A command inside a container.
pub(crate) fn exec(hook: &Hook) -> ExecConfig {
    let environment = hook.environment.iter().map(|(name, value)| format!("{name}={value}"));
    ExecConfig {
        cmd: Some(hook.command.clone()),
        user: hook.user.clone(),
        privileged: Some(hook.privileged),
        working_dir: hook.working_dir.clone(),
        env: Some(environment.collect()),
        ..Default::default()
    }
}

pub(crate) fn restart_policy(restart: Restart) -> RestartPolicy {
    let (name, retries) = match restart {
        Restart::Unset | Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::OnFailure { max_retries } => (RestartPolicyNameEnum::ON_FAILURE, max_retries),
    };
    RestartPolicy { name: Some(name), maximum_retry_count: retries.map(i64::from) }
}

fn health_config(check: &Healthcheck) -> Option<HealthConfig> {
    let nanoseconds = |time: &Option<Duration>| time.map(|time| time.as_nanos().min(i64::MAX as u128) as i64);
    match check {
        Healthcheck::Inherit => None,
        Healthcheck::Disabled => Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        Healthcheck::Check { test, interval, timeout, retries, start_period, start_interval } => {
            Some(HealthConfig {
                test: Some(test.clone()),
                interval: nanoseconds(interval),
                timeout: nanoseconds(timeout),
                retries: retries.map(i64::from),
                start_period: nanoseconds(start_period),
                start_interval: nanoseconds(start_interval),
            })
        }
    }
}
