//! A Traefik of the operator's as the edge: it reads files that we write, one a workspace, and we ask its API whether
//! they are in force. A switch is one file replaced. Why files, and not Docker's labels read by Traefik itself, is in
//! `docs/decisions/0024-traefik-reads-files.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloudyknight_core::workspace::WorkspaceName;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::edge_link::Routing;
use crate::engine::{Engine, EngineError};
use crate::policy::PolicyFile;

mod api;
mod assign;
mod configuration;
mod document;
mod files;
mod known;
mod labels;
mod sockets;

pub use api::{Api, ApiError, Verdict};
pub use assign::assign;
pub use configuration::Reached;
pub use files::FileError;
pub use labels::{LabelError, is_traefiks};

use configuration::{Configuration, Purpose, configuration};
use document::document;
use files::Files;

/// How the operator's Traefik is reached.
#[derive(Clone, Debug)]
pub struct TraefikSettings {
    /// What its file provider reads.
    pub dir: PathBuf,
    /// Of its API, such as `http://127.0.0.1:8081`; `None` where there is none to ask.
    pub api: Option<String>,
    /// Says what labels of which workspaces may use beyond their own.
    pub policy: Arc<PolicyFile>,
    pub platform: String,
}

pub struct Traefik {
    settings: TraefikSettings,
    files: Files,
    api: Option<Api>,
    engine: Engine,
    /// What each workspace was told last, and took.
    told: Mutex<BTreeMap<WorkspaceName, Told>>,
    /// One change of a workspace's file at a time.
    turns: Mutex<BTreeMap<WorkspaceName, Arc<Mutex<()>>>>,
    /// Since when backends get no new requests; those of which it matters.
    left: Mutex<BTreeMap<String, Instant>>,
    repairing: Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Told {
    routing: Routing,
    live: Configuration,
    /// Without addresses: Traefik has taken this, and needs not be asked again when only containers change.
    shape: Configuration,
}

#[derive(Debug, thiserror::Error)]
pub enum TraefikError {
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("Traefik does not take the labels of the workspace: {0}")]
    Refused(String),
    #[error("Traefik answers at {url}, but what is written to {dir} does not come into force")]
    NotTaken { url: String, dir: PathBuf },
    #[error("could not see what is in flight on a container")]
    InFlight(#[source] std::io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl TraefikError {
    /// Only another push helps.
    pub fn is_of_the_workspace(&self) -> bool {
        matches!(self, Self::Label(_) | Self::Refused(_))
    }

    pub fn hint(&self) -> String {
        match self {
            Self::Label(error) => error.hint(),
            Self::Refused(_) => {
                "correct the label; entry points, certificate resolvers and shared names are those of the operator's \
                 Traefik"
                    .into()
            }
            Self::File(_) => "`traefik_dir` must be a folder that the platform may write".into(),
            Self::Api(_) => "is Traefik running, with its API where `traefik_api` says? `cloudyknight doctor` looks".into(),
            Self::NotTaken { dir, .. } => format!(
                "start Traefik with `--providers.file.directory={}`; its log says what it cannot read",
                dir.display()
            ),
            Self::InFlight(_) | Self::Engine(_) => "is Docker on this machine, and well?".into(),
        }
    }
}

/// How long a change may take to come into force: Traefik gathers changes for 2 s by default.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The same where no API can be asked.
const BLIND_WAIT: Duration = Duration::from_secs(3);
/// A request that Traefik has routed by the table before is connected by then.
const CONNECTS_WITHIN: Duration = Duration::from_secs(1);
/// How often a container must be seen without connections, one look after the other.
const LOOKS: u32 = 6;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// The file that every Traefik on the folder must have in force: no workspace has a name like that.
const PROBE: &str = "_probe";

impl Traefik {
    pub fn new(settings: TraefikSettings, engine: Engine) -> Self {
        Self {
            files: Files::new(settings.dir.clone(), &settings.platform),
            api: settings.api.as_deref().map(Api::new),
            settings,
            engine,
            told: Mutex::default(),
            turns: Mutex::default(),
            left: Mutex::default(),
            repairing: Mutex::default(),
        }
    }

    fn allowed(&self, workspace: &WorkspaceName) -> BTreeSet<String> {
        self.settings.policy.current().traefik(workspace)
    }

    /// Where no API can be asked, people should know what that means.
    pub fn warning(&self) -> Option<String> {
        self.api.is_none().then(|| {
            format!(
                "the setting `traefik_api` is not there: whether Traefik took the routes is not known, and {} s were \
                 waited instead",
                BLIND_WAIT.as_secs()
            )
        })
    }

    pub async fn recover(&self, routings: BTreeMap<WorkspaceName, Routing>) {
        let mut told = self.told.lock().await;
        for (workspace, routing) in routings {
            match self.compose(&workspace, routing) {
                Ok(one) => drop(told.insert(workspace, one)),
                // The operator allows less than before, perhaps: it is routed to no more, and its next deployment says why.
                Err(error) => {
                    tracing::warn!(%workspace, %error, "its routes cannot be made again from its containers")
                }
            }
        }
    }

    pub async fn taken(&self, workspace: &WorkspaceName, rule: &str) -> Option<WorkspaceName> {
        let told = self.told.lock().await;
        let mut others = told.iter().filter(|(name, _)| *name != workspace);
        others
            .find(|(_, one)| {
                one.routing.services.values().flat_map(|one| &one.routes).any(|route| route.rule == rule)
            })
            .map(|(name, _)| name.clone())
    }

    pub async fn backends(&self, workspace: &WorkspaceName) -> Vec<String> {
        self.told.lock().await.get(workspace).map(|one| backends_of(&one.routing)).unwrap_or_default()
    }

    /// Takes note of the backends that get no requests from here on.
    async fn leave(&self, before: &Routing, next: &Routing) {
        let (now, stay) = (Instant::now(), backends_of(next));
        let mut left = self.left.lock().await;
        left.retain(|_, at| at.elapsed() < CONNECTS_WITHIN);
        left.extend(backends_of(before).into_iter().filter(|one| !stay.contains(one)).map(|one| (one, now)));
    }

    /// Connections that are open on containers that get no new requests.
    pub async fn in_flight(&self, backends: &[String]) -> Result<u64, TraefikError> {
        let recent = {
            let left = self.left.lock().await;
            backends.iter().any(|one| left.get(one).is_some_and(|at| at.elapsed() < CONNECTS_WITHIN))
        };
        if recent {
            return Ok(1);
        }
        let mut processes = Vec::new();
        for backend in backends {
            let Some((container, address)) = parts(backend) else { continue };
            let process = match self.engine.addresses(container).await {
                Ok((_, process)) => process.filter(|process| *process > 0),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.into()),
            };
            processes.extend(process.map(|process| (process, address)));
        }
        // Linux shows a table that changes while it is read, and may leave out a line: one look that finds nothing is no
        // proof.
        for look in 0..LOOKS {
            let mut open = 0;
            for (process, address) in &processes {
                open += sockets::open(*process, *address).map_err(TraefikError::InFlight)?;
            }
            if open > 0 {
                return Ok(open);
            }
            if look + 1 < LOOKS && !processes.is_empty() {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        }
        Ok(0)
    }

    pub async fn switch(&self, workspace: &WorkspaceName, routing: Routing) -> Result<(), TraefikError> {
        let turn = self.turn(workspace).await;
        let _turn = turn.lock().await;
        let before = self.told.lock().await.get(workspace).cloned();
        if before.as_ref().map_or(routing == Routing::default(), |before| before.routing == routing) {
            return Ok(());
        }
        let next = self.compose(workspace, routing)?;
        let before = before.unwrap_or_default();
        match self.put(workspace, &before, &next).await {
            Ok(()) => {
                self.leave(&before.routing, &next.routing).await;
                let mut told = self.told.lock().await;
                if next.routing == Routing::default() {
                    told.remove(workspace);
                } else {
                    told.insert(workspace.clone(), next);
                }
                Ok(())
            }
            Err(error) => {
                self.put_back(workspace, &before).await;
                Err(error)
            }
        }
    }

    async fn put(&self, workspace: &WorkspaceName, before: &Told, next: &Told) -> Result<(), TraefikError> {
        let name = workspace.as_str();
        let Some(api) = &self.api else {
            self.write_or_remove(name, &next.live)?;
            tokio::time::sleep(BLIND_WAIT).await;
            return Ok(());
        };
        if next.live.routers.is_empty() {
            let mark = self.files.read(name)?.map(|_| document(name, &before.live, None).1);
            self.files.remove(name)?;
            return match mark {
                Some(mark) => self.until(api, &mark, false).await,
                None => Ok(()),
            };
        }
        let new_shape = next.shape != before.shape;
        if new_shape {
            let allowed = self.allowed(workspace);
            let trial = configuration(workspace, &next.routing.services, &allowed, Purpose::Trial)?;
            let mark = self.write(name, &before.live, Some(&trial))?;
            self.in_force(api, name, &mark, &before.live).await?;
            verdicts(api, &trial).await?;
        }
        let mark = self.write(name, &next.live, None)?;
        self.in_force(api, name, &mark, &before.live).await?;
        if new_shape { verdicts(api, &next.live).await } else { Ok(()) }
    }

    /// Waits for a mark. Where it does not come although Traefik reads the folder, the file is what it cannot read.
    async fn in_force(
        &self,
        api: &Api,
        name: &str,
        mark: &str,
        before: &Configuration,
    ) -> Result<(), TraefikError> {
        let Err(error) = self.until(api, mark, true).await else { return Ok(()) };
        if !matches!(error, TraefikError::NotTaken { .. }) {
            return Err(error);
        }
        self.write_or_remove(name, before)?;
        let probe = Configuration {
            // Another one each time, so that it must be read again.
            middlewares: [(
                format!("{name}.probe"),
                serde_json::json!({ "addprefix": { "prefix": format!("/{mark}") } }),
            )]
            .into_iter()
            .collect(),
            ..Configuration::default()
        };
        let own = format!("{PROBE}-{name}");
        let probe = self.write(&own, &probe, None)?;
        let taken = self.until(api, &probe, true).await;
        self.files.remove(&own)?;
        match taken {
            Ok(()) => {
                let why = "it cannot read what they say; its log has the reason, and an older Traefik may not know them all";
                Err(TraefikError::Refused(why.to_owned()))
            }
            Err(_) => Err(error),
        }
    }

    async fn until(&self, api: &Api, mark: &str, there: bool) -> Result<(), TraefikError> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match api.has_middleware(mark).await {
                Ok(found) if found == there => return Ok(()),
                Ok(_) if Instant::now() >= give_up => {
                    let (url, dir) = (api.url().to_owned(), self.files.dir().to_owned());
                    return Err(TraefikError::NotTaken { url, dir });
                }
                // It may be about to start.
                Err(error) if Instant::now() >= give_up => return Err(error.into()),
                Ok(_) | Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn put_back(&self, workspace: &WorkspaceName, before: &Told) {
        if let Err(error) = self.write_or_remove(workspace.as_str(), &before.live) {
            tracing::warn!(%workspace, %error, "the file of the release before could not be put back; will try again");
        }
    }

    fn write_or_remove(&self, name: &str, live: &Configuration) -> Result<(), FileError> {
        if live.routers.is_empty() { self.files.remove(name) } else { self.write(name, live, None).map(drop) }
    }

    /// Answers the mark of what is written.
    fn write(
        &self,
        name: &str,
        live: &Configuration,
        trial: Option<&Configuration>,
    ) -> Result<String, FileError> {
        let (text, mark) = document(name, live, trial);
        if self.files.read(name)?.as_deref() != Some(&*text) {
            self.files.write(name, &text)?;
        }
        Ok(mark)
    }

    /// Makes the files what they should be, and looks whether Traefik has taken them.
    pub async fn repair(&self) -> Result<(), TraefikError> {
        let one_at_a_time = self.repairing.lock().await;
        let mut marks = vec![(None, self.write(PROBE, &Configuration::default(), None)?)];
        let mut names: BTreeSet<String> = self.told.lock().await.keys().map(ToString::to_string).collect();
        names.extend(self.files.names()?);
        names.remove(PROBE);
        for name in names {
            let Ok(workspace) = name.parse::<WorkspaceName>() else { continue };
            let turn = self.turn(&workspace).await;
            // Whoever switches it says what its file is to be.
            let Ok(_turn) = turn.try_lock() else { continue };
            let live = self.told.lock().await.get(&workspace).map(|one| one.live.clone()).unwrap_or_default();
            if live.routers.is_empty() {
                self.files.remove(&name)?;
            } else {
                let mark = self.write(&name, &live, None)?;
                marks.push((Some(workspace), mark));
            }
        }
        drop(one_at_a_time);
        let Some(api) = &self.api else { return Ok(()) };
        let give_up = Instant::now() + REPAIRS_WITHIN;
        for (workspace, mark) in marks {
            while !api.has_middleware(&mark).await? {
                if !self.is_current(workspace.as_ref(), &mark).await {
                    break;
                }
                if Instant::now() >= give_up {
                    let (url, dir) = (api.url().to_owned(), self.files.dir().to_owned());
                    return Err(TraefikError::NotTaken { url, dir });
                }
                tokio::time::sleep(LOOK_AGAIN * 10).await;
            }
        }
        Ok(())
    }

    /// Whether a mark is still to be in force: not, when the workspace is switched or was just now.
    async fn is_current(&self, workspace: Option<&WorkspaceName>, mark: &str) -> bool {
        let Some(workspace) = workspace else { return true };
        let turn = self.turn(workspace).await;
        let Ok(_turn) = turn.try_lock() else { return false };
        let told = self.told.lock().await;
        told.get(workspace).is_some_and(|one| document(workspace.as_str(), &one.live, None).1 == mark)
    }

    async fn turn(&self, workspace: &WorkspaceName) -> Arc<Mutex<()>> {
        self.turns.lock().await.entry(workspace.clone()).or_default().clone()
    }

    fn compose(&self, workspace: &WorkspaceName, routing: Routing) -> Result<Told, LabelError> {
        let allowed = self.allowed(workspace);
        let mut bare = routing.services.clone();
        bare.values_mut().for_each(|one| one.backends.clear());
        Ok(Told {
            live: configuration(workspace, &routing.services, &allowed, Purpose::Live)?,
            shape: configuration(workspace, &bare, &allowed, Purpose::Live)?,
            routing,
        })
    }
}

fn backends_of(routing: &Routing) -> Vec<String> {
    routing.services.values().flat_map(|service| service.backends.keys().cloned()).collect()
}

/// The container and the address that the name of a backend holds; see [`crate::edge_link::backend_id`].
fn parts(backend: &str) -> Option<(&str, Ipv4Addr)> {
    let (container, address) = backend.split_once('@')?;
    Some((container, address.parse().ok()?))
}

/// Removes all that a platform wrote to a folder.
pub fn forget(dir: &Path, platform: &str) -> Result<(), FileError> {
    let files = Files::new(dir.to_owned(), platform);
    files.names()?.iter().try_for_each(|name| files.remove(name))
}

/// Somebody waits for what `repair` finds, but Traefik takes its time.
const REPAIRS_WITHIN: Duration = Duration::from_millis(4_500);

/// Whether Traefik uses everything that it was told.
async fn verdicts(api: &Api, told: &Configuration) -> Result<(), TraefikError> {
    for (kind, names) in [("routers", &told.routers), ("services", &told.services)] {
        for name in names.keys() {
            if let Verdict::Refused(why) = api.verdict(kind, name).await? {
                let shown = name.rsplit(['_', '.']).next().unwrap_or(name);
                return Err(TraefikError::Refused(format!(
                    "{} `{shown}`: {why}",
                    kind.trim_end_matches('s')
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod real_tests;
