//! Reads a release: its compose file, or the one made for it, and what follows for each service.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::status::Strategy;
use cloudyknight_core::workspace::WorkspaceName;

use super::images::{Image, subset};
use super::{DeployError, Job, Prepared, Tools, in_place, jobs, names, replicas};
use crate::api::sockets;
use crate::compose;
use crate::compose::model::{
    ComposeError, Content, Healthcheck, ImageSource, Mount, MountOptions, MountSource, Namespace, Project,
    PullPolicy, Service, WatchRule,
};
use crate::compose::places::Places;
use crate::compose::policy::Policy;
use crate::edge_link::{EdgeKind, EdgeLink};
use crate::hardening;
use crate::in_place::unreachable;
use crate::plan::Wanted;
use crate::routes::{self, ServiceRoute};
use crate::runtime::Contract;
use crate::source::Source;
use crate::traefik::{self, LabelError};

pub struct Read {
    pub project: Project,
    /// The files that were looked for in reading it.
    pub files: BTreeSet<String>,
    pub warnings: Vec<String>,
    pub default_compose: Option<String>,
    pub places: Places,
}

pub fn compose(tools: &Tools, job: &Job<'_>, source: &Source) -> Result<Read, DeployError> {
    let mut warnings: Vec<String> = source
        .layout
        .left_out
        .iter()
        .map(|(key, why)| format!("the object {key:?} can be no file and is left out: {why}"))
        .collect();
    let asked = RefCell::new(BTreeSet::new());
    let files = |path: &str| {
        asked.borrow_mut().insert(path.to_owned());
        source.text(path)
    };
    let paths = |path: &str| {
        path.is_empty() || source.layout.files.contains_key(path) || source.layout.folders.contains(path)
    };
    let variables = &tools.settings.variables;
    let found = compose::detect(job.workspace, &files, &paths, variables).map_err(DeployError::Compose)?;
    let (file, text, overrides, default_compose) = match found {
        compose::Detected::Files { names, warnings: more } => {
            warnings.extend(more);
            let mut names = names.into_iter();
            let name = names.next().unwrap_or_default();
            let text = files(&name).ok_or_else(|| not_text(&name))?;
            (name, text, names.collect(), None)
        }
        compose::Detected::Default { text, warnings: more } => {
            warnings.extend(more);
            ("the default compose file".to_owned(), text.clone(), Vec::new(), Some(text))
        }
    };
    let input = compose::Input {
        workspace: job.workspace,
        file: &file,
        text: &text,
        overrides: &overrides,
        files: &files,
        paths: &paths,
        variables,
        policy: &tools.settings.policy.current(),
    };
    let parsed = compose::parse(&input).map_err(DeployError::Compose)?;
    warnings.extend(parsed.warnings.iter().map(ToString::to_string));
    let project = parsed.project;
    Ok(Read { project, files: asked.into_inner(), warnings, default_compose, places: parsed.places })
}

/// All that decides what its services are, but for images and source. Where it is the same, so are the services.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub project: Project,
    memory: (u64, u64),
    pids: (u32, u32),
    api: bool,
    traefik: BTreeSet<String>,
}

impl Frame {
    pub fn of(tools: &Tools, workspace: &WorkspaceName, project: &Project) -> Self {
        let policy = tools.settings.policy.current();
        Self {
            project: project.clone(),
            memory: policy.memory(workspace),
            pids: policy.pids(workspace),
            api: policy.api(workspace).is_some(),
            traefik: policy.traefik(workspace),
        }
    }
}

/// A label that Traefik is not to be told, where it stands; and who can allow it.
fn refused(places: &Places, policy: &Policy, workspace: &WorkspaceName, error: &LabelError) -> DeployError {
    let label = error.label();
    let at = places.label(error.service(), label.as_deref(), error.reference(), error.to_string());
    let hint = match error.permission() {
        Some(name) => {
            let allow = policy.how_to_allow(&format!("traefik = [{name:?}]"), workspace);
            format!("{}; or {allow}", error.hint())
        }
        None => error.hint(),
    };
    DeployError::Compose(ComposeError { policy: error.permission().is_some(), ..at.hinted(hint) })
}

fn not_text(file: &str) -> DeployError {
    DeployError::Compose(compose::model::ComposeError {
        file: file.to_owned(),
        position: None,
        message: "it is no UTF-8 text".to_owned(),
        hint: Some("save the compose file as UTF-8".to_owned()),
        service: None,
        policy: false,
    })
}

/// Decides routes and specs.
pub async fn prepare(
    tools: &Tools,
    job: &Job<'_>,
    read: Read,
    mut images: BTreeMap<String, Image>,
    source: Source,
) -> Result<Prepared, DeployError> {
    let Read { mut project, files, mut warnings, default_compose, places } = read;
    let (frame, warnings_of_reading) = (Frame::of(tools, job.workspace, &project), warnings.len());
    let none = Contract::default();
    let policy = tools.settings.policy.current();
    let api = api(tools, job.workspace)?;
    for (service, definition) in &mut project.services {
        let contract = match definition.image {
            ImageSource::Image(_) => &images[service].contract,
            // It inherits the contract of what it is built from, but its Dockerfile put there what it needs.
            ImageSource::Build(_) => &none,
        };
        contract.complete(&mut definition.mounts);
        definition.isolation = hardening::isolation(&definition.isolation, contract);
        let (memory, (pids, _)) = (policy.memory(job.workspace), policy.pids(job.workspace));
        definition.resources = hardening::resources(&definition.resources, memory, pids);
        if let Some(folder) = &api {
            give_api(definition, folder);
        }
    }
    let ports =
        images.iter().map(|(name, image)| (name.clone(), image.contract.ports(&image.facts))).collect();
    let (workspace, domain) = (job.workspace, tools.settings.domain.as_str());
    let mut assigned = match tools.edge.as_ref() {
        EdgeLink::Embedded(_) => {
            let assigned = routes::assign(workspace, domain, &project.services, &ports);
            assigned.map_err(|error| {
                let (label, reference) = (error.label(), error.reference());
                let at = places.label(error.service(), label.as_deref(), reference, error.to_string());
                DeployError::Compose(at.hinted(error.hint()))
            })?
        }
        EdgeLink::Traefik(edge) => {
            warnings.extend(edge.warning());
            let allowed = policy.traefik(workspace);
            traefik::assign(workspace, domain, &project.services, &ports, &allowed)
                .map_err(|error| refused(&places, &policy, workspace, &error))?
        }
    };
    warnings.append(&mut assigned.warnings);
    for (service, own) in &assigned.routes {
        for route in own {
            if let Some(other) = tools.edge.taken(job.workspace, &route.rule).await {
                let message = format!(
                    "service `{service}` would take the route {}, which workspace `{other}` already has",
                    route.rule
                );
                let hint =
                    "choose another rule; or remove the other workspace, and then `cloudyknight retry`";
                let router = route.name.split_once('/').map(|(_, router)| router).unwrap_or_default();
                let label = format!("traefik.http.routers.{router}.rule");
                let at = places.label(service, Some(&label), None, message);
                return Err(DeployError::Compose(at.hinted(hint)));
            }
        }
    }
    if !tools.engine.speaks(START_INTERVAL.0, START_INTERVAL.1) {
        warnings.extend(start_intervals(&project));
    }
    for (service, definition) in &project.services {
        if let Some(why) = exclusive(&project, definition) {
            warnings.push(format!(
                "service `{service}` is stopped before its new container starts, because {why}"
            ));
        }
    }
    for service in project.services.keys() {
        let subject = in_place::subject(&project, &images, service, false);
        let paths: Vec<&String> = source.layout.files.keys().collect();
        for (path, target, why) in unreachable(&subject, &paths) {
            let path = if path.is_empty() { "." } else { path };
            warnings.push(format!(
                "service `{service}`: `develop.watch`: changes of `{path}` are redeployed, and not put to `{target}`: {why}"
            ));
        }
    }
    let may_end = jobs::may_end(&project, &assigned.routes);
    share_routes(&project, &mut assigned.routes);
    replicas::expand(&mut project, &mut images, &mut assigned.routes);
    let wanted = project.services.iter().map(|(service, definition)| {
        let none = Vec::new();
        let routes = assigned.routes.get(service).unwrap_or(&none);
        let want = Wanted {
            spec: spec(&project, service, &images[service], routes, job, tools.edge.kind()),
            depends_on: definition.depends_on.keys().cloned().collect::<BTreeSet<_>>(),
            follows: follows(definition),
            exclusive: exclusive(&project, definition).is_some(),
            networks: meets_others_in(&project, definition),
        };
        (service.clone(), want)
    });
    Ok(Prepared {
        wanted: wanted.collect(),
        release: job.manifest.digest(),
        routes: assigned.routes,
        may_end,
        project,
        source,
        images,
        warnings,
        warnings_of_reading,
        frame,
        files,
        default_compose,
    })
}

/// The version of Docker's API, that of Docker 25, that knows `start_interval`.
const START_INTERVAL: (usize, usize) = (1, 44);

fn start_intervals(project: &Project) -> impl Iterator<Item = String> {
    let asks =
        |service: &Service| matches!(service.healthcheck, Healthcheck::Check { start_interval: Some(_), .. });
    let asking = project.services.iter().filter(move |(_, service)| asks(service));
    asking.map(|(name, _)| {
        format!("service `{name}`: `start_interval` has no effect: it needs Docker 25, and this one is older")
    })
}

/// The folder with the API's socket, if the policy lets this workspace use the API.
fn api(tools: &Tools, workspace: &WorkspaceName) -> Result<Option<String>, DeployError> {
    if tools.settings.policy.current().api(workspace).is_none() {
        return Ok(None);
    }
    tools.sockets.ensure(workspace).map_err(DeployError::ApiSocket)?;
    Ok(Some(tools.sockets.folder(workspace).display().to_string()))
}

fn give_api(service: &mut Service, folder: &str) {
    let taken = service.mounts.iter().any(|mount| mount.target == sockets::IN_CONTAINER);
    if !taken {
        service.mounts.push(Mount {
            target: sockets::IN_CONTAINER.to_owned(),
            source: MountSource::Host(folder.to_owned()),
            read_only: true,
            options: MountOptions::default(),
        });
    }
    service.environment.entry("CLOUDYKNIGHT_API_SOCKET".to_owned()).or_insert_with(sockets::path);
}

/// Why two containers of a service must not run at once.
fn exclusive(project: &Project, service: &Service) -> Option<&'static str> {
    let fixed_port = service.ports.iter().any(|port| port.published.is_some());
    let writes = |mount: &crate::compose::model::Mount| {
        matches!(mount.source, MountSource::Volume(_)) && !mount.read_only
    };
    if service.strategy == Some(Strategy::Recreate) {
        Some("its file asks for that (`strategy: recreate`)")
    } else if fixed_port {
        Some("it publishes a fixed port of the host")
    } else if service.mounts.iter().any(writes)
        || lenders(project, service).any(|one| one.mounts.iter().any(writes))
    {
        Some("it writes to a named volume")
    } else {
        None
    }
}

/// Services whose mounts it may write to as well.
fn lenders<'p>(project: &'p Project, service: &'p Service) -> impl Iterator<Item = &'p Service> {
    let lent = service.volumes_from.iter().filter(|from| !from.read_only);
    lent.filter_map(|from| project.services.get(&from.service))
}

/// Services that it cannot outlive, because it lives in their namespaces or has their mounts; and those of which the file
/// says so.
fn follows(service: &Service) -> BTreeSet<String> {
    let shared = service.isolation.shared.values().cloned();
    let lent = service.volumes_from.iter().map(|from| from.service.clone());
    let asked = service.depends_on.iter().filter(|(_, on)| on.restart).map(|(name, _)| name.clone());
    shared.chain(lent).chain(asked).collect()
}

/// Where it meets other services: in its networks, or in those of the service in whose network it lives.
fn meets_others_in(project: &Project, service: &Service) -> BTreeSet<String> {
    let owner = service.isolation.shared.get(&Namespace::Network).and_then(|name| project.services.get(name));
    owner.unwrap_or(service).networks.keys().cloned().collect()
}

/// What lives in another service's network is reached at that one's address.
fn share_routes(project: &Project, routes: &mut BTreeMap<String, Vec<ServiceRoute>>) {
    for (service, definition) in &project.services {
        if let Some(owner) = definition.isolation.shared.get(&Namespace::Network)
            && let Some(own) = routes.remove(service)
        {
            routes.entry(owner.clone()).or_default().extend(own);
        }
    }
}

/// Digest of everything that makes a container of this service what it is: what the file says, the image, the
/// routes, and the part of the source that it mounts. A change anywhere else leaves the container alone.
fn spec(
    project: &Project,
    service: &str,
    image: &Image,
    routes: &[ServiceRoute],
    job: &Job<'_>,
    edge: EdgeKind,
) -> String {
    // How an image is had and how many of it there are makes no container another one.
    let mut service =
        Service { pull: PullPolicy::default(), replicas: 1, ..project.services[service].clone() };
    service.depends_on.retain(|other, _| replicas::service_of(other) == other);
    let is_in_place = service.watch.iter().any(WatchRule::is_in_place);
    let files = service.surroundings.files.iter().filter_map(|file| match &file.content {
        Content::File(path) => Some(subset(job.manifest, path).digest()),
        Content::Text(_) => None,
    });
    let sources = service.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Workspace(path) => Some(subset(job.manifest, path).digest()),
        MountSource::Volume(_) | MountSource::Anonymous | MountSource::Tmpfs | MountSource::Host(_) => None,
    });
    let sources: Vec<_> = sources.chain(files).collect();
    let internal: Vec<bool> = service.networks.keys().map(|name| names::is_internal(project, name)).collect();
    let all = serde_json::to_vec(&(service, internal, &image.id, routes, sources, edge))
        .expect("a service is plain data");
    let mut hasher = blake3::Hasher::new();
    hasher.update(&all);
    if job.restarts > 0 {
        hasher.update(&job.restarts.to_le_bytes());
    }
    if is_in_place {
        // What it holds changes while it runs: no other deployment can tell whether it is what that one asks for.
        hasher.update(job.deployment.0.as_bytes());
    }
    hex::encode(&hasher.finalize().as_bytes()[..16])
}
