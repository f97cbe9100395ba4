//! What a platform can stand on, as one word: the server behind it, started and with buckets and queues in it, and the
//! settings that send a platform there.

use std::path::Path;

use crate::client::python;
use crate::cloud::{ACCOUNT, Cloud};
use crate::run::{run, succeeded};
use crate::server::{self, LocalStack, Ministack, Moto, SeaweedFs};

pub enum Backend {
    /// The platform's own store, in its own process.
    Embedded,
    LocalStack(LocalStack),
    Moto(Moto),
    Ministack(Ministack),
    /// Ministack, with what `infra/deploy.sh` makes: the functions run there.
    Deployed(Deployed),
    /// Sends no notifications: what is pushed is found by the sweep.
    SeaweedFs(SeaweedFs),
}

/// A stack, and what the script printed for the agent.
pub struct Deployed {
    pub cloud: Cloud,
    configuration: String,
}

impl Backend {
    /// With buckets that are named as everywhere else.
    pub fn deployed() -> Self {
        let cloud = Cloud::start();
        let names = ["WorkspacesBucketName=workspaces", "PlatformBucketName=cloudyknight"];
        let (configuration, _) = cloud.deploy(&["--parameter", names[0], "--parameter", names[1]]);
        Self::Deployed(Deployed { cloud, configuration })
    }

    pub fn localstack() -> Self {
        // It has run the hooks itself.
        Self::LocalStack(LocalStack::start())
    }

    pub fn moto() -> Self {
        let server = Moto::start();
        run_hooks(server.endpoint(), &["10-buckets.py", "20-queues.py"]);
        Self::Moto(server)
    }

    pub fn ministack() -> Self {
        let server = Ministack::start();
        run_hooks(server.endpoint(), &["10-buckets.py", "20-queues.py"]);
        Self::Ministack(server)
    }

    pub fn seaweedfs() -> Self {
        let server = SeaweedFs::start();
        run_hooks(server.endpoint(), &["10-buckets.py"]);
        Self::SeaweedFs(server)
    }

    /// As `./test.sh --backend` knows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::LocalStack(_) => "localstack",
            Self::Moto(_) => "moto",
            Self::Ministack(_) | Self::Deployed(_) => "ministack",
            Self::SeaweedFs(_) => "seaweedfs",
        }
    }

    /// Where its server listens, if it is one.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Embedded => None,
            Self::LocalStack(server) => Some(server.endpoint()),
            Self::Moto(server) => Some(server.endpoint()),
            Self::Ministack(server) => Some(server.endpoint()),
            Self::Deployed(stack) => Some(stack.cloud.endpoint()),
            Self::SeaweedFs(server) => Some(server.endpoint()),
        }
    }

    pub fn sends_notifications(&self) -> bool {
        !matches!(self, Self::SeaweedFs(_))
    }

    /// Its FIFO queue carries the commands. Not moto's: a poll there goes by what was in flight when it began, so that
    /// a command which follows another waits until the poll ends, up to 20 seconds.
    pub fn queues_commands(&self) -> bool {
        matches!(self, Self::LocalStack(_) | Self::Ministack(_) | Self::Deployed(_))
    }

    /// The sweep is none of the platform's own.
    pub fn is_swept_elsewhere(&self) -> bool {
        matches!(self, Self::Deployed(_))
    }

    /// The URL of one of its queues, such as `commands.fifo`.
    pub fn queue(&self, name: &str) -> String {
        let account = if matches!(self, Self::Moto(_)) { "123456789012" } else { ACCOUNT };
        let endpoint = self.endpoint().expect("the embedded queues have no URLs");
        let stack = if matches!(self, Self::Deployed(_)) { "cloudyknight-" } else { "" };
        format!("{endpoint}/{account}/{stack}{name}")
    }

    /// What `config.toml` says for it: names, and values in TOML.
    pub fn settings(&self) -> Vec<(String, String)> {
        if let Self::Deployed(stack) = self {
            return settings(&stack.configuration);
        }
        let text = |text: &str| format!("{text:?}");
        let Some(endpoint) = self.endpoint() else { return Vec::new() };
        let store = [("store", text(endpoint)), ("region", text(server::REGION))];
        let events = if self.sends_notifications() { self.queue("events") } else { "none".to_owned() };
        let commands =
            if self.queues_commands() { self.queue("commands.fifo") } else { "embedded".to_owned() };
        let queues = [("events", text(&events)), ("commands", text(&commands))];
        store.into_iter().chain(queues).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What the platform's processes need in their environment.
    pub fn variables(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Embedded => Vec::new(),
            _ => {
                vec![("AWS_ACCESS_KEY_ID", server::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", server::SECRET_KEY)]
            }
        }
    }
}

/// The lines of a `config.toml`.
fn settings(configuration: &str) -> Vec<(String, String)> {
    let lines = configuration.lines().filter_map(|line| line.split_once(" = "));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Runs what LocalStack runs by itself against another server.
fn run_hooks(endpoint: &str, hooks: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../localstack/init/ready.d");
    for hook in hooks {
        let mut command = python();
        command.arg(folder.join(hook)).envs(server::variables(endpoint));
        succeeded(hook, &run(&mut command));
    }
}
