//! Carries out one deployment: source, images, plan, start, check, one more look at the bucket, switch. Up to the
//! switch nothing that serves is touched; whatever fails before it is taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::status::ServiceStatus;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::listing::manifest;

use crate::board::Progress;
use crate::compose::model::Project;
use crate::edge_link::EdgeLink;
use crate::engine::Engine;
use crate::identity::DeploymentId;
use crate::plan::{Plan, Running, Wanted, plan};
use crate::routes::ServiceRoute;
use crate::settings::Settings;
use crate::source::Source;

mod check;
mod error;
mod images;
mod ports;
mod read;
mod retire;
mod start;
mod switch;

pub use error::{DeployError, Kind, with_causes};
pub use images::Installing;
pub use retire::{Retirement, report};
pub use switch::{recovered, refresh};

/// What every deployment works with.
#[derive(Clone)]
pub struct Tools {
    pub settings: Arc<Settings>,
    pub engine: Engine,
    pub workspaces: Arc<dyn Bucket>,
    pub edge: Arc<EdgeLink>,
    pub installing: Arc<Installing>,
}

/// One attempt to make a release live.
pub struct Job<'a> {
    pub workspace: &'a WorkspaceName,
    pub deployment: &'a DeploymentId,
    pub manifest: &'a Manifest,
    /// The source of the live release, if this agent fetched it.
    pub previous: Option<&'a Source>,
    /// Switch even if the bucket has moved on meanwhile: it has done so too often.
    pub final_attempt: bool,
}

/// A release that serves.
pub struct Deployed {
    pub source: Source,
    pub services: Vec<ServiceStatus>,
    pub urls: Vec<String>,
    pub warnings: Vec<String>,
    pub default_compose: Option<String>,
    /// What the switch left behind.
    pub retirement: Retirement,
}

/// A release with everything known that a plan needs.
struct Prepared {
    project: Project,
    release: ReleaseDigest,
    source: Source,
    /// By service.
    images: BTreeMap<String, images::Image>,
    routes: BTreeMap<String, Vec<ServiceRoute>>,
    wanted: BTreeMap<String, Wanted>,
    warnings: Vec<String>,
    default_compose: Option<String>,
}

/// Deploys. `retiring` is what the deployment before has not finished clearing away; new containers wait for it,
/// because they join the networks that it still uses.
pub async fn deploy(
    tools: &Tools,
    job: &Job<'_>,
    progress: &Progress,
    retiring: Option<tokio::task::JoinHandle<()>>,
) -> Result<Deployed, DeployError> {
    let source = progress.step("fetch", fetch(tools, job)).await?;
    let result = with_source(tools, job, progress, retiring, source.clone()).await;
    if result.is_err() {
        source.discard().await;
    }
    result
}

async fn fetch(tools: &Tools, job: &Job<'_>) -> Result<Source, DeployError> {
    let settings = &tools.settings;
    let bucket = tools.workspaces.as_ref();
    let limit = settings.max_source_bytes;
    let dir = &settings.source_dir;
    let fetched =
        Source::fetch(bucket, dir, job.workspace, job.deployment, job.manifest, limit, job.previous);
    Ok(fetched.await?)
}

async fn with_source(
    tools: &Tools,
    job: &Job<'_>,
    progress: &Progress,
    retiring: Option<tokio::task::JoinHandle<()>>,
    source: Source,
) -> Result<Deployed, DeployError> {
    let read = read::compose(tools, job, &source)?;
    let images = images::prepare(tools, job, &read.project, &source, progress).await?;
    let prepared = read::prepare(tools, job, read, images, source).await?;

    if let Some(retiring) = retiring {
        // A panic in it was reported; its containers are leftovers now, and go with this plan.
        drop(retiring.await);
    }
    let seen = tools.engine.containers(Some(job.workspace)).await?;
    let plan = plan(&prepared.wanted, Running::recover(seen));

    let mut started = start::Started::default();
    let live = attempt(tools, job, progress, &prepared, &plan, &mut started).await;
    match live {
        Ok(()) => {}
        Err(error) => {
            start::take_back(tools, &plan, &started).await;
            return Err(error);
        }
    }
    let retirement = switch::promote(tools, job, &prepared, &plan, &started).await?;
    Ok(Deployed {
        services: prepared.services(&plan),
        urls: switch::urls(&tools.settings, &prepared.routes),
        warnings: prepared.warnings,
        default_compose: prepared.default_compose,
        source: prepared.source,
        retirement,
    })
}

/// Everything up to and including the switch of the routes.
async fn attempt(
    tools: &Tools,
    job: &Job<'_>,
    progress: &Progress,
    prepared: &Prepared,
    plan: &Plan,
    started: &mut start::Started,
) -> Result<(), DeployError> {
    progress.step("start", start::start(tools, job, prepared, plan, started)).await?;
    progress.step("check", start::check(tools, prepared, plan, started)).await?;
    if !job.final_attempt {
        let now = manifest(tools.workspaces.as_ref(), job.workspace).await?;
        if now.digest() != prepared.release {
            return Err(DeployError::Superseded);
        }
    }
    progress.step("switch", switch::routes(tools, job, plan, started)).await
}

impl Prepared {
    fn services(&self, plan: &Plan) -> Vec<ServiceStatus> {
        let status = |service: &String| {
            let kept = plan.keep.get(service).map(|kept| kept.identity.name.clone());
            ServiceStatus {
                service: service.clone(),
                container: kept.unwrap_or_else(|| start::name(&self.project, service)),
                image: self.images[service].name.clone(),
            }
        };
        self.project.services.keys().map(status).collect()
    }
}
