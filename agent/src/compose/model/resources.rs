//! What a container may use of its host, in the units of the Docker API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `None`: the platform's default, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// A weight among containers that want more than there is.
    pub cpu_shares: Option<i64>,
    /// Microseconds of processor time in each `cpu_period`.
    pub cpu_quota: Option<i64>,
    pub cpu_period: Option<i64>,
    /// Microseconds, of the real-time scheduler.
    pub cpu_rt_period: Option<i64>,
    pub cpu_rt_runtime: Option<i64>,
    /// Such as `0-2,4`.
    pub cpuset: Option<String>,
    pub cgroup_parent: Option<String>,
    /// Bytes.
    pub memory: Option<i64>,
    pub memory_reservation: Option<i64>,
    /// Memory and swap together; -1 for no limit.
    pub memory_swap: Option<i64>,
    /// Per cent.
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: bool,
    pub oom_score_adj: Option<i64>,
    /// Processes and threads; -1 for no limit.
    pub pids: Option<i64>,
    pub blkio: Blkio,
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Bytes of `/dev/shm`.
    pub shm_size: Option<i64>,
    /// Options of the storage driver.
    pub storage: BTreeMap<String, String>,
    /// Such as `c 1:3 mr`.
    pub device_rules: Vec<String>,
    pub device_requests: Vec<DeviceRequest>,
}

/// Block devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blkio {
    pub weight: Option<u16>,
    /// Path of the device and weight.
    pub weight_device: Vec<(String, u16)>,
    /// Path of the device and bytes or operations a second.
    pub read_bps: Vec<(String, i64)>,
    pub read_iops: Vec<(String, i64)>,
    pub write_bps: Vec<(String, i64)>,
    pub write_iops: Vec<(String, i64)>,
}

/// -1 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    pub soft: i64,
    pub hard: i64,
}

/// Devices that a driver of the engine hands out, such as GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    pub driver: Option<String>,
    /// -1 for all of them.
    pub count: Option<i64>,
    pub ids: Vec<String>,
    pub capabilities: Vec<String>,
    pub options: BTreeMap<String, String>,
}
