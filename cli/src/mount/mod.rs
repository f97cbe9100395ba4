//! The mounted folder: the workspaces bucket as a folder of this machine, by rclone.
//!
//! A change that somebody makes in the folder goes to the bucket as any other push. A change that an S3 client makes goes
//! from the store to the keeper (`witness` to `follow`), which has rclone forget what it knew (`control`), before the client
//! hears that its change was made. `options` is what rclone is started with, `excluded` and `gate` keep local what is no
//! source, `keeper` starts and stops the process that keeps it, `point` knows what is mounted where, and `roles::mount` is that process.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::home::Home;

pub mod control;
pub mod excluded;
pub mod follow;
pub mod gate;
pub mod keeper;
pub mod options;
pub mod point;
pub mod program;
pub mod witness;
pub mod written;

/// That somebody wants a folder mounted: kept in the home until it is unmounted, across restarts of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub dir: PathBuf,
}

/// What the keeper says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MountedFolder)]
pub struct Report {
    #[schema(value_type = String)]
    pub dir: PathBuf,
    pub state: State,
    /// The version of rclone, where one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rclone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How many files were not in the bucket yet when it was unmounted; they are sent at the next mount.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unsent: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MountState)]
pub enum State {
    Mounting,
    Mounted,
    /// It could not be mounted; the keeper tries on, unless somebody has to act first.
    Failed,
    Unmounted,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// The files of a home that are about the mount.
pub struct Files<'a>(pub &'a Home);

impl Files<'_> {
    pub fn wish(&self) -> PathBuf {
        self.0.path().join("mount.json")
    }

    pub fn report(&self) -> PathBuf {
        self.0.run("mount.json")
    }

    /// Where the store tells the keeper what changed.
    pub fn changes(&self) -> PathBuf {
        self.0.run("changes.sock")
    }

    /// Where rclone takes orders.
    pub fn control(&self) -> PathBuf {
        self.0.run("rclone.sock")
    }

    /// What was written and is not in the bucket, or not yet.
    pub fn cache(&self) -> PathBuf {
        self.0.path().join("mount")
    }
}

/// By this name the machine's table of mounts knows ours.
pub fn device(home: &Home) -> String {
    format!("cloudyknight-{}", home.platform())
}

pub fn wish(home: &Home) -> anyhow::Result<Option<Wish>> {
    crate::home::read_json(&Files(home).wish())
}

pub fn report(home: &Home) -> anyhow::Result<Option<Report>> {
    crate::home::read_json(&Files(home).report())
}

/// Whether somebody keeps the folder mounted now, and what they say.
pub fn now(home: &Home) -> anyhow::Result<Option<Report>> {
    if crate::roles::lock::holder(home, ROLE)?.is_none() {
        return Ok(None);
    }
    report(home)
}

/// The lock of the keeper.
pub const ROLE: &str = "mount";

/// Where it is mounted when nobody says where.
pub fn default_dir() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/workspaces"));
    }
    crate::environment::variable("HOME").map(|home| Path::new(&home).join("workspaces"))
}

/// How many files lie in the folder of this machine only.
pub fn only_here(home: &Home) -> usize {
    let mut open = vec![Files(home).cache().join("vfs")];
    let mut count = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => count += 1,
                Err(_) => {}
            }
        }
    }
    count
}
