//! The image of each service: there, pulled, or built; and with its dependencies installed, as a layer made in a
//! clean container and kept for as long as the files that decide them stay the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_core::history::RanImage;
use cloudyknight_core::manifest::Manifest;
use futures::StreamExt;

use super::read::Read;
use super::{DeployError, Job, Tools, with_causes};
use crate::board::Progress;
use crate::builds::Output;
use crate::compose::model::{
    Build, Healthcheck, ImageSource, Isolation, MountOptions, PullPolicy, Resources, Service, Surroundings,
};
use crate::engine::{
    BuildNetwork, BuildSpec, ContainerSpec, Engine, EngineError, Excerpt, Follow, ImageFacts, Mounted,
};
use crate::hardening;
use crate::identity::{PLATFORM, WORKSPACE};
use crate::ignore::Patterns;
use crate::lines::Lines;
use crate::runtime::{Contract, Dependencies};
use crate::source::{self, Source};

/// The image that a service's containers are made of.
#[derive(Clone, Debug)]
pub struct Image {
    /// As the compose file calls it.
    pub name: String,
    /// What to run: the image itself, or the layer with its dependencies.
    pub id: String,
    pub facts: ImageFacts,
    pub contract: Contract,
    /// What its build leaves out of the context.
    pub unsent: Patterns,
}

/// Installations under way, so that two deployments never make the same layer at once.
#[derive(Default)]
pub struct Installing(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

const BUILD: &str = "cloudyknight-build-";
const DEPENDENCIES: &str = "cloudyknight-dependencies-";
/// How the names of images begin that the platform makes for one workspace.
pub const MADE: [&str; 2] = [BUILD, DEPENDENCIES];
const PULL_LIMIT: Duration = Duration::from_secs(300);
const LOG_LINES: usize = 40;

/// What each service runs; and warnings, where that is not what it ran before.
pub async fn prepare(
    tools: &Tools,
    job: &Job<'_>,
    read: &Read,
    source: &Source,
    progress: &Progress,
) -> Result<(BTreeMap<String, Image>, Vec<String>), DeployError> {
    let project = &read.project;
    let (mut images, mut warnings) = (BTreeMap::new(), Vec::new());
    let output = tools.builds.of(job.workspace, job.deployment);
    for (service, definition) in &project.services {
        let mut unsent = Patterns::default();
        let (name, facts) = match &definition.image {
            ImageSource::Image(name) => {
                let facts = match ran(job, service, name) {
                    Some(ran) => job.cut.or(as_it_ran(tools, ran, definition, progress)).await?,
                    None => None,
                };
                let facts = match facts {
                    Some(facts) => facts,
                    None => {
                        let facts = job.cut.or(found(tools, service, name, definition, progress)).await?;
                        if ran(job, service, name).is_some_and(|ran| ran.id != facts.id) {
                            warnings.push(format!(
                                "service `{service}`: `{name}` is another image than when this release was live: that one is \
                                 neither here nor at its registry"
                            ));
                        }
                        facts
                    }
                };
                if let Some(other) = whose(&facts).filter(|other| *other != job.workspace.as_str()) {
                    let message =
                        format!("the image `{name}` is refused: it was made for workspace `{other}`");
                    let hint = "build it here with `build`, or name an image that everybody has";
                    let error = read.places.image(service, message).hinted(hint);
                    return Err(DeployError::Compose(error));
                }
                (name.clone(), facts)
            }
            ImageSource::Build(build) => {
                // Docker ends a build that nobody listens to any more.
                unsent = ignored(service, build, source)?;
                let built = built(tools, job, service, build, definition, (source, &unsent), &output);
                let (name, facts) = progress.step("build", job.cut.or(built)).await?;
                if ran(job, service, &name).is_some_and(|ran| ran.id != facts.id) {
                    warnings.push(format!(
                        "service `{service}`: its image was not kept and is built anew, of what its Dockerfile names today"
                    ));
                }
                (name, facts)
            }
        };
        let contract = Contract::of(&facts.labels);
        let id = match &contract.dependencies {
            Some(dependencies) if !dependencies.present(job.manifest).is_empty() => {
                let install =
                    install(tools, job, service, &facts, dependencies, (source, project.fresh), &output);
                progress.step("dependencies", install).await?
            }
            _ => facts.id.clone(),
        };
        images.insert(service.clone(), Image { name, id, facts, contract, unsent });
    }
    Ok((images, warnings))
}

/// What a service ran by this name when its release was live.
fn ran<'a>(job: &Job<'a>, service: &str, name: &str) -> Option<&'a RanImage> {
    job.ran?.get(service).filter(|ran| ran.name == name)
}

/// The very image that a service ran: the engine's, or its registry's.
async fn as_it_ran(
    tools: &Tools,
    ran: &RanImage,
    definition: &Service,
    progress: &Progress,
) -> Result<Option<ImageFacts>, DeployError> {
    if let Some(facts) = tools.engine.image(&ran.id).await? {
        return Ok(Some(facts));
    }
    let Some(digest) = ran.digest.as_deref().filter(|_| definition.pull != PullPolicy::Never) else {
        return Ok(None);
    };
    match progress.step("pull", tools.engine.pull(digest, definition.platform.as_deref(), PULL_LIMIT)).await {
        Ok(()) => Ok(tools.engine.image(digest).await?),
        Err(error) if error.is_outage() => Err(error.into()),
        Err(error) => {
            tracing::debug!(
                image = ran.name,
                digest,
                error = with_causes(&error),
                "it cannot be had any more"
            );
            Ok(None)
        }
    }
}

async fn found(
    tools: &Tools,
    service: &str,
    image: &str,
    definition: &Service,
    progress: &Progress,
) -> Result<ImageFacts, DeployError> {
    let here = tools.engine.image(image).await?;
    let platform = definition.platform.as_deref();
    let missing =
        |message: String| DeployError::NoImage { service: service.into(), image: image.into(), message };
    let fits = |facts: &ImageFacts| platform.is_none_or(|wanted| is_platform(wanted, &facts.platform));
    match here {
        Some(facts) if fits(&facts) && !outdated(definition.pull, &facts) => return Ok(facts),
        _ if definition.pull == PullPolicy::Never => {
            return Err(missing("`pull_policy: never` forbids it".into()));
        }
        _ => {}
    }
    match progress.step("pull", tools.engine.pull(image, platform, PULL_LIMIT)).await {
        Ok(()) => {}
        Err(error) if error.is_outage() => return Err(error.into()),
        Err(EngineError::Refused { message, .. }) => return Err(missing(message)),
        Err(other) => return Err(missing(other.to_string())),
    }
    let facts = tools.engine.image(image).await?;
    facts.filter(fits).ok_or_else(|| missing("the registry sent another image".into()))
}

/// The workspace that an image was made for.
fn whose(facts: &ImageFacts) -> Option<&str> {
    facts.labels.get(WORKSPACE).map(String::as_str)
}

/// Whether the registry is to be asked although the engine has the image.
fn outdated(policy: PullPolicy, facts: &ImageFacts) -> bool {
    match policy {
        PullPolicy::Missing | PullPolicy::Never | PullPolicy::Build => false,
        PullPolicy::Always => true,
        PullPolicy::Every(period) => {
            let age = time::OffsetDateTime::now_utc().unix_timestamp() - facts.had_at;
            u64::try_from(age).is_ok_and(|age| age >= period)
        }
    }
}

/// Whether an image's platform is the wanted one; a variant counts where one is wanted.
fn is_platform(wanted: &str, found: &str) -> bool {
    let usual = |text: &str| text.replace("x86_64", "amd64").replace("aarch64", "arm64");
    let (wanted, found) = (usual(wanted), usual(found));
    found == wanted || found.starts_with(&format!("{wanted}/"))
}

/// Builds the image of a service from the workspace, unless the same build was made before.
async fn built(
    tools: &Tools,
    job: &Job<'_>,
    service: &str,
    build: &Build,
    definition: &Service,
    (source, unsent): (&Source, &Patterns),
    output: &Output<'_>,
) -> Result<(String, ImageFacts), DeployError> {
    let platform = tools.engine.platform();
    let repository = format!("{BUILD}{platform}-{}-{service}", job.workspace).to_lowercase();
    let name = format!("{repository}:{}", build_key(build, job.manifest, unsent));
    if let Some(facts) = tools.engine.image(&name).await?
        && !tools.settings.fresh
        && !build.no_cache
        && !build.pull
        && definition.pull != PullPolicy::Build
    {
        return Ok((name, facts));
    }
    let context = source.path.join(&build.context);
    let (inline, dockerfile) = (build.inline.clone(), build.dockerfile.clone());
    let unsent = unsent.clone();
    let archive = move || archive(&context, inline.as_deref(), &dockerfile, &unsent);
    let archive = tokio::task::spawn_blocking(archive).await;
    let archive =
        archive.expect("writing an archive does not panic").map_err(|error| DeployError::Refused {
            service: service.into(),
            message: format!("the build context `{}` could not be read: {error}", build.context),
        })?;
    let limit = tools.settings.build_timeout;
    let network = tools.engine.ensure_build_network(tools.settings.subnet_pool).await?;
    let (_, memory) = tools.settings.policy.current().memory(job.workspace);
    let spec = build_spec(&name, build, definition, &network, memory);
    let lines = output.begin(&format!("building the image of service `{service}`"));
    let made = tools.engine.build(&spec, job.workspace, archive.into(), limit, &lines);
    made.await.map_err(|error| match error {
        EngineError::Build { message, log } => DeployError::Build { service: service.into(), message, log },
        EngineError::TooLong { .. } => {
            DeployError::Build { service: service.into(), message: error.to_string(), log: Vec::new() }
        }
        other => other.into(),
    })?;
    let facts = tools.engine.image(&name).await?;
    let gone = || DeployError::Build {
        service: service.into(),
        message: "its image is gone".into(),
        log: Vec::new(),
    };
    Ok((name, facts.ok_or_else(gone)?))
}

/// What the engine's builder is told. `memory` is the most that a container of the workspace may have, in bytes.
pub fn build_spec(
    tag: &str,
    build: &Build,
    definition: &Service,
    network: &BuildNetwork,
    memory: u64,
) -> BuildSpec {
    BuildSpec {
        tag: tag.to_owned(),
        dockerfile: if build.inline.is_some() { INLINE.to_owned() } else { build.dockerfile.clone() },
        args: build.args.clone().into_iter().collect(),
        labels: build.labels.clone().into_iter().collect(),
        target: build.target.clone(),
        cache_from: build.cache_from.clone(),
        no_cache: build.no_cache,
        pull: build.pull,
        network: build.network.clone().or_else(|| Some(network.0.clone())),
        shm_size: build.shm_size.and_then(|size| i32::try_from(size).ok()),
        extra_hosts: build.extra_hosts.clone(),
        platform: build.platform.clone().or_else(|| definition.platform.clone()),
        memory,
    }
}

/// Where a Dockerfile of the compose file lies in the archive.
const INLINE: &str = ".cloudyknight.Dockerfile";

/// What the build leaves out of its context: as the file beside the Dockerfile says, named after it, or else
/// `.dockerignore`.
fn ignored(service: &str, build: &Build, source: &Source) -> Result<Patterns, DeployError> {
    let within = |name: &str| match build.context.as_str() {
        "" => name.to_owned(),
        context => format!("{context}/{name}"),
    };
    let own = within(&format!("{}{IGNORE}", build.dockerfile));
    let general = within(IGNORE);
    let named = [own, general].into_iter().filter(|path| build.inline.is_none() || *path == within(IGNORE));
    for path in named {
        let Some(text) = source.text(&path) else { continue };
        return Patterns::of_file(&text).map_err(|error| DeployError::Refused {
            service: service.to_owned(),
            message: format!("{path}: {error}"),
        });
    }
    Ok(Patterns::default())
}

/// Docker's name for it, and what follows the name of a Dockerfile in that of its own one.
const IGNORE: &str = ".dockerignore";

/// Whether a file of the context goes to the builder. What says how to build always does; the builder takes it away where
/// it is ignored.
fn is_sent(path: &str, dockerfile: &str, unsent: &Patterns) -> bool {
    path == dockerfile || path == IGNORE || !unsent.mean(path)
}

/// Equal keys, equal builds: the files of the context and every option.
fn build_key(build: &Build, manifest: &Manifest, unsent: &Patterns) -> String {
    let options = serde_json::to_vec(build).expect("build options are plain data");
    let mut hasher = blake3::Hasher::new();
    hasher.update(&options);
    let mut files = subset(manifest, &build.context);
    files.entries.retain(|path, _| {
        let inside = path.strip_prefix(&build.context).unwrap_or(path).trim_start_matches('/');
        is_sent(inside, &build.dockerfile, unsent)
    });
    hasher.update(files.digest().as_str().as_bytes());
    hex::encode(&hasher.finalize().as_bytes()[..16])
}

/// The part of a manifest that lies at or below `path`; all of it for the root.
pub fn subset(manifest: &Manifest, path: &str) -> Manifest {
    let below = |entry: &str| {
        path.is_empty() || entry == path || entry.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    };
    let entries = manifest.entries.iter().filter(|(entry, _)| below(entry));
    Manifest { entries: entries.map(|(path, entry)| (path.clone(), entry.clone())).collect() }
}

fn archive(
    context: &std::path::Path,
    inline: Option<&str>,
    dockerfile: &str,
    unsent: &Patterns,
) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(context.join(&folder))? {
            let entry = entry?;
            // Names were keys, which are text.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let is_folder = entry.file_type()?.is_dir();
            if is_folder {
                // Also below what is left out something may be taken back.
                folders.push(path.clone());
            }
            if is_sent(&path, dockerfile, unsent) {
                if is_folder {
                    archive.append_dir(&path, entry.path())?;
                } else {
                    archive.append_path_with_name(entry.path(), &path)?;
                }
            }
        }
    }
    if let Some(text) = inline {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, INLINE, text.as_bytes())?;
    }
    archive.into_inner()
}

/// The image with the dependencies of this workspace: made once for each content of the deciding files.
async fn install(
    tools: &Tools,
    job: &Job<'_>,
    service: &str,
    image: &ImageFacts,
    dependencies: &Dependencies,
    (source, fresh): (&Source, bool),
    output: &Output<'_>,
) -> Result<String, DeployError> {
    let fresh = fresh || tools.settings.fresh;
    let key = dependencies.key(image, job.manifest);
    let tag = if fresh { format!("{key}-{}", job.deployment) } else { key.clone() };
    // Neither platforms nor workspaces share them: none removes what another is about to start.
    let platform = tools.engine.platform();
    let name = format!("{DEPENDENCIES}{platform}-{}:{}", job.workspace, tag.to_lowercase());
    let turn = tools.installing.turn(&name);
    let _turn = job.cut.or(async { Ok(turn.lock().await) }).await?;
    if let Some(layer) = tools.engine.image(&name).await? {
        return Ok(layer.id);
    }
    let files = dependencies.present(job.manifest);
    let excerpt = source.excerpt("dependencies", &files).await?;
    let environment = source.beside("environment", &exports(&tools.settings.install.environment)).await?;
    let network = tools.engine.ensure_build_network(tools.settings.subnet_pool).await?;
    let container = install_container(tools, job, image, dependencies, network, (&excerpt, &environment));
    let lines = output.begin(&format!("installing the dependencies of service `{service}`"));
    let result = run_install(tools, job, service, &container, (image, &name), &lines).await;
    source::discard(&excerpt).await;
    source::discard(&environment).await;
    result?;
    let layer = tools.engine.image(&name).await?;
    let gone =
        EngineError::Refused { operation: "find the dependency layer".into(), message: name, status: 404 };
    Ok(layer.ok_or(gone)?.id)
}

async fn run_install(
    tools: &Tools,
    job: &Job<'_>,
    service: &str,
    spec: &ContainerSpec,
    (image, name): (&ImageFacts, &str),
    lines: &Lines,
) -> Result<(), DeployError> {
    let engine = &tools.engine;
    let id = engine.create(spec).await?.id;
    let limit = tools.settings.build_timeout;
    let run = async {
        engine.start(&id).await?;
        let ended = async {
            let printed = print(engine, &id, lines);
            let ended = async { tokio::join!(engine.ended(&id), printed).0 };
            Ok(tokio::time::timeout(limit, ended).await)
        };
        let ended = job.cut.or(ended).await?;
        let Ok(code) = ended else {
            let log = engine.log_tail(&id, LOG_LINES).await;
            return Err(DeployError::InstallTooLong { service: service.into(), limit, log });
        };
        match code? {
            0 => {}
            code => {
                let log = engine.log_tail(&id, LOG_LINES).await;
                return Err(DeployError::Install { service: service.into(), code, log });
            }
        }
        let (repository, tag) = name.rsplit_once(':').expect("the name was made with a tag");
        Ok(engine.commit(&id, repository, tag, &image.id, spec.labels.clone()).await?)
    };
    let result = run.await;
    if let Err(error) = engine.remove(&id).await {
        tracing::warn!(container = spec.name, %error, "a container that installed dependencies could not be removed");
    }
    result
}

/// Keeps what a container prints, until it ends. What cannot be read is only not shown.
async fn print(engine: &Engine, container: &str, lines: &Lines) {
    let excerpt = Excerpt { follow: Follow::UntilItStops, ..Excerpt::default() };
    let mut log = std::pin::pin!(engine.logs(container, excerpt));
    while let Some(line) = log.next().await {
        match line {
            Ok(line) => lines.push(&line.text),
            Err(error) => {
                tracing::debug!(container, error = with_causes(&error), "what it prints cannot be read");
                return;
            }
        }
    }
}

fn install_container(
    tools: &Tools,
    job: &Job<'_>,
    image: &ImageFacts,
    dependencies: &Dependencies,
    network: BuildNetwork,
    (files, environment): (&std::path::Path, &std::path::Path),
) -> ContainerSpec {
    let access = &tools.settings.install;
    let mount = |source: &std::path::Path, target: &str| Mounted::Folder {
        source: source.display().to_string(),
        target: target.to_owned(),
        read_only: true,
        options: MountOptions::default(),
    };
    let mut mounts = vec![mount(files, &dependencies.source), mount(environment, ENVIRONMENT)];
    mounts.extend(access.files.iter().map(|file| mount(file, &file.display().to_string())));
    ContainerSpec {
        name: format!("workspace-{}.install-{}", job.workspace, job.deployment),
        image: image.id.clone(),
        labels: HashMap::from([
            (PLATFORM.to_owned(), tools.engine.platform().to_owned()),
            (WORKSPACE.to_owned(), job.workspace.to_string()),
        ]),
        command: Some(vec![format!(". {ENVIRONMENT}\n{}", dependencies.install)]),
        entrypoint: Some(vec!["/bin/sh".into(), "-c".into()]),
        environment: BTreeMap::new(),
        working_dir: None,
        user: Some("0".to_owned()),
        init: true,
        stop_signal: None,
        healthcheck: Healthcheck::Disabled,
        isolation: hardening::isolation(&Isolation::default(), &Contract::default()),
        resources: {
            let policy = tools.settings.policy.current();
            let ((_, memory), (_, pids)) = (policy.memory(job.workspace), policy.pids(job.workspace));
            hardening::resources(&Resources::default(), (memory, memory), pids)
        },
        surroundings: Surroundings::default(),
        shared: BTreeMap::new(),
        volumes_from: Vec::new(),
        mounts,
        ports: Vec::new(),
        networks: vec![(network.0, Vec::new())],
    }
}

/// Where the container that installs finds its environment. A file, because a container's own environment, which
/// may name a proxy with its password, would become part of the image.
const ENVIRONMENT: &str = "/run/cloudyknight-environment";

/// The variables as lines for a POSIX shell.
fn exports(variables: &BTreeMap<String, String>) -> String {
    let line =
        |(name, value): (&String, &String)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    variables.iter().map(line).collect()
}

impl Installing {
    fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().expect("no thread panics while it holds the turns");
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(name.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::manifest::Entry;

    use super::*;

    #[test]
    fn values_of_the_environment_reach_the_shell_as_they_are() {
        let variables = BTreeMap::from([("HTTP_PROXY".to_owned(), "http://u:it's$x@h".to_owned())]);
        assert_eq!(exports(&variables), "export HTTP_PROXY='http://u:it'\\''s$x@h'\n");
    }

    #[test]
    fn a_subset_holds_the_folder_and_nothing_that_only_begins_like_it() {
        let entry = Entry { etag: "e".into(), size: 1 };
        let paths = ["html/a", "html/b/c", "html2/d", "html.txt", "conf"];
        let manifest = Manifest { entries: paths.map(|path| (path.to_owned(), entry.clone())).into() };
        let keys = |path: &str| subset(&manifest, path).entries.into_keys().collect::<Vec<_>>();
        assert_eq!(keys("html"), ["html/a", "html/b/c"]);
        assert_eq!(keys("conf"), ["conf"]);
        assert_eq!(keys("").len(), 5);
    }
}
