//! The operator's settings: from `config.toml` in the home, over it the environment, over it the flags. Read once, by
//! the process that starts; everything else gets values.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloudyknight_agent::compose::policy::Platform;
use cloudyknight_agent::edge_link::EdgeKind;
use cloudyknight_agent::firewall::{Guarded, Part};
use cloudyknight_agent::policy::PolicyFile;
use cloudyknight_agent::releases::Retention;
use cloudyknight_agent::settings::{InstallAccess, Settings};
use cloudyknight_store::aws::{Checksums, ConnectSettings};
use serde::Deserialize;

use crate::args::Listen;
use crate::backends::{Commands, Endpoint, Events, QueueUrl, Store};
use crate::environment::variable;
use crate::errors::hinted;
use crate::home::Home;
use crate::mount::{excluded, options};
use crate::traefik;

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
    /// What labels of workspaces may use of Traefik's beyond their own.
    pub traefik_allow: BTreeSet<String>,
    /// Where our edge listens, or where people reach the Traefik. `None`: port 8080, or 80 with a domain.
    pub edge_listen: Option<String>,
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
            traefik_allow: BTreeSet::new(),
            edge_listen: None,
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
                hinted(message, "correct the file; docs/settings.md lists what it may say")
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

    pub fn edge_address(&self) -> anyhow::Result<SocketAddr> {
        let default = if self.domain == "localhost" { "0.0.0.0:8080" } else { "0.0.0.0:80" };
        address("edge_listen", self.edge_listen.as_deref().unwrap_or(default))
    }

    pub fn s3_address(&self) -> anyhow::Result<SocketAddr> {
        address("s3_listen", &self.s3_listen)
    }

    pub fn api_address(&self) -> anyhow::Result<SocketAddr> {
        address("api_listen", &self.api_listen)
    }

    /// A region of the environment is a default: the URL of the store wins over it.
    fn says_no_other(&self, region: &str) -> bool {
        match &self.store {
            Store::S3(Endpoint { region: Some(told), .. }) => told == region,
            _ => true,
        }
    }

    pub fn ingest_address(&self) -> anyhow::Result<Option<SocketAddr>> {
        self.ingest_listen.as_deref().map(|text| address("ingest_listen", text)).transpose()
    }

    pub fn region(&self) -> &str {
        let told = match &self.store {
            Store::S3(endpoint) => endpoint.region.as_deref(),
            Store::Embedded => None,
        };
        told.or(self.region.as_deref()).unwrap_or(DEFAULT_REGION)
    }

    /// How to reach a store that is not the embedded one.
    pub fn connect_store(&self, endpoint: &Endpoint) -> ConnectSettings {
        ConnectSettings {
            endpoint: Some(endpoint.url.clone()),
            region: Some(self.region().to_owned()),
            profile: self.profile.clone(),
            path_style: self.path_style.unwrap_or(!endpoint.is_aws),
            checksums: match self.checksums {
                ChecksumSetting::WhenSupported => Checksums::WhenSupported,
                ChecksumSetting::WhenRequired => Checksums::WhenRequired,
            },
            ..ConnectSettings::default()
        }
    }

    /// Whether the platform is told what is put into the bucket, and need not look by itself.
    pub fn is_told(&self) -> bool {
        match self.events {
            Events::Embedded => self.store == Store::Embedded || self.ingest_listen.is_some(),
            Events::Sqs(_) => true,
            Events::None => false,
        }
    }

    /// How to reach a queue.
    pub fn connect_queue(&self, queue: &QueueUrl) -> ConnectSettings {
        ConnectSettings {
            endpoint: Some(queue.endpoint.clone()),
            region: Some(queue.region.as_deref().unwrap_or(self.region()).to_owned()),
            profile: self.profile.clone(),
            ..ConnectSettings::default()
        }
    }

    /// What the edge is called from outside.
    pub fn edge_url(&self) -> anyhow::Result<String> {
        let port = match self.edge_address()?.port() {
            80 => String::new(),
            port => format!(":{port}"),
        };
        Ok(format!("http://{}{port}", self.domain))
    }

    /// The folder in memory for this platform's sources.
    pub fn source_dir(&self, home: &Home) -> PathBuf {
        self.source_dir.join(format!("cloudyknight-{}", home.platform()))
    }

    /// Where the policy is.
    pub fn policy_path(&self, home: &Home) -> PathBuf {
        home.path().join(self.policy.as_deref().unwrap_or(Path::new(POLICY)))
    }

    /// The policy; made now if there is none and the settings name no other file.
    fn open_policy(&self, home: &Home) -> anyhow::Result<PolicyFile> {
        let path = self.policy_path(home);
        if self.policy.is_none() && !path.exists() {
            let written = std::fs::write(&path, cloudyknight_agent::policy::DEFAULT);
            written.with_context(|| format!("could not write {}", path.display()))?;
        }
        let hint = "correct the file; docs/policy.md lists what it may say";
        PolicyFile::open(&path, self.own(home)?).map_err(|error| hinted(error.to_string(), hint))
    }

    /// What no policy can give away.
    fn own(&self, home: &Home) -> anyhow::Result<Platform> {
        let mut ports = vec![self.api_address()?.port(), self.edge_address()?.port()];
        if self.store == Store::Embedded {
            ports.push(self.s3_address()?.port());
        }
        ports.extend(self.ingest_address()?.map(|address| address.port()));
        Ok(Platform {
            file: self.policy_path(home).display().to_string(),
            ports: ports.into_iter().collect(),
            paths: vec![home.path().display().to_string(), self.source_dir(home).display().to_string()],
            memory: memory(),
        })
    }

    /// The doors that containers of workspaces are kept from.
    fn guarded(&self) -> anyhow::Result<Vec<Guarded>> {
        let own = |part, address: SocketAddr| Guarded {
            part,
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: address.port(),
        };
        let mut guarded = vec![own(Part::Api, self.api_address()?)];
        guarded.extend(self.ingest_address()?.map(|address| own(Part::Ingest, address)));
        let of_url = |part, url: &str| {
            let url = url::Url::parse(url).ok()?;
            Some(Guarded { part, host: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
        };
        // It tells the addresses of all containers, and the names of all routes.
        guarded.extend(self.traefik_api.as_deref().and_then(|url| of_url(Part::Api, url)));
        match &self.store {
            Store::Embedded => guarded.push(own(Part::Store, self.s3_address()?)),
            Store::S3(endpoint) => guarded.extend(of_url(Part::Store, &endpoint.url)),
        }
        if let Events::Sqs(queue) = &self.events {
            guarded.extend(of_url(Part::Store, &queue.endpoint));
        }
        if let Commands::Sqs(queue) = &self.commands {
            guarded.extend(of_url(Part::Store, &queue.endpoint));
        }
        if let Some(rest) = self.docker_host.as_deref().and_then(|host| host.strip_prefix("tcp://")) {
            guarded.extend(of_url(Part::Engine, &format!("http://{rest}")));
        }
        Ok(guarded)
    }

    pub fn agent(&self, home: &Home) -> anyhow::Result<Settings> {
        let processors = std::thread::available_parallelism().map_or(2, |count| count.get());
        Ok(Settings {
            platform: home.platform(),
            quiet: Duration::from_millis(self.quiet_ms),
            burst_quiet: Duration::from_millis(self.burst_quiet_ms),
            settle_cap: Duration::from_secs(self.settle_cap_s),
            health_timeout: Duration::from_secs(self.health_timeout_s),
            drain_timeout: Duration::from_secs(self.drain_timeout_s),
            probation: Duration::from_secs(self.probation_s),
            keep_images: usize::try_from(self.keep_images).unwrap_or(usize::MAX),
            build_timeout: Duration::from_secs(self.build_timeout_s),
            concurrency: if self.concurrency == 0 { processors } else { self.concurrency },
            source_dir: self.source_dir(home),
            max_source_bytes: self.max_source_mb * 1024 * 1024,
            retention: Retention { releases: self.keep_releases },
            edge_url: self.edge_url()?,
            domain: self.domain.clone(),
            subnet_pool: pool(&self.subnet_pool)?,
            fresh: self.fresh,
            firewall: self.firewall,
            guarded: self.guarded()?,
            policy: Arc::new(self.open_policy(home)?),
            api_sockets: home.run("api"),
            variables: self.variables.clone(),
            install: install_access(),
        })
    }
}

/// What servers that know no regions answer to.
const DEFAULT_REGION: &str = "us-east-1";

/// Whether uploads carry checksums that S3 does not insist on; servers from before 2025 may not know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumSetting {
    WhenSupported,
    WhenRequired,
}

/// In the home.
const POLICY: &str = "policy.toml";

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

/// Of this machine, in bytes. Asked of the kernel itself: a service may be kept from `/proc/meminfo`.
fn memory() -> u64 {
    let told = rustix::system::sysinfo();
    told.totalram.saturating_mul(u64::from(told.mem_unit))
}

fn address(setting: &str, text: &str) -> anyhow::Result<SocketAddr> {
    let hint = "an address is an IP and a port, such as 127.0.0.1:9000";
    text.parse().map_err(|_| hinted(format!("`{setting}` is `{text}`, which is no address"), hint))
}

fn pool(text: &str) -> anyhow::Result<[u8; 2]> {
    let parsed = || {
        let (network, bits) = text.split_once('/')?;
        let [a, b, c, d] = network.parse::<std::net::Ipv4Addr>().ok()?.octets();
        (bits == "16" && c == 0 && d == 0).then_some([a, b])
    };
    let wrong = format!("`subnet_pool` is `{text}`, which is no private /16");
    parsed().ok_or_else(|| hinted(wrong, "write it as 10.213.0.0/16"))
}

/// How this host reaches package registries: what its own tools would use, for containers that install.
fn install_access() -> InstallAccess {
    const PLAIN: [&str; 8] = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "npm_config_registry",
        "PIP_INDEX_URL",
    ];
    const BUNDLES: [&str; 4] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"];
    let mut access = InstallAccess::default();
    for name in PLAIN {
        access.environment.extend(variable(name).map(|value| (name.to_owned(), value)));
    }
    for name in BUNDLES {
        let Some(value) = variable(name) else { continue };
        let path = Path::new(&value);
        if path.is_absolute() && path.is_file() {
            access.environment.insert(name.to_owned(), value.clone());
            if !access.files.iter().any(|file| file == path) {
                access.files.push(path.to_owned());
            }
        }
    }
    access
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_a_network_of_16_bits() {
        assert_eq!(pool("10.213.0.0/16").unwrap(), [10, 213]);
        for wrong in ["10.213.0.0/24", "10.213.1.0/16", "10.213.0.0", "x/16", ""] {
            assert!(pool(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_memory_is_what_the_kernel_says() {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
        let kilobytes: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        assert_eq!(memory(), kilobytes * 1024);
    }

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
        check("store = \"https://s3.eu-west-1.amazonaws.com\"\nregion = \"us-east-1\"", false);
        check("store = \"https://s3.eu-west-1.amazonaws.com\"\nregion = \"eu-west-1\"", true);
    }

    #[test]
    fn a_queue_is_asked_in_the_region_that_its_url_names() {
        let config = Config { region: Some("eu-west-1".into()), ..Config::default() };
        let region = |url: &str| config.connect_queue(&url.parse().unwrap()).region.unwrap();
        assert_eq!(region("https://sqs.us-west-2.amazonaws.com/1/q"), "us-west-2");
        assert_eq!(region("http://127.0.0.1:4566/1/q"), "eu-west-1");
    }

    #[test]
    fn a_domain_moves_the_edge_to_the_usual_port() {
        let with = |domain: &str| Config { domain: domain.into(), ..Config::default() };
        assert_eq!(with("localhost").edge_address().unwrap().port(), 8080);
        assert_eq!(with("localhost").edge_url().unwrap(), "http://localhost:8080");
        assert_eq!(with("example.org").edge_address().unwrap().port(), 80);
        assert_eq!(with("example.org").edge_url().unwrap(), "http://example.org");
    }
}
