//! The agent put together: what it starts with, and what it does before the first command.

use std::sync::Arc;
use std::time::Duration;

use cloudyknight_core::archive;
use cloudyknight_core::command::Cause;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::aws::Meter;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::queue::Queue;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::api::sockets::Sockets;
use crate::board::Board;
use crate::deploy::{self, Tools, with_causes};
use crate::desires::Desires;
use crate::edge_link::EdgeLink;
use crate::engine::Engine;
use crate::facts::Facts;
use crate::firewall::Firewall;
use crate::inbox::Inbox;
use crate::journal::Journal;
use crate::lines::Lines;
use crate::plan::Running;
use crate::queue_watch::QueueWatch;
use crate::reconcile::Reconciler;
use crate::releases::Releases;
use crate::replay::Replay;
use crate::settings::Settings;
use crate::trouble::FunctionTroubles;
use crate::uploads::{Reach, Uploads};

/// What the agent is plugged into.
pub struct Ports {
    pub workspaces: Arc<dyn Bucket>,
    pub platform: Arc<dyn Bucket>,
    pub commands: Arc<dyn Queue>,
    /// Where notifications are, if this process knows.
    pub events: Option<Arc<dyn Queue>>,
    pub engine: Engine,
    pub edge: EdgeLink,
    /// What is asked of S3 and SQS, counted.
    pub meters: Vec<Meter>,
    pub reach: Reach,
    /// What this process logs.
    pub log: Arc<Lines>,
    pub functions: FunctionTroubles,
}

#[derive(Clone)]
pub struct Agent {
    pub(crate) reconciler: Arc<Reconciler>,
    pub(crate) board: Arc<Board>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) commands: Arc<dyn Queue>,
    pub(crate) meters: Arc<[Meter]>,
    pub(crate) access: Arc<Access>,
    pub(crate) facts: Facts,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) replay: Arc<Replay>,
    pub(crate) log: Arc<Lines>,
    pub(crate) queue: Arc<QueueWatch>,
    /// Whoever reads something that never ends by itself is to be done now.
    pub(crate) leaving: CancellationToken,
    pub(crate) functions: FunctionTroubles,
}

const PAUSE: Duration = Duration::from_secs(2);

impl Agent {
    /// Reads back what is known, without Docker.
    pub async fn new(
        settings: Settings,
        ports: Ports,
    ) -> Result<Self, cloudyknight_store::bucket::BucketError> {
        let desires = Arc::new(Desires::load(ports.platform.clone()).await?);
        let releases = Releases::new(ports.platform.clone(), desires.clone(), settings.retention);
        let board = Arc::new(Board::load(ports.platform.clone()).await?);
        let access = Arc::new(Access::load(ports.platform).await?);
        let firewall = Firewall::new(ports.engine.clone(), &settings);
        let uploads = Arc::new(Uploads::new(settings.source_dir.clone(), ports.reach));
        let tools = Tools {
            firewall: Arc::new(firewall),
            sockets: Arc::new(Sockets::new(settings.api_sockets.clone())),
            settings: Arc::new(settings),
            engine: ports.engine,
            workspaces: ports.workspaces,
            edge: Arc::new(ports.edge),
            installing: Arc::default(),
            releases: Arc::new(releases),
            retiring: Arc::default(),
            desires,
            builds: Arc::default(),
        };
        let journal = Arc::new(Journal::new());
        let reconciler = Arc::new(Reconciler::new(tools, board.clone(), journal.clone()));
        let inbox = Inbox::new(ports.commands.clone(), reconciler.clone());
        let (at_work, again) = (inbox.clone(), inbox.clone());
        let replay = Replay::new(ports.events, ports.commands.clone(), move |command| again.take_up(command));
        Ok(Self {
            reconciler,
            board,
            inbox,
            journal,
            replay: Arc::new(replay),
            queue: QueueWatch::new(ports.commands.clone(), move || at_work.held()),
            commands: ports.commands,
            meters: ports.meters.into(),
            functions: ports.functions,
            access,
            facts: Facts::default(),
            uploads,
            log: ports.log,
            leaving: CancellationToken::new(),
        })
    }

    /// Writes down what is only in memory, after the last request was answered.
    pub async fn finish(&self) {
        tokio::join!(self.access.audit.finish(), self.reconciler.tools.releases.finish());
    }

    /// Where the functions, if they run in this process, tell what they do.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Where messages that were given up on are tried again.
    pub fn replay(&self) -> &Arc<Replay> {
        &self.replay
    }

    /// Ends what answers of the API go on and on: a server that is shut down waits for all answers.
    pub fn end_streams(&self) {
        self.leaving.cancel();
    }

    /// Answers containers that may use the API, by their sockets.
    pub fn answer_containers(&self, router: axum::Router) {
        let tools = &self.reconciler.tools;
        tools.sockets.begin(router);
        let policy = tools.settings.policy.current();
        let all = self.board.all().into_iter().map(|status| status.workspace);
        for workspace in all.filter(|workspace| policy.api(workspace).is_some()) {
            if let Err(error) = tools.sockets.ensure(&workspace) {
                tracing::warn!(%workspace, %error, "its containers cannot reach the API");
            }
        }
    }

    /// Works until it is dropped: takes over what runs, looks at every workspace once, then follows commands.
    pub async fn run(&self) {
        let began = time::OffsetDateTime::now_utc().unix_timestamp();
        // Before anything is started behind it.
        self.reconciler.tools.firewall.refresh().await;
        self.take_over().await;
        self.wake_all(Cause::AgentStarted).await;
        // Not before: what the API is asked meanwhile would be done over half an archive, or over leftovers that are being
        // cleared away.
        self.inbox.open();
        let firewall = &self.reconciler.tools.firewall;
        tokio::join!(self.inbox.clone().run(), self.watch_docker(began), self.watch_edge(), firewall.keep());
    }

    /// Finds what runs and tells the edge, before anything is changed. Waits for Docker as long as it takes.
    async fn take_over(&self) {
        let tools = &self.reconciler.tools;
        let mut reported = false;
        loop {
            let recovered = async {
                let version = tools.engine.ready().await?;
                Ok::<_, crate::engine::EngineError>((version, deploy::recovered(tools, None).await?))
            };
            match recovered.await {
                Ok((docker, routes)) => {
                    tracing::info!(docker, workspaces = routes.len(), "took over what runs");
                    tools.edge.recover(routes).await;
                    break;
                }
                Err(error) => {
                    if !reported {
                        tracing::warn!(error = with_causes(&error), "Docker does not answer; waiting for it");
                    }
                    reported = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if let Err(error) = tools.edge.repair().await {
            tracing::warn!(error = with_causes(&error), "the edge cannot be reached yet");
        }
        self.clear_leftovers().await;
    }

    /// Removes what an interrupted deployment left: containers that never took traffic, half-made installations,
    /// source folders that nothing mounts.
    async fn clear_leftovers(&self) {
        let tools = &self.reconciler.tools;
        let mut used = Vec::new();
        match tools.engine.containers(None).await {
            Ok(seen) => {
                let mut workspaces: std::collections::BTreeMap<WorkspaceName, Vec<_>> = Default::default();
                for one in seen {
                    workspaces.entry(one.identity.workspace.clone()).or_default().push(one);
                }
                let mut leftovers = Vec::new();
                for seen in workspaces.into_values() {
                    let mut running = Running::recover(seen);
                    used.extend(running.live.values().filter_map(|one| one.identity.source.clone()));
                    match deploy::finish_switch(tools, &mut running).await {
                        Ok(()) => leftovers.extend(running.leftovers.into_iter().chain(running.retired)),
                        // They tell what is live: the next deployment finishes it.
                        Err(error) => deploy::report("finish a switch", Err(error)),
                    }
                }
                deploy::clear(tools, &leftovers).await;
            }
            Err(error) => {
                tracing::warn!(error = with_causes(&error), "leftovers stay");
                return;
            }
        }
        deploy::report("remove", tools.engine.remove_unidentified().await);
        if let Ok(mut folders) = tokio::fs::read_dir(&tools.settings.source_dir).await {
            while let Ok(Some(folder)) = folders.next_entry().await {
                let name = folder.file_name();
                if !used.iter().any(|one| Some(one.as_str()) == name.to_str()) {
                    crate::source::discard(&folder.path()).await;
                }
            }
        }
    }

    /// Has every workspace looked at: those in the bucket, those that were known, and those that run.
    pub async fn wake_all(&self, cause: Cause) {
        let tools = &self.reconciler.tools;
        let mut names: std::collections::BTreeSet<WorkspaceName> =
            self.board.all().into_iter().map(|status| status.workspace).collect();
        match tools.engine.containers(None).await {
            Ok(seen) => names.extend(seen.into_iter().map(|one| one.identity.workspace)),
            Err(error) => tracing::warn!(error = with_causes(&error), "containers cannot be listed"),
        }
        let mut pause = Duration::from_millis(200);
        loop {
            match tools.workspaces.top_level().await {
                Ok(top) => {
                    // Before anything is deployed: an archive may have been taken only in part.
                    for name in top.objects.iter().filter_map(|object| archive::workspace(&object.key)?.ok())
                    {
                        self.reconciler.expect_archive(&name);
                        names.insert(name);
                    }
                    for folder in top.folders {
                        match folder.parse() {
                            Ok(name) => drop(names.insert(name)),
                            Err(error) => {
                                tracing::warn!(folder, %error, "a folder of the bucket is no workspace")
                            }
                        }
                    }
                    break;
                }
                Err(error) => {
                    tracing::warn!(error = with_causes(&error), "the bucket cannot be listed; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
            }
        }
        for name in names {
            self.inbox.wake(name, cause.clone());
        }
    }
}
