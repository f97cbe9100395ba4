//! A Traefik that reads the labels of containers by itself, as it does where there is no platform.

use super::process::{Process, Stage};

pub struct LabelRouter {
    process: Process,
    entry: String,
}

const API: u16 = 0;
const ENTRY: u16 = 1;

impl LabelRouter {
    /// Starts it for the containers whose label `of` is `value`, and waits until it knows a router of theirs.
    pub fn start((of, value): (&str, &str), router: &str) -> Self {
        let stage = Stage::of("traefik");
        let entry = stage.ports.address(ENTRY);
        let mut command = stage.command("traefik");
        command.arg(format!("--entrypoints.web.address={entry}"));
        command.arg(format!("--entrypoints.traefik.address={}", stage.ports.address(API)));
        command.args(["--api=true", "--api.insecure=true", "--providers.docker=true"]);
        command.args([
            "--providers.docker.exposedbydefault=false",
            "--providers.providersThrottleDuration=50ms",
        ]);
        command.arg(format!("--providers.docker.constraints=Label(`{of}`, `{value}`)"));
        command.args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
        command.args(["--log.nocolor=true"]);
        let path = format!("/api/http/routers/{router}@docker");
        let process = stage.start(command, API).until(&path, |answer| answer.status == 200);
        Self { process, entry }
    }

    /// Where it takes requests for the containers.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// What it says about a router: its state, and what is wrong with it.
    pub fn about(&self, router: &str) -> String {
        let address = self.process.endpoint().strip_prefix("http://").expect("it speaks HTTP");
        let answer = crate::http::get(address, address, &format!("/api/http/routers/{router}@docker"));
        answer.map(|answer| answer.body).unwrap_or_default()
    }
}
