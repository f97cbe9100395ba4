//! What the settings mean for the parts of the platform: addresses, connections, and what the agent is given.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloudyknight_agent::compose::policy::Platform;
use cloudyknight_agent::firewall::{Guarded, Part};
use cloudyknight_agent::policy::PolicyFile;
use cloudyknight_agent::releases::Retention;
use cloudyknight_agent::settings::{InstallAccess, Settings};
use cloudyknight_core::ip_range::NoIpRange;
use cloudyknight_edge::TrustedProxies;
use cloudyknight_store::aws::{Checksums, ConnectSettings};

use super::{ChecksumSetting, Config};
use crate::backends::{Commands, Endpoint, Events, QueueUrl, Store};
use crate::environment::variable;
use crate::errors::hinted;
use crate::home::Home;

impl Config {
    pub fn edge_address(&self) -> anyhow::Result<SocketAddr> {
        let default = if self.domain == "localhost" { "0.0.0.0:8080" } else { "0.0.0.0:80" };
        address("edge_listen", self.edge_listen.as_deref().unwrap_or(default))
    }

    /// Whose word the edge passes on.
    pub fn proxies(&self) -> anyhow::Result<TrustedProxies> {
        let read = |text: &String| {
            text.parse().map_err(|error: NoIpRange| {
                let hint =
                    "it lists addresses of proxies before the edge, such as \"127.0.0.1\" or \"10.0.0.0/8\"";
                hinted(format!("`trusted_proxies`: {error}"), hint)
            })
        };
        Ok(TrustedProxies::new(self.trusted_proxies.iter().map(read).collect::<anyhow::Result<_>>()?))
    }

    pub fn s3_address(&self) -> anyhow::Result<SocketAddr> {
        address("s3_listen", &self.s3_listen)
    }

    pub fn api_address(&self) -> anyhow::Result<SocketAddr> {
        address("api_listen", &self.api_listen)
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
        ports.extend(self.traefik_api.as_deref().and_then(port_here));
        ports.extend(self.engine_url().as_deref().and_then(port_here));
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
        guarded.extend(self.engine_url().as_deref().and_then(|url| of_url(Part::Engine, url)));
        Ok(guarded)
    }

    /// The engine, where it is reached by TCP.
    fn engine_url(&self) -> Option<String> {
        let address = self.docker_host.as_deref()?.strip_prefix("tcp://")?;
        Some(format!("http://{address}"))
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

/// In the home.
const POLICY: &str = "policy.toml";

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

/// The port of a URL that leads to this machine.
fn port_here(url: &str) -> Option<u16> {
    let url = url::Url::parse(url).ok()?;
    let is_here = match url.host()? {
        url::Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        url::Host::Ipv4(ip) => is_own(ip.into()),
        url::Host::Ipv6(ip) => is_own(ip.into()),
    };
    url.port_or_known_default().filter(|_| is_here)
}

/// Nobody can listen at the address of another machine.
fn is_own(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_workspace_may_publish_a_port_of_the_platform() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(Some(folder.path().to_owned())).unwrap();
        let ports = |text: &str| toml::from_str::<Config>(text).unwrap().own(&home).unwrap().ports;
        let usual = ports("");
        assert_eq!(usual, [8080, 9000, 9100].into());
        let more = |text: &str| ports(text).difference(&usual).copied().collect::<Vec<u16>>();
        assert_eq!(more("ingest_listen = \"127.0.0.1:8061\""), [8061]);
        assert_eq!(more("traefik_api = \"http://127.0.0.1:8099\""), [8099]);
        assert_eq!(more("traefik_api = \"http://localhost\""), [80]);
        assert_eq!(more("docker_host = \"tcp://127.0.0.1:2375\""), [2375]);
        // What another machine listens on is free here.
        assert_eq!(more("traefik_api = \"http://192.0.2.7:8099\""), [0; 0]);
        assert_eq!(more("docker_host = \"tcp://engine.example:2375\""), [0; 0]);
        assert_eq!(more("docker_host = \"unix:///run/docker.sock\""), [0; 0]);
    }

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
