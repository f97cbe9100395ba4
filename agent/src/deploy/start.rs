//! Makes and starts the containers of a release beside those that serve, and waits until each is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::check::{self, End, Gate};
use super::container::{Around, container};
use super::{DeployError, Job, Prepared, Tools, hooks, in_place, names, private, refresh, replicas, resume};
use crate::compose::model::{Condition, MountSource, Namespace, Project, Service};
use crate::edge_link::EdgeKind;
use crate::engine::{Bearer, ContainerSpec, Created};
use crate::identity::{Identity, Slot, TRAEFIK_ENABLE};
use crate::plan::{self, Plan, Seen};
use crate::traefik::is_traefiks;

/// What a deployment has done so far: all that must be taken back when it fails.
#[derive(Default)]
pub struct Started {
    pub containers: BTreeMap<String, StartedOne>,
    /// Containers that serve, stopped to make room.
    stopped: Vec<Seen>,
    /// Kept containers that joined a network of the new release: network and container.
    joined: Vec<(String, String)>,
    /// Services that are known to be ready.
    ready: BTreeSet<String>,
    /// What the engine leaves out of what the file asks for.
    pub warnings: BTreeSet<String>,
}

pub struct StartedOne {
    pub id: String,
    pub identity: Identity,
    pub address: Option<Ipv4Addr>,
}

pub async fn start(
    tools: &Tools,
    job: &Job<'_>,
    prepared: &Prepared,
    plan: &Plan,
    started: &mut Started,
) -> Result<(), DeployError> {
    if !plan.leftovers.is_empty() {
        // The edge may still know one of them: first what is live gets the traffic, then they finish what they carry.
        refresh::refresh(tools, job.workspace).await?;
        resume::clear(tools, &plan.leftovers).await;
    }
    job.cut.check()?;
    volumes(tools, job, prepared, started).await?;
    if plan.start.is_empty() {
        return Ok(());
    }
    make_room(tools, job, prepared, plan, started).await?;
    for service in &plan.start {
        job.cut.check()?;
        job.cut.or(wait_for_dependencies(tools, prepared, plan, started, service)).await?;
        let one = launch(tools, job, prepared, plan, service, started).await?;
        tracing::debug!(workspace = %job.workspace, service, container = one, "started");
    }
    Ok(())
}

/// Makes the volumes that are not there yet.
async fn volumes(
    tools: &Tools,
    job: &Job<'_>,
    prepared: &Prepared,
    started: &mut Started,
) -> Result<(), DeployError> {
    let (engine, workspace) = (&tools.engine, job.workspace);
    for (name, definition) in &prepared.project.volumes {
        let docker_name = names::volume(engine.platform(), workspace, name, Some(definition));
        if definition.external.is_none() {
            for key in engine.ensure_volume(&docker_name, workspace, definition).await? {
                started.warnings.insert(format!(
                    "volume `{name}`: `{key}` has no effect any more: a volume keeps what it was made with; to have it made \
                     anew, without what it holds: `cloudyknight stop {workspace}`, `cloudyknight volumes rm {workspace} \
                     {name}`, `cloudyknight start {workspace}`"
                ));
            }
        } else if !engine.volume_exists(&docker_name).await? {
            return Err(DeployError::NoVolume { volume: docker_name });
        }
    }
    Ok(())
}

/// Networks, and the place of containers that cannot run twice.
async fn make_room(
    tools: &Tools,
    job: &Job<'_>,
    prepared: &Prepared,
    plan: &Plan,
    started: &mut Started,
) -> Result<(), DeployError> {
    let (engine, platform) = (&tools.engine, tools.engine.platform());
    let project = &prepared.project;
    let networks: BTreeSet<&String> = project.services.values().flat_map(|one| one.networks.keys()).collect();
    let mut made = false;
    for name in networks {
        let internal = names::is_internal(project, name);
        let name = names::network(platform, project, name, plan.slot);
        made |= engine.ensure_network(&name, job.workspace, tools.settings.subnet_pool, internal).await?;
    }
    if made && tools.settings.policy.current().opens_gates(job.workspace) {
        // The rules name the bridges of those that may pass.
        tools.firewall.refresh().await;
    }
    for (service, definition) in &project.services {
        for name in definition.external_networks.keys() {
            if !engine.network_exists(name).await? {
                return Err(DeployError::NoNetwork { service: service.clone(), network: name.clone() });
            }
        }
    }
    for (service, kept) in &plan.keep {
        for (name, aliases) in names::memberships(platform, project, service, plan.slot) {
            engine.join(&name, &kept.id, &aliases).await?;
            started.joined.push((name, kept.id.clone()));
        }
    }
    for live in plan.stop_first.values() {
        if live.condition == plan::Condition::Completed {
            // There is nothing to stop, and nothing to start again should this fail.
            continue;
        }
        started.stopped.push(live.clone());
        hooks::stop(tools, live).await?;
    }
    Ok(())
}

async fn wait_for_dependencies(
    tools: &Tools,
    prepared: &Prepared,
    plan: &Plan,
    started: &mut Started,
    service: &str,
) -> Result<(), DeployError> {
    for (other, dependency) in &prepared.project.services[service].depends_on {
        if plan.keep.contains_key(other) || started.ready.contains(other) {
            continue;
        }
        let Some(one) = started.containers.get(other) else { continue };
        let gate = match dependency.condition {
            Condition::Started => continue,
            Condition::Healthy => gate(prepared, other),
            Condition::CompletedSuccessfully => Gate::Completion,
        };
        // What is waited for until it is healthy, or until it has ended: neither may just be over.
        match check::ready(tools, other, &one.id, one.address, &gate, End::Failure).await {
            Ok(()) => drop(started.ready.insert(other.clone())),
            Err(error) if dependency.required => return Err(error),
            Err(error) => tracing::info!(service, other, %error, "an optional dependency is not ready"),
        }
    }
    Ok(())
}

async fn launch(
    tools: &Tools,
    job: &Job<'_>,
    prepared: &Prepared,
    plan: &Plan,
    service: &str,
    started: &mut Started,
) -> Result<String, DeployError> {
    let definition = &prepared.project.services[service];
    let identity = identity(tools, job, prepared, plan.slot, service).await?;
    private::write(&prepared.source, service, &definition.surroundings.files).await?;
    let spec = spec(tools, prepared, plan, service, &identity, started);
    let refused = |error: crate::engine::EngineError| match error {
        crate::engine::EngineError::Refused { message, .. } => {
            DeployError::Refused { service: service.to_owned(), message }
        }
        other => other.into(),
    };
    let Created { id, warnings } = tools.engine.create(&spec).await.map_err(refused)?;
    let asked_for_swap = definition.resources.memory_swap.is_some();
    // Every container has a limit of memory; that of its swap is Docker's own idea unless the file asks for one.
    let told = warnings.into_iter().filter(|warning| asked_for_swap || !warning.contains("swap"));
    let name = replicas::service_of(service);
    started.warnings.extend(told.map(|warning| format!("service `{name}`: Docker says: {warning}")));
    // Known from here on: whatever happens next, it is taken back.
    let one = StartedOne { id: id.clone(), identity, address: None };
    started.containers.insert(service.to_owned(), one);
    for (name, aliases) in names::external_memberships(&prepared.project, service) {
        tools.engine.join(&name, &id, &aliases).await.map_err(refused)?;
    }
    in_place::bring(tools, prepared, service, &id).await?;
    tools.engine.start(&id).await.map_err(refused)?;
    let (addresses, _) = tools.engine.addresses(&id).await?;
    let main = match (spec.networks.first(), definition.isolation.shared.get(&Namespace::Network)) {
        (Some((name, _)), _) => addresses.get(name).copied(),
        (None, Some(other)) => address_of(tools, plan, other, started).await?,
        // It lives in the host's network, or in none.
        (None, None) => Some(Ipv4Addr::LOCALHOST),
    };
    if let Some(one) = started.containers.get_mut(service) {
        one.address = main;
    }
    hooks::after_start(tools, service, &id, &definition.post_start).await?;
    Ok(spec.name)
}

/// The container of another service, new or kept.
fn container_of(plan: &Plan, service: &str, started: &Started) -> Option<String> {
    let new = started.containers.get(service).map(|one| one.id.clone());
    new.or_else(|| plan.keep.get(service).map(|kept| kept.id.clone()))
}

async fn address_of(
    tools: &Tools,
    plan: &Plan,
    service: &str,
    started: &Started,
) -> Result<Option<Ipv4Addr>, DeployError> {
    if let Some(one) = started.containers.get(service) {
        return Ok(one.address);
    }
    let Some(kept) = plan.keep.get(service) else { return Ok(None) };
    let (addresses, _) = tools.engine.addresses(&kept.id).await?;
    Ok(refresh::address(&addresses, plan.slot))
}

/// Every started container is ready, or the deployment fails.
pub async fn check(
    tools: &Tools,
    prepared: &Prepared,
    plan: &Plan,
    started: &Started,
) -> Result<(), DeployError> {
    for service in plan.start.iter().filter(|service| !started.ready.contains(*service)) {
        let one = &started.containers[service];
        let gate = if one.identity.one_shot { Gate::Completion } else { gate(prepared, service) };
        check::ready(tools, service, &one.id, one.address, &gate, End::of(&one.identity)).await?;
    }
    Ok(())
}

pub(super) fn gate(prepared: &Prepared, service: &str) -> Gate {
    let definition = &prepared.project.services[service];
    let routed = prepared.routes.get(service).and_then(|routes| routes.first()).map(|route| route.port);
    let port = routed.or_else(|| definition.expose.first().copied());
    Gate::of(&definition.healthcheck, prepared.images[service].facts.healthcheck.as_deref(), port)
}

/// Takes back whatever was started, and starts again what was stopped.
pub async fn take_back(tools: &Tools, plan: &Plan, started: &Started) {
    let engine = &tools.engine;
    let report = |what: &str, result: Result<(), crate::engine::EngineError>| {
        if let Err(error) = result {
            tracing::warn!(what, %error, "a failed deployment could not be taken back whole");
        }
    };
    for one in started.containers.values() {
        report("remove", engine.remove(&one.id).await);
    }
    for (network, container) in &started.joined {
        report("leave", engine.leave(network, container).await);
    }
    for live in &started.stopped {
        report("start again", engine.start(&live.id).await);
    }
    if let Some(live) = plan.stop_first.values().next() {
        // It may have another address now.
        if let Err(error) = refresh::refresh(tools, &live.identity.workspace).await {
            tracing::warn!(%error, "routes could not be refreshed");
        }
    }
}

async fn identity(
    tools: &Tools,
    job: &Job<'_>,
    prepared: &Prepared,
    slot: Slot,
    service: &str,
) -> Result<Identity, DeployError> {
    let definition = &prepared.project.services[service];
    let mut name = names::container(&prepared.project, service);
    // Two containers cannot bear one name: whoever was first keeps it.
    match tools.engine.bearer(&name).await? {
        Bearer::Foreign => name = format!("{name}.{}", tools.engine.platform()),
        Bearer::Workspace(other) if other != job.workspace.as_str() => {
            name = format!("{name}.{}", job.workspace);
        }
        Bearer::Workspace(_) | Bearer::Nobody => {}
    }
    let awaited = |other: &Service| {
        let dependency = other.depends_on.get(service);
        dependency.is_some_and(|one| one.condition == Condition::CompletedSuccessfully)
    };
    let mounts_source =
        definition.mounts.iter().any(|mount| matches!(mount.source, MountSource::Workspace(_)))
            || !definition.surroundings.files.is_empty();
    Ok(Identity {
        workspace: job.workspace.clone(),
        service: service.to_owned(),
        deployment: job.deployment.clone(),
        release: prepared.release.clone(),
        spec: prepared.wanted[service].spec.clone(),
        slot,
        name,
        source: mounts_source.then(|| prepared.source.folder.clone()),
        routes: prepared.routes.get(service).cloned().unwrap_or_default(),
        traefik: (tools.edge.kind() == EdgeKind::Traefik).then(|| traefiks(&prepared.project, service)),
        one_shot: prepared.project.services.values().any(awaited),
        may_end: prepared.may_end.contains(replicas::service_of(service)),
        restart: definition.restart,
        stop_grace: definition.stop_grace_period,
        pre_stop: definition.pre_stop.clone(),
    })
}

/// The labels that speak of Traefik: its own, and those of services that are reached at its address because they live in
/// its network.
fn traefiks(project: &Project, service: &str) -> BTreeMap<String, String> {
    let lodgers = project.services.iter().filter(|(_, one)| {
        one.isolation.shared.get(&Namespace::Network).is_some_and(|owner| owner == service)
    });
    let theirs = lodgers.flat_map(|(_, one)| &one.labels);
    let theirs = theirs.filter(|(label, _)| !label.eq_ignore_ascii_case(TRAEFIK_ENABLE));
    let all = theirs.chain(&project.services[service].labels).filter(|(label, _)| is_traefiks(label));
    all.map(|(label, value)| (label.clone(), value.clone())).collect()
}

fn spec(
    tools: &Tools,
    prepared: &Prepared,
    plan: &Plan,
    service: &str,
    identity: &Identity,
    started: &Started,
) -> ContainerSpec {
    let definition = &prepared.project.services[service];
    let image = &prepared.images[service];
    let platform = tools.engine.platform();
    let shared = definition.isolation.shared.iter();
    let shared =
        shared.filter_map(|(namespace, other)| Some((*namespace, container_of(plan, other, started)?)));
    let lent = definition.volumes_from.iter();
    let lent = lent.filter_map(|from| Some((container_of(plan, &from.service, started)?, from.read_only)));
    let around = Around {
        name: identity.next_name(),
        image: image.id.clone(),
        labels: identity.labels(platform),
        platform,
        workspace: &prepared.project.workspace,
        volumes: &prepared.project.volumes,
        source: &prepared.source.path,
        files: &private::folder(&prepared.source, service),
        networks: names::memberships(platform, &prepared.project, service, plan.slot),
        shared: shared.collect(),
        volumes_from: lent.collect(),
        port: identity.routes.first().map(|route| route.port).filter(|_| image.contract.port.is_some()),
    };
    container(definition, around)
}
