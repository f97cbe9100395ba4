//! The operator's settings: from `config.toml` in the home, over it the environment, over it the flags. Read once, by
//! the process that starts; everything else gets the values that [`meaning`] makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cloudyknight_agent::edge_link::EdgeKind;
use cloudyknight_agent::releases::Retention;
use serde::Deserialize;

use crate::args::Listen;
use crate::backends::{Commands, Endpoint, Events, Store};
use crate::environment::variable;
use crate::errors::hinted;
use crate::home::Home;
use crate::mount::{excluded, options};
use crate::traefik;

mod meaning;

/// `config.toml`. Everything has a default; an unknown key is an error, so that no typo is obeyed by silence.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where workspaces and the platform's own documents are.
    pub store: Store,
    /// Where notifications of the store arrive.
    pub events: Events,
    pub commands: Commands,
    pub workspaces_bucket: String,
    pub platform_bucket: String,
    /// Of the store and of queues, where their URLs do not say it.
    pub region: Option<String>,
    /// Of `~/.aws`; `None` for the usual chain of credentials.
    pub profile: Option<String>,
    /// `None`: for every store but AWS.
    pub path_style: Option<bool>,
    pub checksums: ChecksumSetting,
    /// Where the webhook of `ingest` listens; `None` for no webhook.
    pub ingest_listen: Option<String>,
    /// From the environment only; `None` for the one of the home.
    #[serde(skip)]
    pub ingest_token: Option<String>,
    pub s3_listen: String,
    /// What carries the traffic.
    pub edge: EdgeKind,
    /// What a Traefik reads; `None` for the folder `traefik` of the home.
    pub traefik_dir: Option<PathBuf>,
    /// Where its API is; `None` for none to ask.
    pub traefik_api: Option<String>,
    /// Where our edge listens, or where people reach the Traefik. `None`: port 8080, or 80 with a domain.
    pub edge_listen: Option<String>,
    /// Whose word our edge passes on: proxies before it.
    pub trusted_proxies: Vec<String>,
    pub api_listen: String,
    pub domain: String,
    /// As in `DOCKER_HOST`; `None` for the local socket.
    pub docker_host: Option<String>,
    pub quiet_ms: u64,
    pub burst_quiet_ms: u64,
    pub settle_cap_s: u64,
    pub health_timeout_s: u64,
    pub drain_timeout_s: u64,
    pub probation_s: u64,
    pub keep_images: u64,
    pub build_timeout_s: u64,
    /// 0 for none: where a schedule elsewhere sweeps.
    pub sweep_interval_s: u64,
    /// Deployments at the same time; 0 for as many as there are processors.
    pub concurrency: usize,
    pub max_source_mb: u64,
    /// Of each workspace; what is live, pinned or served before stays beyond them.
    pub keep_releases: usize,
    /// Where the source of running releases is kept; must be in memory.
    pub source_dir: PathBuf,
    pub subnet_pool: String,
    pub fresh: bool,
    /// Keep containers from the platform's API, S3 and webhook, and from metadata services.
    pub firewall: bool,
    /// The file with the policy, from the home if it is relative; `None` for `policy.toml` there.
    #[serde(deserialize_with = "policy_file")]
    pub policy: Option<PathBuf>,
    pub variables: BTreeMap<String, String>,
    /// The program that mounts; `None` for the first that is new enough.
    pub rclone: Option<PathBuf>,
    /// Names of files and folders that stay on this machine when they are written to the mounted folder.
    pub mount_exclude: Vec<String>,
    /// Of a mounted folder that the store tells nothing; at least 1.
    pub mount_relist_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: Store::Embedded,
            events: Events::Embedded,
            commands: Commands::Embedded,
            workspaces_bucket: "workspaces".into(),
            platform_bucket: "cloudyknight".into(),
            region: None,
            profile: None,
            path_style: None,
            checksums: ChecksumSetting::WhenSupported,
            ingest_listen: None,
            ingest_token: None,
            s3_listen: "127.0.0.1:9000".into(),
            edge: EdgeKind::Embedded,
            traefik_dir: None,
            traefik_api: None,
            edge_listen: None,
            trusted_proxies: Vec::new(),
            api_listen: "127.0.0.1:9100".into(),
            domain: "localhost".into(),
            docker_host: None,
            quiet_ms: 100,
            burst_quiet_ms: 500,
            settle_cap_s: 60,
            health_timeout_s: 60,
            drain_timeout_s: 10,
            probation_s: 10,
            keep_images: 3,
            build_timeout_s: 900,
            sweep_interval_s: 300,
            concurrency: 0,
            max_source_mb: 512,
            keep_releases: Retention::default().releases,
            source_dir: "/dev/shm".into(),
            subnet_pool: "10.213.0.0/16".into(),
            fresh: false,
            firewall: true,
            policy: None,
            variables: BTreeMap::new(),
            rclone: None,
            mount_exclude: excluded::DEFAULT.iter().map(|name| (*name).to_owned()).collect(),
            mount_relist_ms: options::RELIST_MS,
        }
    }
}

impl Config {
    pub fn load(home: &Home, flags: &Listen) -> anyhow::Result<Self> {
        let mut config = Self::read(&home.config())?.unwrap_or_default();
        config.override_by_environment()?;
        if let Some(address) = &flags.s3_listen {
            config.s3_listen.clone_from(address);
        }
        if let Some(address) = &flags.api_listen {
            config.api_listen.clone_from(address);
        }
        if flags.edge_listen.is_some() {
            config.edge_listen.clone_from(&flags.edge_listen);
        }
        if let Some(edge) = &flags.edge {
            config.edge = traefik::kind(edge)?;
        }
        if let Some(domain) = &flags.domain {
            config.domain.clone_from(domain);
        }
        config.check()?;
        Ok(config)
    }

    /// The settings of a file and nothing else: of a platform that this process is no part of.
    pub fn of_file(path: &Path) -> anyhow::Result<Self> {
        let config = Self::read(path)?.with_context(|| format!("there is no {}", path.display()))?;
        config.check()?;
        Ok(config)
    }

    /// `None` when there is no such file.
    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map(Some).map_err(|error| {
                // Without the line itself: it may hold what is not to be shown.
                let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
                let message = format!("{}, line {line}: {}", path.display(), error.message().trim_end());
                let hint = match error.message().contains("`traefik_allow`") {
                    true => {
                        "the policy says it now, for each workspace: `traefik = [\"auth@file\"]` in an entry \
                             of policy.toml (docs/policy.md)"
                    }
                    false => "correct the file; docs/settings.md lists what it may say",
                };
                hinted(message, hint)
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
        }
    }

    /// What each setting allows by itself and not together with another.
    fn check(&self) -> anyhow::Result<()> {
        if self.store == Store::Embedded && self.events != Events::Embedded {
            let message = "the embedded store notifies only the embedded queue, and `events` names another";
            return Err(hinted(message, "leave `events` out, or set `store` to the URL of the S3 server"));
        }
        if self.ingest_listen.is_some() && self.events == Events::None {
            let message = "`ingest_listen` is set, but `events` is \"none\": nobody would read what comes in";
            return Err(hinted(message, "set `events` to \"embedded\" or to the URL of a queue"));
        }
        if self.events == Events::None && self.sweep_interval_s == 0 && self.commands == Commands::Embedded {
            let message = "nothing tells of changes: `events` is \"none\", there is no sweep, and nobody elsewhere can send to the embedded commands queue";
            return Err(hinted(
                message,
                "set `sweep_interval_s`; or `commands` to the queue that the functions send to",
            ));
        }
        if let Some(api) = &self.traefik_api {
            traefik::check_api(api)?;
        }
        self.proxies()?;
        if self.traefik_dir.as_ref().is_some_and(|dir| !dir.is_absolute()) {
            let message = "`traefik_dir` is no absolute path";
            return Err(hinted(message, "Traefik and the platform must mean the same folder"));
        }
        if let Some(name) = self.mount_exclude.iter().find(|name| name.is_empty() || name.contains('/')) {
            let message = format!("`mount_exclude` has {name:?}, which is no name of a file");
            return Err(hinted(message, "it lists plain names; each counts wherever in a workspace it lies"));
        }
        if self.workspaces_bucket == self.platform_bucket {
            let message = "`workspaces_bucket` and `platform_bucket` are the same bucket";
            let hint = "the platform's own writes would notify the platform: use two buckets";
            return Err(hinted(message, hint));
        }
        if let Store::S3(Endpoint { region: Some(told), url, .. }) = &self.store
            && self.region.as_ref().is_some_and(|region| region != told)
        {
            let message = format!("`store` is {url}, and `region` says another region");
            return Err(hinted(message, "leave `region` out"));
        }
        Ok(())
    }

    /// The settings that scripts and tests change most; the addresses are flags that clap reads.
    fn override_by_environment(&mut self) -> anyhow::Result<()> {
        let number = |name: &str| -> anyhow::Result<Option<u64>> {
            let Some(value) = variable(name) else { return Ok(None) };
            let parsed = value.parse().map(Some);
            parsed.map_err(|_| {
                hinted(format!("{name} is `{value}`, which is no whole number"), "unset or correct it")
            })
        };
        for (name, setting) in [
            ("CLOUDYKNIGHT_QUIET_MS", &mut self.quiet_ms),
            ("CLOUDYKNIGHT_BURST_QUIET_MS", &mut self.burst_quiet_ms),
            ("CLOUDYKNIGHT_HEALTH_TIMEOUT_S", &mut self.health_timeout_s),
            ("CLOUDYKNIGHT_DRAIN_TIMEOUT_S", &mut self.drain_timeout_s),
            ("CLOUDYKNIGHT_PROBATION_S", &mut self.probation_s),
            ("CLOUDYKNIGHT_KEEP_IMAGES", &mut self.keep_images),
            ("CLOUDYKNIGHT_SWEEP_INTERVAL_S", &mut self.sweep_interval_s),
            ("CLOUDYKNIGHT_MAX_SOURCE_MB", &mut self.max_source_mb),
        ] {
            if let Some(value) = number(name)? {
                *setting = value;
            }
        }
        let hint = "say \"embedded\", or a URL as `config.toml` has it";
        if let Some(value) = variable("CLOUDYKNIGHT_STORE") {
            self.store =
                value.parse().map_err(|error| hinted(format!("CLOUDYKNIGHT_STORE: {error}"), hint))?;
        }
        if let Some(value) = variable("CLOUDYKNIGHT_EVENTS") {
            self.events =
                value.parse().map_err(|error| hinted(format!("CLOUDYKNIGHT_EVENTS: {error}"), hint))?;
        }
        if let Some(value) = variable("CLOUDYKNIGHT_COMMANDS") {
            self.commands =
                value.parse().map_err(|error| hinted(format!("CLOUDYKNIGHT_COMMANDS: {error}"), hint))?;
        }
        if let Some(value) = variable("CLOUDYKNIGHT_TRAEFIK_DIR") {
            self.traefik_dir = Some(value.into());
        }
        if let Some(value) = variable("CLOUDYKNIGHT_TRAEFIK_API") {
            self.traefik_api = Some(value);
        }
        if let Some(value) = variable("CLOUDYKNIGHT_RCLONE") {
            self.rclone = Some(value.into());
        }
        if let Some(value) = variable("CLOUDYKNIGHT_INGEST_LISTEN") {
            self.ingest_listen = Some(value);
        }
        if self.region.is_none() && self.store != Store::Embedded {
            self.region = variable("AWS_REGION").filter(|region| self.says_no_other(region));
        }
        self.ingest_token = variable("CLOUDYKNIGHT_INGEST_TOKEN");
        if let Some(host) = variable("DOCKER_HOST") {
            self.docker_host = Some(host);
        }
        if let Some(fresh) = variable("CLOUDYKNIGHT_FRESH") {
            self.fresh = match fresh.as_str() {
                "1" | "true" | "yes" => true,
                "0" | "false" | "no" => false,
                _ => return Err(hinted(format!("CLOUDYKNIGHT_FRESH is `{fresh}`"), "say true or false")),
            };
        }
        Ok(())
    }
    /// A region of the environment is a default: the URL of the store wins over it.
    fn says_no_other(&self, region: &str) -> bool {
        match &self.store {
            Store::S3(Endpoint { region: Some(told), .. }) => told == region,
            _ => true,
        }
    }
}

/// Whether uploads carry checksums that S3 does not insist on; servers from before 2025 may not know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumSetting {
    WhenSupported,
    WhenRequired,
}

/// The older form was a table.
fn policy_file<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        File(PathBuf),
        Other(serde::de::IgnoredAny),
    }
    match Written::deserialize(deserializer)? {
        Written::File(path) => Ok(Some(path)),
        Written::Other(_) => Err(serde::de::Error::custom(
            "`policy` is the name of a file now; what the table `[policy]` allowed stands there, or else in policy.toml \
             beside this file, in entries such as `[[allow]]`, `workspaces = [\"app\"]`, `low_ports = true` \
             (docs/policy.md)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_are_errors() {
        assert!(toml::from_str::<Config>("quiet_ms = 5").is_ok());
        assert!(toml::from_str::<Config>("quite_ms = 5").is_err());
    }

    #[test]
    fn settings_that_contradict_each_other_are_errors() {
        let check = |text: &str, valid: bool| {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().is_ok(), valid, "{text}");
        };
        check("", true);
        check("store = \"http://h:1\"", true);
        check("store = \"http://h:1\"\nevents = \"none\"", true);
        check("events = \"none\"", false);
        check("store = \"http://h:1\"\nevents = \"none\"\nsweep_interval_s = 0", false);
        check(
            "store = \"http://h:1\"\nevents = \"none\"\nsweep_interval_s = 0\ncommands = \"http://h/1/c.fifo\"",
            true,
        );
        check("events = \"http://h/1/q\"", false);
        check("store = \"http://h:1\"\nevents = \"none\"\ningest_listen = \"127.0.0.1:1\"", false);
        check("platform_bucket = \"workspaces\"", false);
        check("trusted_proxies = [\"127.0.0.1\", \"fd00::/8\"]", true);
        check("trusted_proxies = [\"localhost\"]", false);
        check("store = \"https://s3.eu-west-1.amazonaws.com\"\nregion = \"us-east-1\"", false);
        check("store = \"https://s3.eu-west-1.amazonaws.com\"\nregion = \"eu-west-1\"", true);
    }
}
