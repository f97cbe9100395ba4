//! Carries out one deployment: source, images, plan, start, check, one more look at the bucket, switch. Up to the
//! switch nothing that serves is touched; whatever fails before it is taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cloudyknight_core::about::About;
use cloudyknight_core::history::RanImage;
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::release::Release;
use cloudyknight_core::status::{ServiceStatus, Strategy};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::listing::manifest;

use crate::api::sockets::Sockets;
use crate::board::Progress;
use crate::builds::Builds;
use crate::compose::model::Project;
use crate::desires::Desires;
use crate::edge_link::EdgeLink;
use crate::engine::Engine;
use crate::firewall::Firewall;
use crate::identity::{DeploymentId, Identity, Slot};
use crate::plan::{Plan, Running, Wanted, plan};
use crate::releases::Releases;
use crate::routes::ServiceRoute;
use crate::settings::Settings;
use crate::source::{self, Place, Source};

mod about;
mod check;
mod clear;
pub(crate) mod container;
mod cut;
mod error;
mod hooks;
pub(crate) mod images;
mod in_place;
mod jobs;
mod keep;
pub(crate) mod names;
mod ports;
mod private;
mod read;
mod refresh;
pub(crate) mod replicas;
mod resume;
mod retire;
mod start;
mod switch;

pub use clear::{Needs, clear_away};
pub use cut::{Cut, Why};
use in_place::InPlace;
use keep::Keeping;

pub use error::{DeployError, Kind, with_causes};
pub use images::Installing;
pub use in_place::{Live, SYNC};
pub use jobs::wake;
pub use refresh::{recovered, refresh};
pub use resume::{clear, finish_switch};
pub use retire::{Retirement, Retiring, report};

/// What every deployment works with.
#[derive(Clone)]
pub struct Tools {
    pub settings: Arc<Settings>,
    pub engine: Engine,
    pub workspaces: Arc<dyn Bucket>,
    pub edge: Arc<EdgeLink>,
    pub installing: Arc<Installing>,
    pub retiring: Arc<Retiring>,
    pub releases: Arc<Releases>,
    pub desires: Arc<Desires>,
    pub firewall: Arc<Firewall>,
    pub sockets: Arc<Sockets>,
    pub builds: Arc<Builds>,
}

/// One attempt to make a release live.
pub struct Job<'a> {
    pub workspace: &'a WorkspaceName,
    pub deployment: &'a DeploymentId,
    pub manifest: &'a Manifest,
    /// It was kept, and comes from there; otherwise it comes from the workspaces bucket.
    pub kept: Option<&'a Release>,
    /// What its services ran, by service.
    pub ran: Option<&'a BTreeMap<String, RanImage>>,
    /// [`cloudyknight_core::desired::Desired::restarts`]: what was made for another number is made anew.
    pub restarts: u64,
    /// The source of the live release, if this agent fetched it.
    pub previous: Option<&'a Source>,
    /// Look at the bucket once more before the switch, and do not switch if it has moved on.
    pub confirm: bool,
    /// Who may end it before that.
    pub cut: &'a Cut,
    /// What runs, where its containers may be brought to the release in the place of new ones.
    pub live: Option<&'a Live>,
    /// Told before anything is done to them: from here on they are of no release, until one is live again.
    pub touching: &'a (dyn Fn() + Sync),
}

/// A release that serves.
pub struct Deployed {
    pub source: Source,
    pub services: Vec<ServiceStatus>,
    /// What they run, by service.
    pub images: BTreeMap<String, RanImage>,
    pub urls: Vec<String>,
    pub warnings: Vec<String>,
    pub default_compose: Option<String>,
    pub about: About,
    /// What the switch left behind.
    pub retirement: Retirement,
    pub needs: Needs,
    /// Its new containers, by id.
    pub started: BTreeMap<String, Newcomer>,
    /// Whether it is whole in the platform bucket.
    pub is_kept: bool,
    pub live: Live,
}

/// A container that was started for a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    pub service: String,
    /// Ending well is no failure of it.
    pub may_end: bool,
    /// Only what happens to it from here on counts, in nanoseconds of the Unix epoch by Docker's clock.
    pub since: Option<i128>,
}

impl Newcomer {
    pub fn of(identity: &Identity) -> Self {
        Self { service: identity.service.clone(), may_end: identity.may_end(), since: None }
    }
}

/// A release with everything known that a plan needs.
#[derive(Clone)]
struct Prepared {
    /// As its files say it.
    frame: read::Frame,
    files: BTreeSet<String>,
    project: Project,
    release: ReleaseDigest,
    source: Source,
    /// By service.
    images: BTreeMap<String, images::Image>,
    routes: BTreeMap<String, Vec<ServiceRoute>>,
    /// By their names in the file.
    may_end: BTreeSet<String>,
    wanted: BTreeMap<String, Wanted>,
    warnings: Vec<String>,
    /// So many of them come from reading it.
    warnings_of_reading: usize,
    default_compose: Option<String>,
}

/// Deploys. Assumption: nothing clears away for this workspace meanwhile.
pub async fn deploy(tools: &Tools, job: &Job<'_>, progress: &Progress) -> Result<Deployed, DeployError> {
    let source = progress.step("fetch", fetch(tools, job)).await?;
    let mut keeping = Keeping::begin(tools, job, &source);
    let (switched, again) = match in_place::attempt(tools, job, &source, &mut keeping, progress).await {
        Ok(InPlace::Done(deployed)) => return Ok(*deployed),
        Ok(InPlace::Not(warning)) => {
            (up_to_the_switch(tools, job, progress, source.clone(), &mut keeping).await, warning)
        }
        Err(error) => (Err(error), None),
    };
    let (mut prepared, plan, started) = match switched {
        Ok(switched) => switched,
        Err(error) => {
            // It reads what is about to go.
            keeping.end(job).await;
            source.discard().await;
            return Err(error);
        }
    };
    // It serves now: whatever fails from here on, its source stays.
    let promoted = switch::promote(tools, job, &prepared, &plan, &started).await;
    let switch::Promoted { retirement, needs, names, completed } =
        promoted.map_err(DeployError::Unrecorded)?;
    prepared.warn_of_names(&names);
    let live = Live::of(job, &prepared, &needs);
    prepared.warnings.extend(again);
    prepared.warnings.extend(started.warnings.iter().cloned());
    Ok(Deployed {
        services: prepared.services(names, &completed),
        images: prepared.ran(),
        urls: switch::urls(&tools.settings, &prepared.routes),
        about: about::about(&prepared),
        warnings: prepared.warnings,
        default_compose: prepared.default_compose,
        source: prepared.source,
        retirement,
        needs,
        started: started
            .containers
            .values()
            .map(|one| (one.id.clone(), Newcomer::of(&one.identity)))
            .collect(),
        is_kept: keeping.is_done(),
        live,
    })
}

async fn fetch(tools: &Tools, job: &Job<'_>) -> Result<Source, DeployError> {
    let place = Place {
        source_dir: &tools.settings.source_dir,
        workspace: job.workspace,
        deployment: job.deployment,
        limit: tools.settings.max_source_bytes,
        previous: job.previous,
    };
    let fetched = async {
        match job.kept {
            Some(release) => Ok(tools.releases.fetch(&place, release).await?),
            None => Ok(Source::fetch(tools.workspaces.as_ref(), &place, job.manifest).await?),
        }
    };
    let fetched = job.cut.or(fetched).await;
    if fetched.is_err() {
        // Ended in the middle, it has not cleared up after itself.
        let folder = Source::folder(job.workspace, job.deployment);
        source::discard(&place.source_dir.join(folder)).await;
    }
    fetched
}

async fn up_to_the_switch(
    tools: &Tools,
    job: &Job<'_>,
    progress: &Progress,
    source: Source,
    keeping: &mut Keeping,
) -> Result<(Prepared, Plan, start::Started), DeployError> {
    let read = read::compose(tools, job, &source)?;
    let (images, odd) = images::prepare(tools, job, &read, &source, progress).await?;
    let mut prepared = read::prepare(tools, job, read, images, source).await?;
    prepared.warnings.extend(odd);

    let (running, free) = room(tools, job).await?;
    let plan = plan(&prepared.wanted, running, free);

    let mut started = start::Started::default();
    match attempt(tools, job, progress, &prepared, &plan, &mut started, keeping).await {
        Ok(()) => Ok((prepared, plan, started)),
        Err(error) => {
            start::take_back(tools, &plan, &started).await;
            Err(error)
        }
    }
}

/// What runs, and a slot that nothing is in. There is one, unless many releases before this one still finish what they
/// carry; then the first of them to be done makes room.
async fn room(tools: &Tools, job: &Job<'_>) -> Result<(Running, Slot), DeployError> {
    loop {
        let mut running = Running::recover(tools.engine.containers(Some(job.workspace)).await?);
        resume::finish_switch(tools, &mut running).await?;
        if let Some(free) = running.free_slot() {
            return Ok((running, free));
        }
        if let Some(one) = running.retired.iter().find(|one| !tools.retiring.has(&one.id)) {
            // Nobody sees to it that it goes.
            resume::clear(tools, std::slice::from_ref(one)).await;
        }
        tools.retiring.hurry_first(job.workspace);
        job.cut.sleep(ROOM_INTERVAL).await?;
    }
}

const ROOM_INTERVAL: Duration = Duration::from_millis(50);

/// Everything up to and including the switch of the routes.
async fn attempt(
    tools: &Tools,
    job: &Job<'_>,
    progress: &Progress,
    prepared: &Prepared,
    plan: &Plan,
    started: &mut start::Started,
    keeping: &mut Keeping,
) -> Result<(), DeployError> {
    progress.step("start", start::start(tools, job, prepared, plan, started)).await?;
    progress.step("check", job.cut.or(start::check(tools, prepared, plan, started))).await?;
    // A release that serves can be gone back to: so it is kept before it does.
    keeping.wait(job, progress).await?;
    if job.confirm {
        let now = manifest(tools.workspaces.as_ref(), job.workspace).await?;
        if now.digest() != prepared.release {
            return Err(DeployError::Superseded);
        }
    }
    job.cut.close()?;
    progress.step("switch", switch::routes(tools, job, plan, started)).await
}

impl Prepared {
    /// `names` are those of the containers, by service; `completed` those of them that have ended well.
    fn services(&self, names: BTreeMap<String, String>, completed: &BTreeSet<String>) -> Vec<ServiceStatus> {
        let status = |(service, container): (String, String)| {
            let completed = completed.contains(&service);
            let image = self.images[&service].name.clone();
            let strategy = match self.wanted[&service].exclusive {
                true => Strategy::Recreate,
                false => Strategy::Rolling,
            };
            let service = replicas::service_of(&service).to_owned();
            ServiceStatus { service, container, image, strategy, completed }
        };
        names.into_iter().map(status).collect()
    }

    /// What its services run.
    fn ran(&self) -> BTreeMap<String, RanImage> {
        let ran = self.images.iter().map(|(entry, image)| {
            let images::Image { name, facts, .. } = image;
            let ran = RanImage { name: name.clone(), id: facts.id.clone(), digest: facts.digest.clone() };
            (replicas::service_of(entry).to_owned(), ran)
        });
        ran.collect()
    }

    /// A name that the workspace's own compose file asks for is not always to be had.
    fn warn_of_names(&mut self, names: &BTreeMap<String, String>) {
        if self.default_compose.is_some() {
            return;
        }
        for (service, name) in names {
            let asked = &self.project.services[service].container_name;
            if let Some(asked) = asked.as_ref().filter(|asked| *asked != name) {
                self.warnings.push(format!(
                    "service `{service}`: another container is called `{asked}` already; this one is `{name}`"
                ));
            }
        }
    }
}
