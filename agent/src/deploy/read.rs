//! Reads a release: its compose file, or the one made for it, and what follows for each service.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::manifest::Manifest;

use super::images::{Image, subset};
use super::{DeployError, Job, Prepared, Tools, names};
use crate::compose;
use crate::compose::model::{ImageSource, MountSource, Project, Service};
use crate::plan::Wanted;
use crate::routes::{self, ServiceRoute};
use crate::source::Source;

pub struct Read {
    pub project: Project,
    pub warnings: Vec<String>,
    pub default_compose: Option<String>,
}

pub fn compose(tools: &Tools, job: &Job<'_>, source: &Source) -> Result<Read, DeployError> {
    let mut warnings: Vec<String> = source
        .layout
        .left_out
        .iter()
        .map(|(key, why)| format!("the object {key:?} can be no file and is left out: {why}"))
        .collect();
    let files = |path: &str| source.text(path);
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
        policy: &tools.settings.policy,
    };
    let parsed = compose::parse(&input).map_err(DeployError::Compose)?;
    warnings.extend(parsed.warnings.iter().map(ToString::to_string));
    Ok(Read { project: parsed.project, warnings, default_compose })
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
    images: BTreeMap<String, Image>,
    source: Source,
) -> Result<Prepared, DeployError> {
    let Read { mut project, mut warnings, default_compose } = read;
    for (service, definition) in &mut project.services {
        match definition.image {
            ImageSource::Image(_) => images[service].contract.complete(&mut definition.mounts),
            // It inherits the contract of what it is built from, but its Dockerfile put there what it needs.
            ImageSource::Build(_) => {}
        }
    }
    let ports =
        images.iter().map(|(name, image)| (name.clone(), image.contract.ports(&image.facts))).collect();
    let assigned = routes::assign(job.workspace, &tools.settings.domain, &project.services, &ports);
    let assigned = assigned.map_err(DeployError::Route)?;
    warnings.extend(assigned.warnings);
    for (service, own) in &assigned.routes {
        for route in own {
            if let Some(other) = tools.edge.taken(job.workspace, &route.rule).await {
                let (service, rule) = (service.clone(), route.rule.clone());
                return Err(DeployError::RouteTaken { service, rule, other: other.to_string() });
            }
        }
    }
    for (service, definition) in &project.services {
        if let Some(why) = exclusive(definition) {
            warnings.push(format!(
                "service `{service}` is stopped before its new container starts, because {why}"
            ));
        }
    }
    let wanted = project.services.iter().map(|(service, definition)| {
        let none = Vec::new();
        let routes = assigned.routes.get(service).unwrap_or(&none);
        let want = Wanted {
            spec: spec(&project, definition, &images[service], routes, job.manifest),
            depends_on: definition.depends_on.keys().cloned().collect::<BTreeSet<_>>(),
            exclusive: exclusive(definition).is_some(),
        };
        (service.clone(), want)
    });
    Ok(Prepared {
        wanted: wanted.collect(),
        release: job.manifest.digest(),
        routes: assigned.routes,
        project,
        source,
        images,
        warnings,
        default_compose,
    })
}

/// Why two containers of a service must not run at once.
fn exclusive(service: &Service) -> Option<&'static str> {
    let fixed_port = service.ports.iter().any(|port| port.published.is_some());
    let writes = |mount: &crate::compose::model::Mount| {
        matches!(mount.source, MountSource::Volume(_)) && !mount.read_only
    };
    if fixed_port {
        Some("it publishes a fixed port of the host")
    } else if service.mounts.iter().any(writes) {
        Some("it writes to a named volume")
    } else {
        None
    }
}

/// Digest of everything that makes a container of this service what it is: what the file says, the image, the
/// routes, and the part of the source that it mounts. A change anywhere else leaves the container alone.
fn spec(
    project: &Project,
    service: &Service,
    image: &Image,
    routes: &[ServiceRoute],
    manifest: &Manifest,
) -> String {
    let sources = service.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Workspace(path) => Some(subset(manifest, path).digest()),
        MountSource::Volume(_) | MountSource::Anonymous | MountSource::Tmpfs | MountSource::Host(_) => None,
    });
    let sources: Vec<_> = sources.collect();
    let internal: Vec<bool> = service.networks.keys().map(|name| names::is_internal(project, name)).collect();
    let all = serde_json::to_vec(&(service, internal, &image.id, routes, sources))
        .expect("a service is plain data");
    hex::encode(&blake3::hash(&all).as_bytes()[..16])
}
