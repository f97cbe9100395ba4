//! Containers: make, start, look at, rename, stop, remove, run something inside.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum, ContainerUpdateBody, EndpointSettings, ExecConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StopContainerOptionsBuilder,
    WaitContainerOptions,
};
use cloudyknight_core::workspace::WorkspaceName;
use futures::StreamExt;

use super::body::{body, exec, restart_policy};
use super::logs::text_of;
use super::{Engine, EngineError, sorted, unless};
use crate::compose::model::{
    Healthcheck, Hook, Isolation, MountOptions, Namespace, PublishedPort, Resources, Restart, Surroundings,
};
use crate::identity::{IDENTITY, Identity, PLATFORM, WORKSPACE};
use crate::plan::{Condition, Seen};

/// Everything that decides what a container is.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    pub name: String,
    pub image: String,
    pub labels: HashMap<String, String>,
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub environment: BTreeMap<String, String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub init: bool,
    pub stop_signal: Option<String>,
    pub healthcheck: Healthcheck,
    pub isolation: Isolation,
    pub resources: Resources,
    pub surroundings: Surroundings,
    /// Containers whose namespaces it shares, by their ids.
    pub shared: BTreeMap<Namespace, String>,
    /// Containers whose mounts it has as well: ids, and whether it only reads them.
    pub volumes_from: Vec<(String, bool)>,
    pub mounts: Vec<Mounted>,
    pub ports: Vec<PublishedPort>,
    /// Docker's name of each network to join, with the names it answers to there. The first is its main network.
    /// None: it has no network, or the host's.
    pub networks: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// A folder or file of the host; it must exist.
    Folder {
        source: String,
        target: String,
        read_only: bool,
        options: MountOptions,
    },
    Volume {
        name: String,
        target: String,
        read_only: bool,
        options: MountOptions,
    },
    Anonymous {
        target: String,
        read_only: bool,
        options: MountOptions,
    },
    Tmpfs {
        target: String,
        read_only: bool,
        options: MountOptions,
    },
}

/// To whom a container of some name belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    Nobody,
    Workspace(String),
    /// Another platform, or somebody who runs containers by hand.
    Foreign,
}

/// A container that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub id: String,
    /// What the engine or its kernel leaves out of what it was told.
    pub warnings: Vec<String>,
}

/// Lines of a hook's output that are kept for an error.
const HOOK_LINES: usize = 30;

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: i64,
    pub out_of_memory: bool,
}

/// How and when a container ended last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// -1 where it is not known any more.
    pub code: i64,
    pub out_of_memory: bool,
    pub at: time::OffsetDateTime,
}

impl Engine {
    /// The containers of this platform that bear an identity: of one workspace, or of all.
    pub async fn containers(&self, workspace: Option<&WorkspaceName>) -> Result<Vec<Seen>, EngineError> {
        Ok(self.addressed(workspace).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    /// The same, each with its address in every network it is in.
    pub async fn addressed(
        &self,
        workspace: Option<&WorkspaceName>,
    ) -> Result<Vec<(Seen, BTreeMap<String, Ipv4Addr>)>, EngineError> {
        let filters = self.ours(workspace.map(|name| (WORKSPACE, name.as_str())));
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.docker()?.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list containers", error))?;
        let mut all: Vec<_> = listed.into_iter().filter_map(seen).collect();
        let may_have_completed = |one: &Seen| {
            let retired = one.identity.retired_by(&one.name).is_some();
            one.condition == Condition::Exited { code: 0 } && one.identity.may_end() && !retired
        };
        for (one, _) in all.iter_mut().filter(|(one, _)| may_have_completed(one)) {
            if self.ended_by_itself(&one.id).await? {
                one.condition = Condition::Completed;
            }
        }
        Ok(all)
    }

    /// Makes a container that is not started yet.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<Created, EngineError> {
        let operation = || format!("make the container `{}`", spec.name);
        let options = CreateContainerOptionsBuilder::new().name(&spec.name).build();
        let made = self.docker()?.create_container(Some(options), body(spec)).await;
        let made = made.map_err(|error| EngineError::of(operation(), error))?;
        for (network, aliases) in spec.networks.iter().skip(1) {
            self.join(network, &made.id, aliases).await?;
        }
        Ok(Created { id: made.id, warnings: made.warnings })
    }

    pub async fn start(&self, id: &str) -> Result<(), EngineError> {
        let started = self.docker()?.start_container(id, None).await;
        started.map_err(|error| EngineError::of("start a container", error))
    }

    /// Asks it to stop, and ends it after `grace`.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let options =
            StopContainerOptionsBuilder::new().t(grace.as_secs().min(i32::MAX as u64) as i32).build();
        let stopped = self.patient()?.stop_container(id, Some(options)).await;
        unless(&[304, 404], stopped.map_err(|error| EngineError::of("stop a container", error)))
    }

    /// Ends and removes it, with its anonymous volumes.
    pub async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.docker()?.remove_container(id, Some(options)).await;
        // 409: its removal is already in progress.
        unless(&[404, 409], removed.map_err(|error| EngineError::of("remove a container", error)))
    }

    pub async fn rename(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        let renamed = self.docker()?.rename_container(id, options).await;
        renamed.map_err(|error| EngineError::of(format!("rename a container to `{name}`"), error))
    }

    /// Whether Docker starts it again by itself. Containers get this only once they are live: until then an exit
    /// is a failure, and not a reason to try again.
    pub async fn set_restart(&self, id: &str, restart: Restart) -> Result<(), EngineError> {
        let update =
            ContainerUpdateBody { restart_policy: Some(restart_policy(restart)), ..Default::default() };
        let updated = self.docker()?.update_container(id, update).await;
        updated.map_err(|error| EngineError::of("set the restart policy", error))
    }

    /// How it ended; `None` while it runs.
    pub async fn outcome(&self, id: &str) -> Result<Option<Outcome>, EngineError> {
        let state = self.inspect(id).await?.state.unwrap_or_default();
        let over = !state.running.unwrap_or(false) && state.finished_at.is_some();
        let started = state.status != Some(bollard::models::ContainerStateStatusEnum::CREATED);
        Ok((over && started).then(|| Outcome {
            code: state.exit_code.unwrap_or(-1),
            out_of_memory: state.oom_killed.unwrap_or(false),
        }))
    }

    /// How it ended last, if it ever did, though Docker may have started it again since.
    pub async fn end(&self, id: &str) -> Result<Option<End>, EngineError> {
        let inspected = self.inspect(id).await?;
        let state = inspected.state.unwrap_or_default();
        let again = inspected.restart_count.unwrap_or(0) > 0;
        let runs = state.running.unwrap_or(false) && !state.restarting.unwrap_or(false);
        let parse =
            |at: &str| time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).ok();
        let at = state.finished_at.as_deref().and_then(parse);
        Ok(at.filter(|_| again || !runs).map(|at| End {
            // What runs again has forgotten how it ended.
            code: state.exit_code.filter(|_| !runs).unwrap_or(-1),
            out_of_memory: state.oom_killed.unwrap_or(false),
            at,
        }))
    }

    /// When it was started last, in nanoseconds of the Unix epoch by Docker's clock.
    pub async fn started_at(&self, id: &str) -> Result<Option<i128>, EngineError> {
        let state = self.inspect(id).await?.state.unwrap_or_default();
        let parse =
            |at: &str| time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).ok();
        Ok(state.started_at.as_deref().and_then(parse).map(time::OffsetDateTime::unix_timestamp_nanos))
    }

    /// Waits until it has ended and answers its exit code.
    pub async fn ended(&self, id: &str) -> Result<i64, EngineError> {
        let mut waiting = self.patient()?.wait_container(id, None::<WaitContainerOptions>);
        match waiting.next().await {
            Some(Ok(ended)) => Ok(ended.status_code),
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(EngineError::of("wait for a container", error)),
            None => Ok(-1),
        }
    }

    /// Its address in each network, and the process id of its first process on this host.
    pub async fn addresses(
        &self,
        id: &str,
    ) -> Result<(BTreeMap<String, Ipv4Addr>, Option<i64>), EngineError> {
        let inspected = self.inspect(id).await?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Ok((ipv4(networks), inspected.state.and_then(|state| state.pid)))
    }

    /// Removes containers of ours that bear no identity: they installed dependencies for an agent that is gone.
    pub async fn remove_unidentified(&self) -> Result<(), EngineError> {
        let without = |one: &ContainerSummary| !sorted(one.labels.clone()).contains_key(IDENTITY);
        self.remove_where(without).await.map(drop)
    }

    /// Removes every container of this platform; answers how many there were.
    pub async fn remove_all_containers(&self) -> Result<usize, EngineError> {
        self.remove_where(|_| true).await
    }

    async fn remove_where(&self, which: impl Fn(&ContainerSummary) -> bool) -> Result<usize, EngineError> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&self.ours(None)).build();
        let listed = self.docker()?.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list containers", error))?;
        let chosen: Vec<String> = listed.into_iter().filter(which).filter_map(|one| one.id).collect();
        for id in &chosen {
            self.remove(id).await?;
        }
        Ok(chosen.len())
    }

    /// Who bears this name.
    pub async fn bearer(&self, name: &str) -> Result<Bearer, EngineError> {
        let labels = match self.inspect(name).await {
            Ok(inspected) => sorted(inspected.config.and_then(|config| config.labels)),
            Err(error) if error.is_not_found() => return Ok(Bearer::Nobody),
            Err(error) => return Err(error),
        };
        if labels.get(PLATFORM).map(String::as_str) != Some(self.platform()) {
            return Ok(Bearer::Foreign);
        }
        Ok(Bearer::Workspace(labels.get(WORKSPACE).cloned().unwrap_or_default()))
    }

    pub(super) async fn inspect(
        &self,
        id: &str,
    ) -> Result<bollard::models::ContainerInspectResponse, EngineError> {
        let inspected = self.docker()?.inspect_container(id, None::<InspectContainerOptions>).await;
        inspected.map_err(|error| EngineError::of("inspect a container", error))
    }

    /// Runs a command inside and answers its exit code.
    pub async fn exec(&self, id: &str, command: &[String], limit: Duration) -> Result<i64, EngineError> {
        let config = ExecConfig { cmd: Some(command.to_vec()), ..Default::default() };
        let mut output = Vec::new();
        self.exec_as(id, "run the health check", config, limit, &mut output).await
    }

    /// Runs a hook inside and answers its exit code; the end of what it says goes to `output`.
    pub async fn hook(
        &self,
        id: &str,
        hook: &Hook,
        limit: Duration,
        output: &mut Vec<String>,
    ) -> Result<i64, EngineError> {
        self.exec_as(id, "run a hook", exec(hook), limit, output).await
    }

    pub(super) async fn exec_as(
        &self,
        id: &str,
        operation: &str,
        config: ExecConfig,
        limit: Duration,
        said: &mut Vec<String>,
    ) -> Result<i64, EngineError> {
        let operation = || operation.to_owned();
        let failed = |error| EngineError::of(operation(), error);
        let config = ExecConfig { attach_stdout: Some(true), attach_stderr: Some(true), ..config };
        let run = async {
            let exec = self.docker()?.create_exec(id, config).await.map_err(failed)?.id;
            let attached =
                self.docker()?.start_exec(&exec, None::<StartExecOptions>).await.map_err(failed)?;
            if let StartExecResults::Attached { mut output, .. } = attached {
                // It must be read to its end, and only the end of it is worth a word.
                while let Some(piece) = output.next().await {
                    let Ok(piece) = piece else { continue };
                    said.push(text_of(&piece));
                    let surplus = said.len().saturating_sub(HOOK_LINES);
                    said.drain(..surplus);
                }
            }
            let ended = self.docker()?.inspect_exec(&exec).await.map_err(failed)?;
            Ok(ended.exit_code.unwrap_or(-1))
        };
        let too_long = |_| EngineError::TooLong { operation: operation(), limit };
        tokio::time::timeout(limit, run).await.map_err(too_long)?
    }
}

fn seen(container: ContainerSummary) -> Option<(Seen, BTreeMap<String, Ipv4Addr>)> {
    let identity = Identity::from_labels(&sorted(container.labels))?;
    let condition = match container.state? {
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::PAUSED => Condition::Running,
        ContainerSummaryStateEnum::RESTARTING => Condition::Restarting,
        ContainerSummaryStateEnum::EXITED => {
            Condition::Exited { code: exit_code(container.status.as_deref()) }
        }
        _ => Condition::Inert,
    };
    let name = container.names?.first()?.trim_start_matches('/').to_owned();
    let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let all = networks.keys().cloned().collect();
    Some((Seen { id: container.id?, name, identity, condition, networks: all }, ipv4(networks)))
}

/// A listing tells the exit code only in words: `Exited (137) 2 minutes ago`.
fn exit_code(status: Option<&str>) -> i64 {
    let code = status.and_then(|status| status.split(['(', ')']).nth(1));
    code.and_then(|code| code.parse().ok()).unwrap_or(-1)
}

fn ipv4(networks: HashMap<String, EndpointSettings>) -> BTreeMap<String, Ipv4Addr> {
    let address = |name: &str, settings: EndpointSettings| match name {
        // It has no address of its own: it answers at the host's.
        "host" => Some(Ipv4Addr::LOCALHOST),
        _ => settings.ip_address?.parse().ok(),
    };
    let pair = |(name, settings): (String, EndpointSettings)| {
        let address = address(&name, settings)?;
        Some((name, address))
    };
    networks.into_iter().filter_map(pair).collect()
}
