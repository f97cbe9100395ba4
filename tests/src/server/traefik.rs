//! A Traefik as an operator runs it: an entry point for the apps, its API beside it, and a folder of files that it
//! watches.

use std::path::PathBuf;
use std::process::Command;

use super::process::{Process, Stage};
use crate::platform::Platform;

pub struct Traefik {
    process: Process,
    entry: String,
    arguments: Vec<String>,
}

const API: u16 = 0;
const ENTRY: u16 = 1;

/// What a platform and a Traefik must agree on before either is started.
pub struct Place {
    stage: Stage,
    arguments: Vec<String>,
}

impl Place {
    /// The settings of a platform for it: names, and values in TOML.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("edge", "\"traefik\"".to_owned()),
            ("traefik_dir", format!("{:?}", self.dir())),
            ("traefik_api", format!("{:?}", self.api())),
        ]
    }

    pub fn dir(&self) -> PathBuf {
        self.stage.path().join("dynamic")
    }

    pub fn api(&self) -> String {
        format!("http://{}", self.stage.ports.address(API))
    }

    /// An address for its entry point, where no platform says one.
    pub fn entry(&self) -> String {
        self.stage.ports.address(ENTRY)
    }

    /// More of its static configuration than a platform needs.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A platform with these settings, whose traffic it carries.
    pub fn carrying(self, settings: &[(&str, &str)]) -> (Platform, Traefik) {
        let mut builder = Platform::builder();
        for (name, value) in self.settings() {
            builder = builder.setting(name, value);
        }
        for (name, value) in settings {
            builder = builder.setting(name, value);
        }
        let mut platform = builder.prepare();
        let traefik = self.start(platform.edge_address());
        platform.up();
        platform.learn();
        (platform, traefik)
    }

    /// Starts it, with its entry point for apps at this address.
    pub fn start(self, entry: &str) -> Traefik {
        let Self { stage, arguments } = self;
        let mut command = command(&stage, entry);
        command.args(&arguments);
        let process = stage.start(command, API).until("/api/version", |answer| answer.status == 200);
        Traefik { process, entry: entry.to_owned(), arguments }
    }
}

impl Traefik {
    pub fn place() -> Place {
        let place = Place { stage: Stage::of("traefik"), arguments: Vec::new() };
        std::fs::create_dir(place.dir()).expect("a folder");
        place
    }

    pub fn dir(&self) -> PathBuf {
        self.process.path().join("dynamic")
    }

    /// Where its API listens.
    pub fn api_address(&self) -> &str {
        self.process.endpoint().strip_prefix("http://").expect("it speaks HTTP")
    }

    /// Ends it without a word, and starts it again.
    pub fn restart(&mut self) {
        let mut command = command(self.process.stage(), &self.entry);
        command.args(&self.arguments);
        self.process.restart(command);
        self.process.wait_until("/api/version", |answer| answer.status == 200);
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn command(stage: &Stage, entry: &str) -> Command {
    let mut command = stage.command("traefik");
    command.arg(format!("--entrypoints.web.address={entry}"));
    command.arg(format!("--entrypoints.traefik.address={}", stage.ports.address(API)));
    command.args(["--api=true", "--api.insecure=true"]);
    command.arg(format!("--providers.file.directory={}", stage.path().join("dynamic").display()));
    command.args(["--providers.file.watch=true", "--providers.providersThrottleDuration=50ms"]);
    command.args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
    command.args(["--log.nocolor=true"]);
    command
}
